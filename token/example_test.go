package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"scopegate/internal/idp"
	"scopegate/token"
)

func Example() {
	provider, err := idp.New(idp.Options{})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(provider)
	defer server.Close()
	provider.SetBaseURL(server.URL)

	verifier, err := token.New(token.Config{
		TenantIDs: []string{provider.TenantID()},
		Authority: provider.Authority(),
		STS:       provider.STS(),
		Audiences: []string{provider.Audience()},
	})
	if err != nil {
		panic(err)
	}
	for _, spec := range []idp.Spec{{Scopes: []string{"email"}}, {Scopes: []string{"email"}, Forged: true}} {
		minted, err := provider.Mint(spec)
		if err != nil {
			panic(err)
		}
		raw, err := token.Bearer("Bearer " + minted)
		if err != nil {
			panic(err)
		}
		claims, err := verifier.Verify(context.Background(), raw)
		fmt.Println(claims.Kind, claims.Scopes, token.ReasonOf(err), errors.Is(err, token.ErrRefused))
	}
	// Output:
	// user [email]  false
	// unknown [] signature true
}
