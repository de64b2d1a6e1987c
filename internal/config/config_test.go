package config_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scopegate/internal/config"
)

const (
	tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	other  = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

var least = []string{"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES=api://orders"}

func TestTheLeastSettingsAndTheirDefaults(t *testing.T) {
	s, err := config.Load(append(least, "PATH=/bin", "AWS_REGION=us-east-1"), config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	if s.TableName != "scopegate" || s.Authority != "https://login.microsoftonline.com" || s.STS != "https://sts.windows.net" ||
		s.ClockSkew != time.Minute || s.CacheTTL != 30*time.Second || s.CacheMaxStale != 5*time.Minute || s.CacheSize != 256 ||
		s.TokenCacheSize != 1024 || s.TokenCacheTTL != time.Minute || s.DenyInvalidToken || s.SimpleResponse ||
		s.PolicyMaxBytes != 8192 || !s.PolicyExpiry || s.RouteScope || s.ExplicitDeny || !s.Admin.Flush ||
		s.Admin.Scope != "Mappings.ReadWrite" || s.Admin.Role != "Mappings.Admin" || s.LogLevel != "info" {
		t.Errorf("defaults are %+v", s)
	}
	if trust := s.DefaultTrust(); len(trust) != 1 || trust[0].Tenant != tenant || trust[0].Audiences[0] != "api://orders" {
		t.Errorf("default trust is %+v", trust)
	}
}

// jwk is a public key as issuers publish it.
func jwk(t *testing.T) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{"kty": "RSA", "kid": "k", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(private.N.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAllSettingsAreRead(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	text := `{"https://a.example":{"keys":[` + jwk(t) + `]}}`
	if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load([]string{
		"TABLE_NAME=orders", "ENTRA_TENANT_IDS=" + strings.ToUpper(tenant) + "  " + other,
		"ENTRA_AUTHORITY=http://127.0.0.1:8083/", "ENTRA_STS=http://localhost:8083/sts",
		"OIDC_ISSUERS=https://a.example https://b.example/x=https://b.example/discovery",
		"OIDC_AUDIENCES=api://orders https://a.example=one https://b.example/x=two https://a.example=three",
		"OIDC_ALGORITHMS=https://a.example=ES256 https://a.example=RS256", "OIDC_JWKS_FILE=" + keys,
		"CLOCK_SKEW=0s", "CACHE_TTL=1s", "CACHE_MAX_STALE=0s", "CACHE_SIZE=1", "TOKEN_CACHE_SIZE=0", "TOKEN_CACHE_TTL=5s",
		"INVALID_TOKEN=deny", "POLICY_MAX_BYTES=4096", "POLICY_EXPIRY=off", "POLICY_SCOPE=route",
		"POLICY_EXPLICIT_DENY=on", "FLUSH_AUTHORIZER_CACHE=off", "LOG_LEVEL=debug",
	}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.TenantIDs) != 2 || s.TenantIDs[0] != tenant || s.Authority != "http://127.0.0.1:8083" || len(s.Issuers) != 2 ||
		strings.Join(s.Issuers[0].Audiences, " ") != "one three" || s.Issuers[1].DiscoveryURL != "https://b.example/discovery" ||
		strings.Join(s.Issuers[0].Algorithms, " ") != "ES256 RS256" || s.Issuers[1].Algorithms != nil ||
		string(s.Keys) != text || string(s.Verifier().Keys) != string(s.Keys) ||
		strings.Join(s.Audiences, " ") != "api://orders" || s.ClockSkew != 0 || s.CacheTTL != time.Second || s.TokenCacheSize != 0 ||
		!s.DenyInvalidToken || s.PolicyMaxBytes != 4096 || s.PolicyExpiry || !s.RouteScope || !s.ExplicitDeny || s.Admin.Flush {
		t.Errorf("read as %+v", s)
	}
}

// TestAllFaultsAtOnce: each names its setting, value and rule.
func TestAllFaultsAtOnce(t *testing.T) {
	env := []string{
		"TABLE_NAME=a", "ENTRA_TENANT_IDS=common " + tenant + " " + tenant, "ENTRA_AUTHORITY=http://login.example", "ENTRA_STS=sts",
		"OIDC_ISSUERS=https://login.microsoftonline.com/x/v2.0 https://a.example/{tenantid} https://c.example https://c.example https://d.example",
		"OIDC_AUDIENCES=https://nobody.example=x https://c.example=",
		"CLOCK_SKEW=1h", "CACHE_TTL=thirty", "CACHE_MAX_STALE=-1s", "CACHE_SIZE=0", "TOKEN_CACHE_SIZE=many", "TOKEN_CACHE_TTL=2h",
		"INVALID_TOKEN=allow", "HTTP_API_RESPONSE=yes", "POLICY_MAX_BYTES=12", "POLICY_EXPIRY=no", "POLICY_SCOPE=api",
		"POLICY_EXPLICIT_DENY=1", "FLUSH_AUTHORIZER_CACHE=true", "LOG_LEVEL=loud", "CACHE_TLL=5s",
	}
	_, err := config.Load(env, config.Authorizer)
	if err == nil {
		t.Fatal("taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{
		`TABLE_NAME "a": must`, `ENTRA_TENANT_IDS "common": must be tenant ids`, `ENTRA_TENANT_IDS "` + tenant + `": must name each tenant once`,
		`ENTRA_AUTHORITY "http://login.example": must be https`, `ENTRA_STS "sts": must be a URL`,
		`OIDC_ISSUERS "https://login.microsoftonline.com/x/v2.0": must not be an Entra issuer`,
		`OIDC_ISSUERS "https://a.example/{tenantid}": must not contain`, `OIDC_ISSUERS "https://c.example": must name each issuer once`,
		`OIDC_AUDIENCES "https://nobody.example=x": must name an issuer`, `OIDC_AUDIENCES "https://c.example=": must name an audience after`,
		`CLOCK_SKEW "1h": must be a duration`, `CACHE_TTL "thirty": must be`, `CACHE_MAX_STALE "-1s": must be`, `CACHE_SIZE "0": must be a number`,
		`TOKEN_CACHE_SIZE "many": must`, `TOKEN_CACHE_TTL "2h": must`, `INVALID_TOKEN "allow": must be unauthorized or deny`,
		`HTTP_API_RESPONSE "yes": must be iam or simple`, `POLICY_MAX_BYTES "12": must`, `POLICY_EXPIRY "no": must be off or on`,
		`POLICY_SCOPE "api": must be caller or route`, `POLICY_EXPLICIT_DENY "1": must`, `FLUSH_AUTHORIZER_CACHE "true": must`,
		`LOG_LEVEL "loud": must be one of`, `CACHE_TLL "5s": is no setting`,
		`must name an audience of the tenants`, `must name an audience of https://d.example`,
	} {
		if !containsAny(lines, want) {
			t.Errorf("no line says %s in\n%v", want, err)
		}
	}
}

func containsAny(lines []string, want string) bool {
	for _, l := range lines {
		if strings.Contains(l, want) {
			return true
		}
	}
	return false
}

// The admin API verifies tokens of its own tenants for its own audiences alone.
func TestTheAdminVerifierTakesNothingOfTheAuthorizers(t *testing.T) {
	env := []string{"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES=api://orders https://a.example=x", "ADMIN_AUDIENCES=api://admin", "ADMIN_TENANT_IDS=" + other,
		"ENTRA_AUTHORITY=https://login.microsoftonline.us", "OIDC_ISSUERS=https://a.example", "CLOCK_SKEW=5s", "FLUSH_AUTHORIZER_CACHE=off"}
	s, err := config.Load(env, config.AdminAPI)
	if err != nil {
		t.Fatal(err)
	}
	c := s.AdminVerifier()
	if strings.Join(c.TenantIDs, " ") != other || strings.Join(c.Audiences, " ") != "api://admin" || c.Issuers != nil ||
		c.Authority != "https://login.microsoftonline.us" || c.STS != "https://sts.windows.net" || c.ClockSkew != 5*time.Second {
		t.Errorf("it is %+v", c)
	}
	if _, err := config.Load(append(env, "ENTRA_AUTHORITY=https://login.microsoftonline.com/"+other), config.AdminAPI); err == nil || !strings.Contains(err.Error(), "ENTRA_AUTHORITY") {
		t.Errorf("an authority with a path: %v", err)
	}
}

func TestFaultsOfAlgorithmsAndOfTheKeysFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, large := write("empty", nil), write("large", make([]byte, 1<<20+1))
	none, strange := write("none", []byte(`{"keys":[]}`)), write("strange", []byte(`{"https://b.example":{"keys":[]}}`))
	issuer := []string{"OIDC_ISSUERS=https://a.example", "OIDC_AUDIENCES=https://a.example=one"}
	for setting, want := range map[string]string{
		"OIDC_ALGORITHMS=RS256":                      "must name an issuer of OIDC_ISSUERS",
		"OIDC_ALGORITHMS=https://b.example=RS256":    "must name an issuer of OIDC_ISSUERS",
		"OIDC_ALGORITHMS=https://a.example":          "RS256 RS384",
		"OIDC_ALGORITHMS=https://a.example=none":     "RS256 RS384",
		"OIDC_ALGORITHMS=https://a.example=HS256":    "RS256 RS384",
		"OIDC_ALGORITHMS=https://a.example=es256":    "RS256 RS384",
		"OIDC_JWKS_FILE=" + filepath.Join(dir, "no"): "must be a file that can be read: no such file",
		"OIDC_JWKS_FILE=" + dir:                      "must be a file that can be read",
		"OIDC_JWKS_FILE=" + empty:                    "must hold 1 to",
		"OIDC_JWKS_FILE=" + large:                    "must hold 1 to",
		"OIDC_JWKS_FILE=" + none:                     none + `": must hold a key of https://a.example that is usable`,
		"OIDC_JWKS_FILE=" + strange:                  strange + `": names "https://b.example", which is no configured issuer`,
	} {
		name, _, _ := strings.Cut(setting, "=")
		_, err := config.Load(append(issuer, setting), config.Authorizer)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
	twice := append(issuer, "OIDC_ALGORITHMS=https://a.example=ES256 https://a.example=ES256")
	if _, err := config.Load(twice, config.Authorizer); err == nil || !strings.Contains(err.Error(), "once") {
		t.Errorf("an algorithm twice: %v", err)
	}
	both := append(issuer, "OIDC_JWKS_FILE="+none, "CLOCK_SKEW=6m", "ENTRA_TENANT_IDS="+tenant, "ENTRA_AUTHORITY=https://a.example")
	_, err := config.Load(both, config.Authorizer)
	for _, want := range []string{"CLOCK_SKEW", `OIDC_ISSUERS "https://a.example": must not be on the host of ENTRA_AUTHORITY`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := config.Load(append(issuer, "OIDC_JWKS_FILE="+none, "CLOCK_SKEW=6m"), config.Authorizer); err == nil ||
		!strings.Contains(err.Error(), "CLOCK_SKEW") || !strings.Contains(err.Error(), "OIDC_JWKS_FILE") {
		t.Errorf("not all at once: %v", err)
	}
	// What only verifies needs the file: an import on a laptop does not.
	if _, err := config.Load([]string{"OIDC_JWKS_FILE=" + empty}, config.Store); err != nil {
		t.Errorf("the store's settings read the keys: %v", err)
	}
}

func TestUnknownNamesAreListed(t *testing.T) {
	got := config.Unknown([]string{"CACHE_TLL=1s", "CACHE_TTL=1s", "ADMIN_PASSWORD=x", "PATH=/bin", "LOG_LEVEL=info"})
	if strings.Join(got, " ") != "ADMIN_PASSWORD CACHE_TLL" {
		t.Errorf("got %v", got)
	}
}

// TestOneFaultBringsNoOthersWithIt: a wrong tenant is not a missing one too.
func TestOneFaultBringsNoOthersWithIt(t *testing.T) {
	_, err := config.Load([]string{"ENTRA_TENANT_IDS=nope", "OIDC_AUDIENCES=api://orders"}, config.Authorizer)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v", err)
	}
}

func TestWhatMustBeThere(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		role config.Role
		want string
	}{
		"no issuer":             {[]string{"OIDC_AUDIENCES=x"}, config.Authorizer, "ENTRA_TENANT_IDS"},
		"no audience":           {[]string{"ENTRA_TENANT_IDS=" + tenant}, config.Authorizer, "OIDC_AUDIENCES"},
		"empty audience":        {[]string{"ENTRA_TENANT_IDS=" + tenant, "OIDC_AUDIENCES="}, config.Authorizer, "OIDC_AUDIENCES"},
		"admin audiences":       {[]string{"ADMIN_TENANT_IDS=" + tenant}, config.AdminAPI, "ADMIN_AUDIENCES"},
		"admin tenants":         {[]string{"ADMIN_AUDIENCES=x"}, config.AdminAPI, "ADMIN_TENANT_IDS"},
		"admin scope emptied":   {[]string{"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=x", "ADMIN_SCOPE="}, config.AdminAPI, "ADMIN_SCOPE"},
		"admin role emptied":    {[]string{"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=x", "ADMIN_ROLE="}, config.AdminAPI, "ADMIN_ROLE"},
		"simple and route":      {append(least, "HTTP_API_RESPONSE=simple", "POLICY_SCOPE=route"), config.Authorizer, "HTTP_API_RESPONSE"},
		"simple and explicit":   {append(least, "HTTP_API_RESPONSE=simple", "POLICY_EXPLICIT_DENY=on"), config.Authorizer, "HTTP_API_RESPONSE"},
		"authority of a tenant": {append(least, "ENTRA_AUTHORITY=https://login.microsoftonline.com/common"), config.Authorizer, "ENTRA_AUTHORITY"},
		"authority with query":  {append(least, "ENTRA_AUTHORITY=https://login.microsoftonline.com?"), config.Authorizer, "ENTRA_AUTHORITY"},
		"Entra host with dot":   {[]string{"OIDC_ISSUERS=https://login.microsoftonline.com./x", "OIDC_AUDIENCES=https://login.microsoftonline.com./x=y"}, config.Authorizer, "OIDC_ISSUERS"},
		"empty discovery":       {[]string{"OIDC_ISSUERS=https://a.example=", "OIDC_AUDIENCES=https://a.example=y"}, config.Authorizer, "OIDC_ISSUERS"},
		"audience twice":        {append(least, "OIDC_AUDIENCES=a a"), config.Authorizer, "once"},
		"misspelt level":        {append(least, "LOG_LEVELS=debug"), config.Authorizer, "LOG_LEVELS"},
		"audience of no Entra":  {[]string{"OIDC_ISSUERS=https://a.example", "OIDC_AUDIENCES=plain https://a.example=x"}, config.Authorizer, "issuer=audience"},
	} {
		if _, err := config.Load(c.env, c.role); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := config.Load(append(least, "HTTP_API_RESPONSE=simple"), config.Authorizer); err != nil || !s.SimpleResponse {
		t.Errorf("simple: %v", err)
	}
	if _, err := config.Load([]string{"CACHE_DIR=/x"}, config.Store); err != nil {
		t.Errorf("a command on somebody's laptop: %v", err)
	}
}

// leastAdmin is what the admin function cannot do without.
func leastAdmin(more ...string) []string {
	return append([]string{"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=x", "FLUSH_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/flush"}, more...)
}

func TestTheLeastAdminSettings(t *testing.T) {
	s, err := config.Load(leastAdmin(), config.AdminAPI)
	if err != nil || !s.Admin.Flush || s.Admin.FlushQueue != "https://sqs.us-east-1.amazonaws.com/123456789012/flush" || s.JudgesCallers() {
		t.Errorf("%+v, %v", s.Admin, err)
	}
	if _, err := config.Load([]string{"ADMIN_TENANT_IDS=" + tenant, "ADMIN_AUDIENCES=x", "FLUSH_AUTHORIZER_CACHE=off"}, config.AdminAPI); err != nil {
		t.Errorf("without flush: %v", err)
	}
	s, err = config.Load(leastAdmin(append(least, "POLICY_MAX_BYTES=4096")...), config.AdminAPI)
	if err != nil || !s.JudgesCallers() || len(s.DefaultTrust()) != 1 {
		t.Errorf("with the callers' tenants: %+v, %v", s, err)
	}
}

func TestTheAdminFunctionsFaultsAreListedAtOnce(t *testing.T) {
	_, err := config.Load([]string{"ENTRA_TENANT_IDS=" + tenant, "FLUSH_QUEUE_URLS=x", "CACHE_TTL=soon", "ADMIN_ROLE=", "OIDC_JWKS_FILE=/nowhere/keys.json"}, config.AdminAPI)
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"ADMIN_AUDIENCES", "ADMIN_TENANT_IDS", "ADMIN_ROLE", `FLUSH_QUEUE_URL "": must be given while FLUSH_AUTHORIZER_CACHE is on`,
		`FLUSH_QUEUE_URLS "x": is no setting`, `CACHE_TTL "soon"`, `OIDC_AUDIENCES "": must be given`, "OIDC_JWKS_FILE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named:\n%v", want, err)
		}
	}
	for _, c := range []struct{ setting, want string }{
		{"FLUSH_QUEUE_URL=http://sqs.us-east-1.amazonaws.com/1/q", "must be https"}, {"FLUSH_QUEUE_URL=scopegate-flush", "must be the URL"},
		{"FLUSH_QUEUE_URL=arn:aws:sqs:us-east-1:1:q", "must be the URL"}, {"FLUSH_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/q.fifo", "standard queue"},
		{"FLUSH_QUEUE_URL=https://u:p@sqs.us-east-1.amazonaws.com/1/q", "must be the URL"}, {"FLUSH_QUEUE_URL=https://sqs.us-east-1.amazonaws.com", "must be the URL"},
		{"OIDC_AUDIENCES=api://orders", "must not be given without"}, {"OIDC_JWKS_FILE=/x", "must not be given without"},
		{"ENTRA_AUTHORITY=https://login.microsoftonline.com/common", "no path"}, {"POLICY_MAX_BYTES=1", "POLICY_MAX_BYTES"},
	} {
		_, err := config.Load(leastAdmin(c.setting), config.AdminAPI)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%s: %v, want one fault %q", c.setting, err, c.want)
		}
	}
	if _, err := config.Load(leastAdmin("FLUSH_QUEUE_URL=http://127.0.0.1:9324/queue/q"), config.AdminAPI); err != nil {
		t.Errorf("a queue on this machine: %v", err)
	}
}

func TestIssuersOnTheTenantsHostsAreRefused(t *testing.T) {
	with := []string{"ENTRA_TENANT_IDS=" + tenant, "ENTRA_AUTHORITY=https://login.example", "ENTRA_STS=https://sts.example", "OIDC_ISSUERS=https://STS.example/x"}
	if _, err := config.Load(append(with, "OIDC_AUDIENCES=api://a https://STS.example/x=b"), config.Authorizer); err == nil || !strings.Contains(err.Error(), "ENTRA_STS") {
		t.Errorf("an issuer on the host of ENTRA_STS: %v", err)
	}
	alone := []string{"ENTRA_AUTHORITY=https://login.example", "OIDC_ISSUERS=https://login.example/x", "OIDC_AUDIENCES=https://login.example/x=b"}
	if _, err := config.Load(alone, config.Authorizer); err != nil {
		t.Errorf("no tenant, and an issuer on the host of ENTRA_AUTHORITY: %v", err)
	}
	port := []string{"OIDC_ISSUERS=https://login.microsoftonline.com:8443/x", "OIDC_AUDIENCES=https://login.microsoftonline.com:8443/x=b"}
	if _, err := config.Load(port, config.Authorizer); err == nil || !strings.Contains(err.Error(), "must not be an Entra issuer") {
		t.Errorf("an Entra host with a port: %v", err)
	}
}
