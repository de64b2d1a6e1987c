package dev

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/gateway"
	"scopegate/mapping"
)

// aFleet serves one table; what list does decides about all others.
func aFleet(flavour gateway.Flavour, list func(context.Context) ([]mapping.API, error)) *fleet {
	return &fleet{
		flavour: flavour, list: list, now: time.Now, known: []mapping.API{SeedAPI}, gateways: map[mapping.API]*gateway.Gateway{},
		make: func(api mapping.API) (*gateway.Gateway, error) {
			return gateway.New(gateway.Config{
				Flavour: flavour, ARN: api.ARN, Stages: []string{api.Stage},
				Authorizer: gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("Unauthorized") }),
			})
		},
	}
}

func ask(f *fleet, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer x")
	f.ServeHTTP(w, r)
	return w
}

func TestAStoreThatHangsHoldsUpNoKnownStageAndNoRequestForLong(t *testing.T) {
	for _, flavour := range []gateway.Flavour{gateway.RESTToken, gateway.HTTPv2} {
		synctest.Test(t, func(t *testing.T) {
			listings := 0
			f := aFleet(flavour, func(ctx context.Context) ([]mapping.API, error) {
				listings++
				<-ctx.Done()
				return nil, ctx.Err()
			})
			began := time.Now()
			slow := make(chan int)
			go func() { slow <- ask(f, "/prod/a").Code }()
			synctest.Wait() // it hangs in the store now
			if w := ask(f, "/dev/a"); w.Code != http.StatusUnauthorized || time.Since(began) != 0 {
				t.Errorf("%v: a known stage answers %d after %v", flavour, w.Code, time.Since(began))
			}
			if code := <-slow; code != http.StatusInternalServerError || time.Since(began) != listWithin {
				t.Errorf("%v: a stage that cannot be looked up answers %d after %v", flavour, code, time.Since(began))
			}
			for range 10 {
				ask(f, "/prod/a")
			}
			if listings != 1 || time.Since(began) != listWithin {
				t.Errorf("%v: listed %d times in %v", flavour, listings, time.Since(began))
			}
			<-time.After(failureCount) // of the bubble's own clock
			f.list = func(context.Context) ([]mapping.API, error) {
				return []mapping.API{SeedAPI, {ARN: SeedAPI.ARN, Stage: "prod"}}, nil
			}
			if w := ask(f, "/prod/a"); w.Code != http.StatusUnauthorized {
				t.Errorf("%v: once the store is back, %d", flavour, w.Code)
			}
		})
	}
}

func TestAFailingStoreNeverPassesForAMissingStage(t *testing.T) {
	for flavour, body := range map[gateway.Flavour]string{gateway.RESTToken: `{"message":null}`, gateway.HTTPv2: `{"message":"Internal Server Error"}`} {
		f := aFleet(flavour, func(context.Context) ([]mapping.API, error) { return nil, errors.New("down") })
		for range 2 {
			if w := ask(f, "/prod/a"); w.Code != http.StatusInternalServerError || w.Body.String() != body {
				t.Errorf("%v: %d %s, want 500 %s", flavour, w.Code, w.Body, body)
			}
		}
		f.known = nil
		if w := ask(f, "/dev/a"); w.Code != http.StatusInternalServerError {
			t.Errorf("%v, nothing known: %d", flavour, w.Code)
		}
	}
}
