package doctor

import (
	"context"
	"fmt"
	"net/http"
)

const unchanged = "none: Scopegate decides about the ARN as it comes"

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
		check: check, about: about, consequence: consequence, change: unchanged, harmless: true,
		expected: func(isHTTP bool) string { return fmt.Sprintf("%s is %s in the method ARN", sent, want(isHTTP)) },
		ask: func(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
			a, err := p.get(ctx, plan(allow("*")), sent)
			switch {
			case err != nil:
				return failed(err), nil
			case a.status != http.StatusOK:
				return noted(a.String(), "the authorizer is not asked about such paths, or its answer does not count: "+consequence, "none"), nil
			case a.afterStage() != "GET"+want(p.IsHTTP):
				return q.otherwise(a.afterStage()), nil
			}
			return fine(a.afterStage()), nil
		},
	}
}

// encodedSlash is the one of them that matters on REST APIs: the event of a TOKEN
// authorizer has nothing but the ARN, and once that is decoded nobody can tell
// orders/{id} with a slash in its value from a route below it.
func encodedSlash(unlike string) question {
	q := path("encoded-slash", "/probe/e%2Ff", "/probe/e%2Ff", "/probe/e/f", "REST paths arrive raw, HTTP API paths decoded [U]",
		"on REST APIs with a TOKEN authorizer whoever holds orders/{id}/notes reaches orders/{id} as well, by a value such as 7%2Fnotes")
	q.change, q.harmless = "a REQUEST authorizer, whose event names the route, with "+ttlSetting+"=0, or with POLICY_SCOPE=route and a cache keyed by context.resourcePath and context.httpMethod too; HTTP APIs: none", false
	ask := q.ask
	q.ask = func(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
		if p.IsHTTP {
			q.harmless, q.consequence, q.change = true, unlike, unchanged
		}
		return ask(ctx, p, q)
	}
	return q
}

func pathQuestions() []question {
	const unlike = "the local gateway shows another ARN than API Gateway, so a client's path may be denied there and allowed here, or the other way round"
	return []question{
		path("trailing-slash", "/probe/t/", "/probe/t/", "/probe/t/", "does methodArn keep it [U]",
			"a mapping with a trailing slash (orders/) is never asked for; Denies of both spellings stay right"),
		encodedSlash(unlike),
		{
			check: "encoded-slash-route", expected: always("the route that is called is the one of the method ARN: /route/7%2Fnotes goes to /route/{id} where the ARN has %2F, and to /route/{id}/notes where it has /"),
			about:       "which route is chosen, in no documentation",
			consequence: "a policy that is kept opens a route that it does not name: by a value such as 7%2Fnotes whoever holds one of orders/{id} and orders/{id}/notes reaches the other",
			change:      ttlSetting + "=0 where events name the route (REQUEST authorizers, HTTP APIs): the authorizer then denies what is called by another", ask: askRoute,
		},
		path("encoded-letter", "/probe/%65", "/probe/%65", "/probe/e", "the same of a letter [U]", unlike),
		path("encoded-twice", "/probe/e%252Ff", "/probe/e%252Ff", "/probe/e%2Ff", "is decoded once [I]", unlike),
		path("double-slash", "/probe//d", "/probe//d", "/probe//d", "are slashes merged [I]", unlike),
		path("dot-segments", "/probe/x/../y", "/probe/x/../y", "/probe/x/../y", "are they resolved [I]", unlike),
		path("star-in-path", "/probe/*", "/probe/*", "/probe/*", "a client may put * into the path [U]", unlike),
		{
			check: "root", expected: always("the root is GET/ in the method ARN"), about: "Root is …/stage/GET/ [U]",
			consequence: "a mapping of the root opens nothing", change: "no route at the root", ask: askRoot,
		},
		{
			check: "default-stage", expected: always("the stage $default stands as $default in the method ARN"),
			about:       "$default stands literally [I]",
			consequence: "tables that are registered for $default are not found, and everybody is denied",
			change:      "register the API's table for the stage that is seen, or give the API a stage with a name", only: func(isHTTP bool) bool { return isHTTP }, ask: askDefaultStage,
		},
	}
}

func askRoute(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	const short, long = "/route/{id}", "/route/{id}/notes" // of deploy/probe
	if p.Single {
		return verdict{status: NotRun, seen: "the local gateway has one route, ANY /{proxy+}"}, nil
	}
	a, err := p.get(ctx, plan(allow("*")), "/route/7%2Fnotes")
	ofARN := map[string]string{"GET/route/7%2Fnotes": short, "GET/route/7/notes": long}[a.afterStage()]
	seen := fmt.Sprintf("%s goes to %s", a.afterStage(), a.route)
	switch {
	case err != nil:
		return failed(err), nil
	case a.status != http.StatusOK:
		return noted(a.String(), "such requests are not answered", "none"), nil
	case a.route != short && a.route != long:
		return failed(fmt.Errorf("%s, and not to %s or %s: deploy the probe of this version", seen, short, long)), nil
	case a.route != ofARN:
		return q.otherwise(seen), nil
	}
	return fine(seen), nil
}

func askRoot(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
	a, err := p.get(ctx, plan(allow("*")), "/")
	switch {
	case err != nil:
		return failed(err), nil
	case a.status != http.StatusOK:
		return found(a.String(), "requests of the root are not decided by their policy", q.change), nil
	case a.afterStage() != "GET/":
		return q.otherwise(a.request), nil
	}
	return fine(a.afterStage()), nil
}

// askDefaultStage is about an API that is served without a stage in its URL.
func askDefaultStage(ctx context.Context, p *prober, q question) (verdict, func(context.Context) verdict) {
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
		return q.otherwise(a.stage()), nil
	}
	return fine(a.stage()), nil
}
