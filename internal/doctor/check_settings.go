package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"scopegate/internal/config"
	"scopegate/token"
)

// Parts of a deployment.
const (
	PartSettings  = "settings"
	PartProviders = "identity providers"
	PartTables    = "tables"
	PartTable     = "DynamoDB table"
	PartAdmin     = "admin API"
	PartFlush     = "flush"
	PartFunctions = "functions"
	PartGateways  = "gateways"
	PartStack     = "stack"
)

// Settings reads the settings of a role as the function does that has it. ok is
// false where they stop its start; each fault is a row. part names whose they are.
func Settings(part string, environ []string, role config.Role) (s config.Settings, ok bool, rows []Row) {
	const check, expected = "settings", "complete, known and without contradiction"
	s, err := config.Load(environ, role)
	if err == nil {
		return s, true, []Row{fine("in order").row(part, check, expected)}
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" && line != "settings:" {
			name, _, _ := strings.Cut(line, " ")
			rows = append(rows, found(line, "the function does not start: every call fails (500)", name).row(part, check, expected))
		}
	}
	return config.Settings{}, false, rows
}

// Providers fetches discovery documents and keys of every issuer, as a starting
// authorizer does, and compares this machine's clock with each host's. now is the
// wall clock.
func Providers(ctx context.Context, s config.Settings, client *http.Client, now func() time.Time) []Row {
	var mu sync.Mutex
	var all []token.Refresh
	c := s.Verifier()
	c.Now, c.HTTPClient = now, client
	c.OnRefresh = func(r token.Refresh) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
	}
	verifier, err := token.New(c)
	if err != nil {
		return []Row{found(err.Error(), "the function does not start", "the settings of the identity providers").row(PartProviders, "settings", "usable")}
	}
	_ = verifier.Prefetch(ctx) // each issuer's own is told below
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(all, func(a, b token.Refresh) int { return cmp.Compare(a.Issuer, b.Issuer) })
	var rows []Row
	for _, r := range all {
		rows = append(rows, keysOf(r).row(PartProviders, "discovery and keys of "+r.Issuer, "a discovery document of this issuer, and keys in it that may sign"))
	}
	if len(rows) == 0 {
		return []Row{failed(fmt.Errorf("no provider answered: %w", context.Cause(ctx))).row(PartProviders, "discovery and keys", "an answer of each issuer")}
	}
	return append(rows, clocks(ctx, s, client, now)...)
}

// unreachable are the fetches that say nothing of the settings: who is to be asked
// was not there.
func unreachable(err error) bool {
	text := err.Error()
	for _, outage := range []string{"no connection", "timed out", "status 5", "status 429"} {
		if strings.Contains(text, outage) {
			return true
		}
	}
	return false
}

func keysOf(r token.Refresh) verdict {
	switch {
	case r.Err == nil:
		return fine(fmt.Sprintf("keys that may sign: %d", r.Keys))
	case unreachable(r.Err):
		return failed(r.Err)
	}
	return found(r.Err.Error(), "tokens of this issuer cannot be verified: every call with one fails (500)",
		"ENTRA_TENANT_IDS, ENTRA_AUTHORITY and ENTRA_STS, or OIDC_ISSUERS: issuer=discovery-url where the document is elsewhere")
}

// clocks compares the clock with the Date of an answer (RFC 9110, 6.6.1) of each
// host that issues tokens.
func clocks(ctx context.Context, s config.Settings, client *http.Client, now func() time.Time) []Row {
	var hosts []string
	if len(s.TenantIDs) > 0 {
		hosts = append(hosts, s.Authority)
	}
	for _, i := range s.Issuers {
		hosts = append(hosts, cmp.Or(i.DiscoveryURL, i.Issuer))
	}
	var rows []Row
	for _, host := range hosts {
		v := Clock(ctx, client, host, s.ClockSkew, now)
		rows = append(rows, v.row(PartProviders, "clock of "+hostname(host), fmt.Sprintf("this machine's, give or take CLOCK_SKEW (%s)", s.ClockSkew)))
	}
	return rows
}

func hostname(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	return raw
}

// clockTimeout bounds one look at a clock.
const clockTimeout = 10 * time.Second

// Clock compares this machine's clock with that of a server.
func Clock(ctx context.Context, client *http.Client, address string, skew time.Duration, now func() time.Time) verdict {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return failed(fmt.Errorf("ask for the time: %w", err))
	}
	before := now()
	response, err := orDefault(client).Do(request)
	if err != nil {
		return failed(fmt.Errorf("ask for the time: %w", withoutURL(err)))
	}
	response.Body.Close()
	there, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return noted("the answer has no Date", "whether clocks agree is not known", "none")
	}
	off := apart(there, before, now())
	if off > skew {
		return found(fmt.Sprintf("%s apart", off.Round(time.Second)),
			"tokens are refused as expired or not yet valid where it is the functions' machine; on this one the answers about time are wrong",
			"the clock of this machine (NTP); CLOCK_SKEW, up to 5m, where it is the provider's")
	}
	return fine(fmt.Sprintf("%s apart", off.Round(time.Second)))
}

// apart is how far an instant, known to the second, is outside of the time in which
// the answer was made.
func apart(there, before, after time.Time) time.Duration {
	switch {
	case there.Before(before.Add(-time.Second)):
		return before.Sub(there) - time.Second
	case there.After(after):
		return there.Sub(after)
	}
	return 0
}

func orDefault(c *http.Client) *http.Client {
	if c == nil {
		return http.DefaultClient
	}
	return c
}
