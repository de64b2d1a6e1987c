package dev

import (
	"encoding/json"
	"net"
	"net/http"
)

// Ready tells where everything is. GET /dev on the admin port answers with it,
// and `scopegate dev --json` prints it.
type Ready struct {
	RESTURL   string `json:"restUrl"`
	HTTPURL   string `json:"httpUrl"`
	AdminURL  string `json:"adminUrl"`
	IssuerURL string `json:"issuerUrl"`

	Tenant        string `json:"tenant"`
	Audience      string `json:"audience"`
	AdminAudience string `json:"adminAudience"`
	AdminScope    string `json:"adminScope"`
	AdminRole     string `json:"adminRole"`

	CacheTTL      string `json:"cacheTtl"`
	AuthorizerTTL string `json:"authorizerTtl"`
	Flushed       string `json:"flushed,omitempty"` // a change counts everywhere after so long, "" if that is AuthorizerTTL
	Store         string `json:"store"`

	// Settings are those that a decision depends on, by their names, so that
	// "scopegate explain --dev" decides as the running stack does.
	Settings map[string]string `json:"settings"`

	APIs []ReadyAPI `json:"apis"`
}

// ReadyAPI is a table and where its routes are served.
type ReadyAPI struct {
	ARN     string `json:"arn"`
	Stage   string `json:"stage"`
	RESTURL string `json:"restUrl,omitempty"` // with the stage
	HTTPURL string `json:"httpUrl"`           // with the stage
}

// local lets requests through that are for a loopback name, and no others: a
// web page may make its own name resolve to 127.0.0.1, but the browser then
// sends that name.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !isLoopback(host) {
			http.Error(w, "Host: must be a loopback name, such as 127.0.0.1", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withReady adds GET /dev to the admin API.
func withReady(next http.Handler, ready func(*http.Request) (Ready, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/dev" {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		v, err := ready(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // a client that has gone is no error of ours
	})
}
