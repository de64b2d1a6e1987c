package dev

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"scopegate/gateway"
	"scopegate/mapping"
)

// DefaultTokenRegex is the token validation expression of the original: a JWT
// after "Bearer ".
const DefaultTokenRegex = `^(Bearer )[a-zA-Z0-9\-_]+?\.[a-zA-Z0-9\-_]+?\.([a-zA-Z0-9\-_]+)$`

// Options of a Stack. The zero value of an address is a free port of
// 127.0.0.1.
type Options struct {
	RESTAddr, HTTPAddr, AdminAddr, IssuerAddr string

	AuthorizerTTL time.Duration // of both gateways' authorizer caches; 0 is none
	TokenRegex    string        // of the REST flavour; "" is none
	Backend       *url.URL      // nil means an echo
	API           string        // id or ARN of the API that is served under any host name; "" is the first one

	Data     string               // folder of the embedded store; "" is a temporary one
	Document []mapping.Permission // merged into the store at the start
	// Source, if not "", marks the tables of Document as complete, see
	// store.MergeOptions.
	Source string

	// Environ are the settings, as os.Environ gives them. Those that name
	// identity providers are replaced by the local one's.
	Environ []string
	Now     func() time.Time // nil means time.Now
	Log     io.Writer        // one line per request, and warnings; nil means nowhere
}

// ErrOptions is what errors about the options themselves are, for errors.Is.
var ErrOptions = errors.New("invalid option")

type optionError struct{ error }

func (e optionError) Is(target error) bool { return target == ErrOptions }
func (e optionError) Unwrap() error        { return e.error }

// Listener names, as the command's flags do.
const (
	restFlag   = "rest-addr"
	httpFlag   = "http-addr"
	adminFlag  = "admin-addr"
	issuerFlag = "issuer-addr"
)

func (o *Options) check() error {
	var faults []error
	fault := func(flag string, value any, rule string) {
		faults = append(faults, optionError{fmt.Errorf("--%s %q: %s", flag, fmt.Sprint(value), rule)})
	}
	for flag, addr := range map[string]*string{
		restFlag: &o.RESTAddr, httpFlag: &o.HTTPAddr, adminFlag: &o.AdminAddr, issuerFlag: &o.IssuerAddr,
	} {
		if *addr == "" {
			*addr = "127.0.0.1:0"
		}
		host, _, err := net.SplitHostPort(*addr)
		switch {
		case err != nil:
			fault(flag, *addr, "must be host:port, such as 127.0.0.1:0 for a free port")
		case (flag == adminFlag || flag == issuerFlag) && !isLoopback(host):
			fault(flag, *addr, "must be a loopback address, since it gives everybody who reaches it all rights")
		}
	}
	if o.AuthorizerTTL < 0 || o.AuthorizerTTL > gateway.MaxTTL || o.AuthorizerTTL%time.Second != 0 {
		fault("authorizer-ttl", o.AuthorizerTTL, "must be whole seconds, 0s to 3600s")
	}
	if o.Backend != nil {
		if _, err := gateway.ProxyBackend(o.Backend, nil); err != nil {
			fault("backend", o.Backend.Redacted(), "must be http(s)://host[:port][/path]")
		}
	}
	if o.Data != "" && o.env("AWS_ENDPOINT_URL_DYNAMODB") != "" {
		fault("data", o.Data, "must not be given while AWS_ENDPOINT_URL_DYNAMODB is set: the tables are kept there")
	}
	if v := o.env("HTTP_API_RESPONSE"); v != "" && v != "iam" {
		faults = append(faults, optionError{fmt.Errorf("HTTP_API_RESPONSE %q: must be iam here: both gateways want IAM policies", v)})
	}
	if err := CheckEndpoint(o.env("AWS_ENDPOINT_URL_DYNAMODB")); err != nil {
		faults = append(faults, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// CheckEndpoint reports an AWS_ENDPOINT_URL_DYNAMODB that is no URL, which the SDK
// would only notice with the first request; "" is AWS's own. The error is an
// ErrOptions.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if endpoint == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	return optionError{fmt.Errorf("AWS_ENDPOINT_URL_DYNAMODB %q: must be a URL such as http://127.0.0.1:8000", endpoint)}
}

// env is a setting of the environment; the last one counts, as for processes.
func (o *Options) env(name string) string {
	value := ""
	for _, line := range o.Environ {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// replaced are the settings that name identity providers.
var replaced = []string{
	"ENTRA_TENANT_IDS", "ENTRA_AUTHORITY", "ENTRA_STS", "OIDC_ISSUERS", "OIDC_AUDIENCES", "OIDC_ALGORITHMS", "OIDC_JWKS_FILE", "ADMIN_AUDIENCES", "ADMIN_TENANT_IDS",
}

// localEnviron is the environment with the local provider in place of others.
func (o *Options) localEnviron(local map[string]string) []string {
	var environ []string
	for _, line := range o.Environ {
		name, _, _ := strings.Cut(line, "=")
		if !slices.Contains(replaced, name) {
			environ = append(environ, line)
		}
	}
	for name, value := range local {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// ignored lists the settings of the environment that are replaced.
func (o *Options) ignored() []string {
	var names []string
	for _, name := range replaced {
		if o.env(name) != "" {
			names = append(names, name)
		}
	}
	return names
}
