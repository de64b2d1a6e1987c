package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"scopegate/authorizer"
	"scopegate/internal/reasons"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/token"
)

// explanationJSON is the form of an explanation for programs.
type explanationJSON struct {
	Decision string `json:"decision"` // allow, deny, unauthorized, error
	Reason   string `json:"reason"`
	Meaning  string `json:"meaning"` // of the reason, for people
	// GroupsUnknown: permissions of the table need a group, and the token does not
	// list the caller's (overage), so that they are not held.
	GroupsUnknown bool                 `json:"groupsUnknown,omitempty"`
	Cause         string               `json:"cause,omitempty"` // of an outage
	Caller        *callerJSON          `json:"caller,omitempty"`
	Table         *tableJSON           `json:"table,omitempty"`
	Held          []mapping.Permission `json:"held"`
	Readings      []readingJSON        `json:"readings"`
	Route         string               `json:"route,omitempty"`
	By            []mapping.Permission `json:"by"`
	MethodARN     string               `json:"methodArn,omitempty"`
	Policy        *policy.Document     `json:"policy,omitempty"`
	Verdict       string               `json:"verdict,omitempty"`
	Bytes         int                  `json:"bytes"`
	MaxBytes      int                  `json:"maxBytes,omitempty"`
	Report        *policy.Report       `json:"report,omitempty"`
}

type callerJSON struct {
	From          string   `json:"from"`
	PrincipalID   string   `json:"principalId"`
	PrincipalType string   `json:"principalType,omitempty"`
	Issuer        string   `json:"issuer"`
	Audience      string   `json:"audience"`
	Scopes        []string `json:"scopes,omitempty"`
	Roles         []string `json:"roles,omitempty"`
	Groups        []string `json:"groups,omitempty"`
	GroupsUnknown bool     `json:"groupsUnknown,omitempty"`
}

type tableJSON struct {
	Registered bool   `json:"registered"`
	Revision   string `json:"revision"`
	Trusted    bool   `json:"trusted"`
}

type readingJSON struct {
	Path    string `json:"path"`
	Route   string `json:"route,omitempty"`
	Held    bool   `json:"held"`
	Pattern bool   `json:"pattern"`
}

// printRefused tells why a token opens nothing at all.
func (p *program) printRefused(err error, denied, asJSON bool) error {
	reason := string(token.ReasonOf(err))
	if asJSON {
		if err := printJSON(p.stdout, explanationJSON{Decision: "unauthorized", Reason: reason, Meaning: reasons.Of(reason), Held: []mapping.Permission{}, Readings: []readingJSON{}, By: []mapping.Permission{}}); err != nil {
			return err
		}
		return negative(errSilent)
	}
	status := http.StatusUnauthorized
	var e *token.Error
	if denied && !(errors.As(err, &e) && e.Passing()) { // INVALID_TOKEN=deny
		status = http.StatusForbidden
	}
	fmt.Fprintf(p.stdout, "UNAUTHORIZED: the token is refused (%s)\n%s\nAPI Gateway answers %d.\n", reason, reasons.Of(reason), status)
	return negative(errSilent)
}

// printUnavailable tells that a token cannot be judged now, which says nothing
// about it.
func (p *program) printUnavailable(err error, asJSON bool) error {
	reason := string(authorizer.KeysUnavailable)
	if !asJSON {
		fmt.Fprintf(p.stdout, "ERROR: the token cannot be judged now (%s)\n%s\nAPI Gateway answers %d.\n", reason, reasons.Of(reason), http.StatusInternalServerError)
		return err
	}
	out := explanationJSON{Decision: decisionError, Reason: reason, Meaning: reasons.Of(reason), Cause: err.Error(), Held: []mapping.Permission{}, Readings: []readingJSON{}, By: []mapping.Permission{}}
	return errors.Join(printJSON(p.stdout, out), err)
}

// printing says how an explanation is printed.
type printing struct{ json, report bool }

