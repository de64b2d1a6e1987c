package authorizer

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"scopegate/policy"
	"scopegate/token"
)

// anonymous is the principal of an answer about nobody, as in AWS's samples.
const anonymous = "user"

// maxContext bounds the minified context, in bytes: the policy needs the rest.
const maxContext = 512

// answer is the IAM form of an authorizer's output (AWS: "Output from an API
// Gateway Lambda authorizer").
type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context,omitempty"`
}

// simpleAnswer is the simple form, payload 2.0 only.
type simpleAnswer struct {
	IsAuthorized bool              `json:"isAuthorized"`
	Context      map[string]string `json:"context,omitempty"`
}

// marshal writes minified JSON: < > & stand as they are, which saves bytes.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// around is an answer around its policy document: with all of the context behind
// it, and without scopes and roles.
type around struct{ before, after, afterShort []byte }

// newAround writes what the answers to one caller have in common.
func newAround(principal string, c token.Claims, revision string) (around, error) {
	const document = `{"Version":"","Statement":null}`
	var made around
	for _, grants := range []bool{true, false} {
		out, err := marshal(answer{PrincipalID: principal, Context: contextOf(c, revision, grants)})
		if err != nil {
			return around{}, err
		}
		// The principal may say what it likes: no quote of its own stands alone.
		at := bytes.Index(out, []byte(`,"policyDocument":`+document)) + len(`,"policyDocument":`)
		if grants { // each keeps the bytes that it is cut from
			made.before = out[:at:at]
			made.after = out[at+len(document):]
		} else {
			made.afterShort = out[at+len(document):]
		}
	}
	return made, nil
}

// contextOf is what the service behind the gateway learns of the caller: short
// flat strings, since REST APIs refuse nested values. Scopes and roles that do
// not fit are left out whole, and truncated says so: half a list could be taken
// for all of it. Without grants they are left out in any case.
func contextOf(c token.Claims, revision string, grants bool) map[string]string {
	fields := [][2]string{
		{"oid", c.ObjectID}, {"tid", c.TenantID}, {"appid", c.AppID}, {"sub", c.Subject},
		{"principalType", kindName(c.Kind)}, {"revision", revision},
		{"exp", unixTime(c)},
		{"scp", strings.Join(c.Scopes, " ")}, {"roles", strings.Join(c.Roles, " ")},
	}
	out := map[string]string{}
	const marker = `"truncated":"true",`
	size := len("{}") + len(marker)
	truncated := false
	for _, f := range fields {
		name, value := f[0], f[1]
		if value == "" {
			continue
		}
		cost := len(strconv.Quote(name)) + jsonLen(value) + len(":,")
		if size+cost > maxContext || !grants && (name == "scp" || name == "roles") {
			truncated = true
			continue
		}
		size += cost
		out[name] = value
	}
	if truncated {
		out["truncated"] = "true"
	}
	return out
}

func jsonLen(s string) int {
	b, err := marshal(s)
	if err != nil {
		return maxContext
	}
	return len(b)
}

func unixTime(c token.Claims) string {
	if c.Expires.IsZero() {
		return ""
	}
	return strconv.FormatInt(c.Expires.Unix(), 10)
}

func kindName(k token.Kind) string {
	if k == token.KindUnknown {
		return ""
	}
	return k.String()
}
