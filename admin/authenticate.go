package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"scopegate/token"
)

type (
	claimsKey    struct{}
	principalKey struct{}
)

// claimsOf are the verified claims of who asks.
func claimsOf(ctx context.Context) token.Claims {
	c, _ := ctx.Value(claimsKey{}).(token.Claims)
	return c
}

// principalID names who asks, for the audit trail.
func principalID(ctx context.Context) string {
	id, _ := ctx.Value(principalKey{}).(string)
	return id
}

// writerOf names who asks, for the audit trail, and the client app that asks for
// them: {tid}:{oid}/{appid}, of which the audit trail tells who wrote what through
// which client. What is in the id already is not named twice.
func writerOf(c token.Claims) string {
	id := c.PrincipalID()
	if c.AppID == "" || c.AppID == c.ObjectID || c.AppID == c.Subject {
		return id
	}
	return id + "/" + c.AppID
}

// flushOwner is whose budget of flushes a change takes from: a user has one,
// through however many apps.
func flushOwner(ctx context.Context) string {
	if id := claimsOf(ctx).PrincipalID(); id != "" {
		return id
	}
	return principalID(ctx)
}

// authenticate verifies the bearer token of every operation that names a
// security scheme. It looks at nothing that a gateway in front may have added:
// headers can be sent by anybody.
func (s *service) authenticate(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) == 0 {
			next(ctx)
			return
		}
		claims, err := s.caller(ctx)
		revoked := false
		if err == nil && s.Revocations != nil {
			revoked, err = s.Revocations.Revoked(ctx.Context(), claims.PrincipalID(), claims.IssuedAt)
		}
		switch {
		case errors.Is(err, token.ErrRefused):
			ctx.SetHeader("WWW-Authenticate", `Bearer error="invalid_token"`)
			s.write(api, ctx, http.StatusUnauthorized, "the access token is not accepted: "+string(token.ReasonOf(err)))
			return
		case err != nil:
			s.Log.Error("admin token not verifiable", zap.String("requestId", requestID(ctx.Context())), zap.Error(err))
			ctx.SetHeader("Retry-After", "5")
			s.write(api, ctx, http.StatusServiceUnavailable, "the access token cannot be verified now")
			return
		case revoked:
			ctx.SetHeader("WWW-Authenticate", `Bearer error="invalid_token"`)
			s.write(api, ctx, http.StatusUnauthorized, "the access token is not accepted: revoked")
			return
		}
		ctx = huma.WithValue(huma.WithValue(ctx, claimsKey{}, claims), principalKey{}, s.Principal(claims))
		if err := s.authorize(ctx); err != nil {
			s.write(api, ctx, err.GetStatus(), err.Error())
			return
		}
		if faults := checkQuery(ctx.URL()); len(faults) > 0 {
			s.write(api, ctx, http.StatusUnprocessableEntity, "the request breaks rules", faults...)
			return
		}
		next(ctx)
	}
}

func (s *service) write(api huma.API, ctx huma.Context, status int, detail string, errs ...error) {
	if err := huma.WriteErr(api, ctx, status, detail, errs...); err != nil {
		s.Log.Warn("answer not written", zap.String("requestId", requestID(ctx.Context())), zap.Error(err))
	}
}

// caller takes the token out of the request and verifies it. Two Authorization
// values are refused, not chosen from.
func (s *service) caller(ctx huma.Context) (token.Claims, error) {
	var values []string
	ctx.EachHeader(func(name, value string) {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			values = append(values, value)
		}
	})
	header := ""
	switch len(values) {
	case 0:
	case 1:
		header = values[0]
	default:
		header = values[0] + "," + values[1] // refused by Bearer
	}
	raw, err := token.Bearer(header)
	if err != nil {
		return token.Claims{}, err
	}
	return s.Verifier.Verify(ctx.Context(), raw)
}
