package adminclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"scopegate/internal/adminclient"
	"scopegate/internal/leaktest"
	"scopegate/mapping"
)

func TestMain(m *testing.M) { leaktest.Exit(m.Run()) }

const secret = "header.claims.signature"

// on makes a client of a server that answers as h does.
func on(t *testing.T, h http.HandlerFunc, tokens ...string) *adminclient.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	asked := -1
	c, err := adminclient.New(adminclient.Options{URL: server.URL, Token: func(context.Context, bool) (string, error) {
		if asked++; len(tokens) == 0 {
			return secret, nil
		}
		return tokens[min(asked, len(tokens)-1)], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestATokenIsSentToHTTPSOrToThisMachineAlone(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://admin.example.org": true, "https://x.execute-api.eu-west-1.amazonaws.com/prod/": true, "https://x.example.org/v1": true,
		"http://127.0.0.1:8082": true, "http://localhost:8082": true, "http://[::1]:8082": true,
		"http://admin.example.org": false, "http://127.0.0.1.example.org": false, "http://localhost.example.org": false, "": false,
		"ftp://admin.example.org": false, "admin.example.org": false, "https://": false, "https://u:p@example.org": false,
		"https://example.org?x=1": false, "https://example.org#f": false, "http://10.0.0.1": false,
	} {
		_, err := adminclient.New(adminclient.Options{URL: text})
		if (err == nil) != ok || err != nil && !errors.Is(err, adminclient.ErrOptions) {
			t.Errorf("%q: %v, want it taken: %t", text, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("a password is repeated: %v", err)
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	c := on(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := c.APIs(t.Context())
	var p *adminclient.Problem
	if !errors.As(err, &p) || p.Status != http.StatusTemporaryRedirect || reached || strings.Contains(err.Error(), secret) {
		t.Errorf("%v, followed: %t", err, reached)
	}
}

func TestAnEndedTokenIsRenewedOnce(t *testing.T) {
	calls := 0
	h := func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.Header.Get("Authorization") != "Bearer second" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"apis":[]}`)
	}
	if _, err := on(t, h, "first", "second").APIs(t.Context()); err != nil || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
	calls = 0
	var p *adminclient.Problem
	if _, err := on(t, h, "first", "third").APIs(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnauthorized || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
	calls = 0
	if _, err := on(t, h, "first", "first").APIs(t.Context()); !errors.As(err, &p) || calls != 1 {
		t.Errorf("the same token again: %v after %d calls", err, calls)
	}
}

func TestATokenThatCannotStandInAHeaderIsNotRepeated(t *testing.T) {
	for _, raw := range []string{"", "secret\r\nX: y", "secret secret", "sécret", strings.Repeat("secret", 20_000)} {
		_, err := on(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }, raw).APIs(t.Context())
		if !errors.Is(err, adminclient.ErrOptions) || strings.Contains(err.Error(), "cret") {
			t.Errorf("%.20q: %v", raw, err)
		}
	}
}

func TestEveryPageIsFetched(t *testing.T) {
	const total = 1234
	h := func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		page := map[string]any{}
		var list []map[string]string
		for i := from; i < min(total, from+limit); i++ {
			list = append(list, map[string]string{"id": fmt.Sprint(i), "scope": r.URL.Query().Get("scope")})
		}
		if from+limit < total {
			page["next"] = fmt.Sprint(from + limit)
		}
		page["permissions"] = list
		json.NewEncoder(w).Encode(page)
	}
	all, err := on(t, h).Permissions(t.Context(), url.Values{"scope": {"s"}})
	if err != nil || len(all) != total || all[total-1].ID != fmt.Sprint(total-1) || all[total-1].Scope != "s" {
		t.Errorf("%d of %d: %v", len(all), total, err)
	}
	circle := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"permissions":[],"next":"x"}`) }
	if _, err := on(t, circle).Permissions(t.Context(), nil); err == nil {
		t.Error("pages in a circle end")
	}
}

func TestTheLimitOfAnAuditIsKept(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		fmt.Fprintf(w, `{"records":[%s],"next":%q}`, strings.TrimSuffix(strings.Repeat(`{},`, min(limit, 300)), ","), r.URL.Query().Get("cursor")+"x")
	}
	records, err := on(t, h).Audit(t.Context(), mapping.API{ARN: "a", Stage: "s"}, 700)
	if err != nil || len(records) != 700 {
		t.Errorf("%d records: %v", len(records), err)
	}
}

func TestAnAnswerThatIsNoneIsNoSuccess(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"apis":[]}`)
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 65 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := on(t, h).APIs(t.Context())
			var p *adminclient.Problem
			if err == nil || errors.As(err, &p) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAProblemNamesFieldValueAndRule(t *testing.T) {
	c := on(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"title":"Unprocessable Entity","status":422,"detail":"the request breaks rules","errors":[{"message":"must be a verb\u001b[2J","location":"body.permissions[3].httpVerb","value":"GRAB"}]}`)
	})
	_, err := c.APIs(t.Context())
	want := "the admin API answers 422: the request breaks rules\n  permissions[3].httpVerb \"GRAB\": must be a verb\\x1b[2J"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// FuzzProblem holds that no answer of a server, whatever it is, passes for
// success, or for an outage when it says that the request was wrong.
func FuzzProblem(f *testing.F) {
	f.Add(422, "application/problem+json", []byte(`{"status":422,"detail":"the request breaks rules","errors":[{"message":"m","location":"body.a","value":1}]}`))
	f.Add(412, "application/json", []byte(`{}`))
	f.Add(404, "text/html", []byte("<html>"))
	f.Add(503, "application/problem+json", []byte(`{"errors":[null],"detail":3}`))
	f.Add(302, "", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, media string, body []byte) {
		if status < 300 || status > 999 {
			return
		}
		carrier := carry(func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			w.Write(body)
			return w.Result()
		})
		c, err := adminclient.New(adminclient.Options{URL: "http://localhost", Transport: carrier, Token: func(context.Context, bool) (string, error) { return secret, nil }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.APIs(t.Context())
		var p *adminclient.Problem
		if !errors.As(err, &p) || p.Status != status || p.Outage() != (status >= 500 || status == 429 || status == 408) {
			t.Fatalf("status %d: %v", status, err)
		}
		if text := err.Error(); text == "" || strings.ContainsAny(text, "\x1b\r\x00\x07") {
			t.Fatalf("said %q", text)
		}
	})
}

type carry func(*http.Request) *http.Response

func (c carry) RoundTrip(r *http.Request) (*http.Response, error) { return c(r), nil }
