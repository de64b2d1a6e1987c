package probe

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"scopegate/policy"
)

// Prefix begins a token of the probe.
const Prefix = "Bearer probe."

// Limits of a plan.
const (
	MaxToken      = 8192     // bytes of a token
	MaxBytes      = 64 << 10 // of an answer that is asked for
	maxStatements = 8
	maxResources  = 16
	maxSeconds    = 3600
)

// Answer is a kind of answer.
type Answer string

// The answers. The zero Answer is none, and a plan without one is refused.
const (
	Policy       Answer = "policy"       // the statements of the plan
	DenyAll      Answer = "deny"         // an explicit Deny of everything
	Unauthorized Answer = "unauthorized" // the error that API Gateway takes for a 401
	Error        Answer = "error"        // any other error
)

// Plan is what a token asks for.
type Plan struct {
	// Nonce makes a token of its own, and so an entry of its own in API Gateway's
	// cache.
	Nonce string `json:"nonce"`
	// Answer is what is given from the instant Then on.
	Answer Answer `json:"answer"`
	// First is what is given before Then, in Unix seconds by the function's clock.
	// Asked again after Then, a cache gives First and the function Answer.
	First Answer `json:"first,omitempty"`
	Then  int64  `json:"then,omitempty"`
	// Statements are those of the policy, in their order.
	Statements []Statement `json:"statements,omitempty"`
	// Bytes is how long the whole answer shall be; 0 leaves it as it comes.
	Bytes int `json:"bytes,omitempty"`
}

// Statement is one statement of a policy.
type Statement struct {
	Effect string `json:"effect"` // Allow or Deny
	// Resources follow {arn of the API}/{stage}/, such as GET/a/*.
	Resources []string `json:"resources"`
	// Not makes NotResource of them.
	Not bool `json:"not,omitempty"`
	// From and Until are whole seconds after the answer in which the statement
	// counts; 0 is no condition.
	From  int `json:"from,omitempty"`
	Until int `json:"until,omitempty"`
}

// Token writes a plan as the value of the Authorization header: base64url, since
// API Gateway takes = and , for a signature of AWS's.
func (p Plan) Token() string {
	b, err := json.Marshal(p)
	if err != nil { // strings and numbers only
		panic(err)
	}
	return Prefix + base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads what [Plan.Token] writes. The error names the field and the
// rule.
func ParseToken(token string) (Plan, error) {
	raw, ok := strings.CutPrefix(token, Prefix)
	if !ok || len(token) > MaxToken {
		return Plan{}, fmt.Errorf("probe token: must begin with %q and have at most %d bytes", Prefix, MaxToken)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(raw)
	if err != nil {
		return Plan{}, errors.New("probe token: must be base64url without padding")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var p Plan
	if err := d.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("probe token: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Plan{}, errors.New("probe token: must be one JSON object")
	}
	return p, p.check()
}

func (p Plan) check() error {
	switch {
	case !p.Answer.known():
		return fmt.Errorf("probe token: answer %q: is none", p.Answer)
	case (p.First == "") != (p.Then == 0) || p.First != "" && !p.First.known():
		return fmt.Errorf("probe token: first %q, then %d: must be given together", p.First, p.Then)
	case p.Bytes < 0 || p.Bytes > MaxBytes:
		return fmt.Errorf("probe token: bytes %d: must be 0 to %d", p.Bytes, MaxBytes)
	case p.Bytes > 0 && p.Answer != Policy:
		return fmt.Errorf("probe token: bytes %d: only a policy can be made longer", p.Bytes)
	case len(p.Statements) > maxStatements || p.Answer == Policy && len(p.Statements) == 0:
		return fmt.Errorf("probe token: %d statements: must be 1 to %d", len(p.Statements), maxStatements)
	}
	for i, s := range p.Statements {
		if err := s.check(); err != nil {
			return fmt.Errorf("probe token: statement %d: %w", i, err)
		}
	}
	return nil
}

func (a Answer) known() bool {
	return a == Policy || a == DenyAll || a == Unauthorized || a == Error
}

func (s Statement) check() error {
	switch {
	case s.Effect != policy.Allow && s.Effect != policy.Deny:
		return fmt.Errorf("effect %q: must be Allow or Deny", s.Effect)
	case len(s.Resources) == 0 || len(s.Resources) > maxResources:
		return fmt.Errorf("%d resources: must be 1 to %d", len(s.Resources), maxResources)
	case s.From < 0 || s.From > maxSeconds || s.Until < 0 || s.Until > maxSeconds:
		return fmt.Errorf("from %d, until %d: must be 0 to %d seconds", s.From, s.Until, maxSeconds)
	}
	return nil
}