func (p *program) printExplanation(x authorizer.Explanation, c token.Claims, decision, how, call string, form printing) error {
	if form.json {
		out := jsonOf(x, decision, how)
		if form.report {
			report := x.Report()
			out.Report = &report
		}
		return printJSON(p.stdout, out)
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s  %s  (%s)\n%s\n\n", strings.ToUpper(decision), printable(call), x.Reason, reasons.Of(string(x.Reason)))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("token", "%s", how)
	row("caller", "%s (%s), issuer %s, audience %s", x.PrincipalID, c.Kind, x.Caller.Issuer, x.Caller.Audience)
	row("", "scopes %s; roles %s; groups %s", listOr(x.Caller.Scopes), listOr(x.Caller.Roles), groupsText(x))
	switch {
	case !x.Registered:
		row("table", "none for this API and stage")
	case x.Trusted:
		row("table", "revision %s, which trusts the caller", x.Revision)
	default:
		row("table", "revision %s, which does not trust the caller: it trusts %s", x.Revision, trustText(x.Trust))
	}
	holds(out, "holds", x.Held)
	if x.GroupsUnknown {
		row("", "and nothing that needs a group: the table has such permissions, and the token does not list the caller's groups (overage)")
	}
	for _, r := range x.Readings {
		row("path", "%s", readingText(r))
	}
	if len(x.Readings) == 0 && x.Registered {
		row("path", "names no route in any reading")
	}
	if x.Route != "" {
		row("decided", "by route %s", x.Route)
	}
	holds(out, "because", x.By)
	if decision == decisionError {
		row("policy", "%d bytes, %d may be: API Gateway answers 500 to every call of this caller", x.Bytes, x.MaxBytes)
		reportRows(out, x, form.report)
		_, err := fmt.Fprint(p.stdout, out.String())
		return err
	}
	if decision == decisionRevoked {
		row("policy", "none: whatever the caller would hold, the token is refused")
		_, err := fmt.Fprint(p.stdout, out.String())
		return err
	}
	row("policy", "%d of %d bytes; says about this call: %s", x.Bytes, x.MaxBytes, x.Verdict)
	reportRows(out, x, form.report)
	b, err := json.MarshalIndent(x.Policy, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", unescape(b))
	_, err = fmt.Fprint(p.stdout, out.String())
	return err
}

// unescape writes < > & as they are: nobody reads this as HTML.
func unescape(b []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

func jsonOf(x authorizer.Explanation, decision, how string) explanationJSON {
	out := explanationJSON{
		Decision: decision, Reason: string(x.Reason), Meaning: reasons.Of(string(x.Reason)), Held: orEmpty(x.Held), By: orEmpty(x.By), Route: x.Route, Readings: []readingJSON{},
		Caller: &callerJSON{
			From: how, PrincipalID: x.PrincipalID, PrincipalType: string(x.Caller.PrincipalType), Issuer: x.Caller.Issuer, Audience: x.Caller.Audience,
			Scopes: x.Caller.Scopes, Roles: x.Caller.Roles, Groups: x.Caller.Groups, GroupsUnknown: x.Caller.GroupsUnknown,
		},
		GroupsUnknown: x.GroupsUnknown,
		Table:         &tableJSON{x.Registered, x.Revision.String(), x.Trusted},
		MethodARN:     x.MethodARN, Bytes: x.Bytes, MaxBytes: x.MaxBytes,
	}
	if decision != decisionError && decision != decisionRevoked {
		out.Policy, out.Verdict = &x.Policy, x.Verdict.String()
	}
	for _, r := range x.Readings {
		out.Readings = append(out.Readings, readingJSON{r.Path, routeText(r), r.Held, r.Pattern})
	}
	return out
}

func orEmpty(list []mapping.Permission) []mapping.Permission {
	if list == nil {
		return []mapping.Permission{}
	}
	return list
}

// The decisions about a caller whose token is in itself a good one.
const (
	decisionAllow   = "allow"
	decisionDeny    = "deny"
	decisionRevoked = "unauthorized" // his tokens were revoked
	decisionError   = "error"        // API Gateway answers 500
)

func decisionName(x authorizer.Explanation) string {
	switch {
	case x.Revoked:
		return decisionRevoked
	case x.Allowed:
		return decisionAllow
	}
	return decisionDeny
}

func holds(out *strings.Builder, name string, list []mapping.Permission) {
	if len(list) == 0 && name == "holds" {
		fmt.Fprintf(out, "%-9s nothing\n", name)
	}
	for _, p := range list {
		fmt.Fprintf(out, "%-9s %s /%s  (%s)\n", name, p.Verb, p.Resource, p.Requires)
		name = ""
	}
}

func routeText(r mapping.Reading) string {
	if r.Route == nil {
		return ""
	}
	return r.Route.String()
}

func readingText(r mapping.Reading) string {
	text := printable(r.Path) + " "
	switch {
	case r.Route == nil:
		text += "is no known route"
	case r.Held:
		text += "is " + routeText(r) + ", held"
	default:
		text += "is " + routeText(r) + ", not held"
	}
	if r.Pattern {
		text += ", and matches a held pattern"
	}
	return text
}

func listOr(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func groupsText(x authorizer.Explanation) string {
	if x.Caller.GroupsUnknown {
		return "unknown (more than the token lists)"
	}
	return listOr(x.Caller.Groups)
}

func trustText(list []mapping.Trust) string {
	var parts []string
	for _, t := range list {
		parts = append(parts, t.Tenant+t.Issuer+" for "+strings.Join(t.Audiences, " "))
	}
	return strings.Join(parts, ", ")
}
