package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"scopegate/internal/idp"
)

// The answer to a token must not say more than its reason: not even go-oidc's
// text, which quotes issuers.
func TestErrorsHoldNothingOfTheToken(t *testing.T) {
	w := newWorld(t, 2)
	marked := mint(t, w.idp, idp.Spec{Scopes: []string{"marker-scope"}, Audience: "api://marker-aud", Header: map[string]any{"kid": "marker-kid"}})
	for _, raw := range []string{marked, strings.Replace(marked, ".", ".e", 1), mint(t, w.idp, idp.Spec{Issuer: "https://marker-iss"})} {
		_, err := w.verifier.Verify(context.Background(), raw)
		if err == nil || strings.Contains(err.Error(), "marker") || strings.Contains(fmt.Sprintf("%+v", err), "marker") {
			t.Errorf("the error is %+v", err)
		}
	}
}

func TestReasonsAreDistinctAndClassed(t *testing.T) {
	var zero Error
	if !errors.Is(&zero, ErrRefused) || zero.Error() != "token refused: unspecified" {
		t.Errorf("the zero Error is %v", &zero)
	}
	for _, r := range []Reason{ReasonDiscovery, ReasonKeys, ReasonCanceled} {
		err := fmt.Errorf("wrapped: %w", &Error{Reason: r})
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) || ReasonOf(err) != r || !errors.Is(err, r) || errors.Is(err, ReasonExpired) {
			t.Errorf("%s is classed wrongly", r)
		}
	}
	if ReasonOf(errors.New("other")) != "" || ReasonOf(nil) != "" {
		t.Error("an error that is not ours has a reason")
	}
}

// Unknown issuers cost nothing: not even a fetch of what is configured.
func TestGarbageAndUnknownIssuersCauseNoFetch(t *testing.T) {
	w := newWorld(t, 2)
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}, Issuer: "https://evil.invalid"}, nil)
	for i := range 100 {
		w.wantReason(t, unsigned(header("k"), claims, i), ReasonIssuer)
		w.wantReason(t, unsigned(`{"alg":"none"}`, claims, i), ReasonAlgorithm)
	}
	if got := w.idp.Fetches(); got != (idp.Fetches{}) {
		t.Errorf("fetches: %+v", got)
	}
	if !json.Valid([]byte(claims)) {
		t.Error("the control is broken")
	}
}

// go-oidc is in the path: what it refuses is refused, whatever we think of it.
func TestWhatOnlyGoOIDCRefusesIsRefused(t *testing.T) {
	w := newWorld(t, 2)
	w.wantReason(t, mint(t, w.idp, idp.Spec{
		Scopes: []string{"orders.read"},
		Extra:  map[string]any{"_claim_names": map[string]string{"groups": "nowhere"}},
	}), ReasonLibrary)
}
