package doctor

import (
	"context"
	"fmt"
	"net/http"
)

// path makes a question of what stands in the method ARN for a path that is sent.
// What differs is noted: Scopegate decides about the ARN as it is, and reads it as it
// stands and once decoded, with and without a trailing slash.
func path(check, sent, onREST, onHTTP, about, consequence string) question {
	want := func(isHTTP bool) string {
		if isHTTP {
			return onHTTP
		}
		return onREST
	}
	return question{
		check: check, about: about,
		expected: func(isHTTP bool) string { return fmt.Sprintf("%s is %s in the method ARN", sent, want(isHTTP)) },
		ask: func(ctx context.Context, p *prober) (verdict, func(context.Context) verdict) {
			a, err := p.get(ctx, plan(allow("*")), sent)
			switch {
			case err != nil:
				return failed(err), nil
			case a.status != http.StatusOK:
				return noted(a.String(), "the authorizer is not asked about such paths, or its answer does not count: "+consequence, "none"), nil
			case a.afterStage() != "GET"+want(p.IsHTTP):
				return noted(a.afterStage(), consequence, "none: Scopegate decides about the ARN as it comes"), nil
			}
			return fine(a.afterStage()), nil
		},
	}
}

func pathQuestions() []question {
	const unlike = "the local gateway shows another ARN than API Gateway, so a client's path may be denied there and allowed here, or the other way round"
	return []question{
		path("trailing-slash", "/probe/t/", "/probe/t/", "/probe/t/", "does methodArn keep it [U]",
			"a mapping with a trailing slash (orders/) is never asked for; Denies of both spellings stay right"),
		path("encoded-slash", "/probe/e%2Ff", "/probe/e%2Ff", "/probe/e/f", "REST paths arrive raw, HTTP API paths decoded [U]", unlike),
		path("encoded-letter", "/probe/%65", "/probe/%65", "/probe/e", "the same of a letter [U]", unlike),
		path("encoded-twice", "/probe/e%252Ff", "/probe/e%252Ff", "/probe/e%2Ff", "is decoded once [I]", unlike),
		path("double-slash", "/probe//d", "/probe//d", "/probe//d", "are slashes merged [I]", unlike),
		path("dot-segments", "/probe/x/../y", "/probe/x/../y", "/probe/x/../y", "are they resolved [I]", unlike),
		path("star-in-path", "/probe/*", "/probe/*", "/probe/*", "a client may put * into the path [U]", unlike),
		{
			check: "root", expected: always("the root is GET/ in the method ARN"), about: "Root is …/stage/GET/ [U]", ask: askRoot,
		},
		{
			check: "default-stage", expected: always("the stage $default stands as $default in the method ARN"),
			about: "$default stands literally [I]", only: func(isHTTP bool) bool { return isHTTP }, ask: askDefaultStage,
		},
	}
}

func askRoot(ctx context.Context, p *prober) (verdict, func(context.Context) verdict) {
	a, err := p.get(ctx, plan(allow("*")), "/")
	switch {
	case err != nil:
		return failed(err), nil
	case a.status != http.StatusOK:
		return found(a.String(), "requests of the root are not decided by their policy", "no route at the root"), nil
	case a.afterStage() != "GET/":
		return found(a.arn, "a mapping of the root opens nothing", "no route at the root"), nil
	}
	return fine(a.afterStage()), nil
}

// askDefaultStage is about an API that is served without a stage in its URL.
func askDefaultStage(ctx context.Context, p *prober) (verdict, func(context.Context) verdict) {
	if p.base.Path != "" {
		return verdict{status: NotRun, seen: "the URL names a stage: deploy the probe's HTTP API to $default"}, nil
	}
	a, err := p.get(ctx, plan(allow("*")), "/probe/stage")
	switch {
	case err != nil:
		return failed(err), nil
	case a.status != http.StatusOK:
		return failed(fmt.Errorf("the answer is %s", a)), nil
	case a.stage() != "$default":
		return found(a.stage(), "tables that are registered for $default are not found, and everybody is denied",
			fmt.Sprintf("register the API's table for the stage %s, or give the API a stage with a name", a.stage())), nil
	}
	return fine(a.stage()), nil
}
