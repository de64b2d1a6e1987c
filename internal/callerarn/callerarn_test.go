package callerarn_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"scopegate/internal/callerarn"
)

const answer = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
	`<Arn>%s</Arn><UserId>AIDA:ada</UserId><Account>219852565112</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`

// on has the SDK ask h, with made-up credentials and nothing of this machine.
func on(t *testing.T, h http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": server.URL, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
}

func TestTheCallerIsWhomSTSNames(t *testing.T) {
	const arn = "arn:aws:sts::219852565112:assumed-role/ops/ada"
	on(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if err != nil || form.Get("Action") != "GetCallerIdentity" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/sts/") {
			t.Errorf("asked %s, signed %q: %v", body, r.Header.Get("Authorization"), err)
		}
		fmt.Fprintf(w, answer, arn)
	})
	if got, err := callerarn.Of(t.Context()); got != arn || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestACallerWhomSTSDoesNotNameIsAnError(t *testing.T) {
	refusal := `<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>`
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"refused":      {403, refusal, "ExpiredToken"},
		"failing":      {500, "", "GetCallerIdentity"},
		"empty answer": {200, fmt.Sprintf(answer, ""), "no ARN"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			got, err := callerarn.Of(t.Context())
			if got != "" || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v; want an error with %q", got, err, c.want)
			}
		})
	}
}
