package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
)

// Lines describe one of the findings for people: what it is about, then what
// proves it. At most top of the scopes that cost most are told.
func (r Result) Lines(f Finding, top int) []string {
	resource := strings.TrimPrefix(f.Resource, r.ARN+"/"+r.Stage+"/")
	such := "such as " + f.Witness
	if f.From != "" {
		such += ", from " + f.From + " on"
	}
	switch f.Kind {
	case TooLarge, Large:
		return r.sizeLines(f, top)
	case WholeCollision:
		return []string{fmt.Sprintf("%s: every path is denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
	case Collision:
		if strings.HasPrefix(resource, "*") {
			return []string{fmt.Sprintf("paths of %s and others are denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
		}
		return []string{fmt.Sprintf("%s: paths of it are denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
	case Encoding:
		return []string{fmt.Sprintf("%s and the like are denied by %s, to %s", f.Witness, resource, those(f.Callers))}
	case Unguarded:
		return []string{fmt.Sprintf("%s allows paths of no known route, to %s", resource, those(f.Callers)), such}
	case Folded:
		return []string{fmt.Sprintf("made to fit, %s allows paths of no known route, to %s", resource, those(f.Callers)), such}
	case Unchecked:
		return []string{"there was no time to make the policies of " + those(f.Callers)}
	case NoTrust:
		return []string{"the table has no trust list, and could mean " + trustList(f)}
	}
	if len(f.Permissions) == 0 {
		return []string{strings.Join(append([]string{f.Route, f.Resource}, f.Callers...), " ")} // of a kind that came later
	}
	about := refText(f.Permissions[0])
	var others []string
	for _, ref := range f.Permissions[1:] {
		others = append(others, refText(ref))
	}
	by := strings.Join(others, "; ")
	switch f.Kind {
	case Shadowed:
		return []string{about + ": granted already by " + by}
	case Duplicate:
		return []string{about + ": said already by " + by}
	case Conflicting:
		return []string{about + ": another expiresAt, description or parameter name than " + by}
	case Unheld:
		return []string{about + ": nobody whom the table trusts can hold it"}
	}
	return []string{about}
}

// sizeLines say how large a policy is, and what would make it smaller.
func (r Result) sizeLines(f Finding, top int) []string {
	at := slices.IndexFunc(r.Callers, func(k Caller) bool { return k.Name == f.Callers[0] })
	if at < 0 {
		return []string{f.Callers[0]}
	}
	k := r.Callers[at]
	lines := []string{fmt.Sprintf("%s: %d of %d bytes", k.Name, k.Bytes, r.Budget)}
	if k.Advice == nil {
		return lines
	}
	var costs []string
	for _, c := range k.Advice.Costs[:min(top, len(k.Advice.Costs))] {
		costs = append(costs, fmt.Sprintf("%s %s %d", c.Kind, c.Name, c.Saves))
	}
	if len(costs) > 0 {
		lines = append(lines, "costs most: "+strings.Join(costs, ", ")+" bytes")
	}
	return append(lines, fittingLine(k.Advice.Fitting))
}

// fittingLine says what would fit in as few words as can be.
func fittingLine(fit *Fitting) string {
	if fit == nil {
		return "no part of it fits"
	}
	var with, without []string
	for _, part := range fit.Without {
		without = append(without, string(part.Kind)+" "+part.Name)
	}
	for _, of := range []struct {
		kind  CallerKind
		names []string
	}{{OneScope, fit.Scopes}, {OneRole, fit.Roles}, {OneGroup, fit.Groups}} {
		for _, name := range of.names {
			with = append(with, string(of.kind)+" "+name)
		}
	}
	if len(with) < len(without) {
		return fmt.Sprintf("would fit, with %d bytes: %s alone", fit.Bytes, strings.Join(with, ", "))
	}
	return fmt.Sprintf("would fit, with %d bytes: all without %s", fit.Bytes, strings.Join(without, ", "))
}

// those names the callers that a finding is about.
func those(names []string) string {
	switch len(names) {
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	}
	return fmt.Sprintf("%s and %d others", names[0], len(names)-1)
}

func refText(ref Ref) string {
	p := ref.Permission
	text := string(p.Verb)
	if p.Verb != mapping.Connect {
		text += " /" + p.Resource.String()
	}
	if ref.Place > 0 {
		text = fmt.Sprintf("permission %d, %s", ref.Place, text)
	}
	requires := p.Requires.String()
	if p.Registered {
		requires = "registered"
	}
	if !p.ExpiresAt.IsZero() {
		requires += ", until " + p.ExpiresAt.Format(time.RFC3339)
	}
	return text + " (" + requires + ")"
}

func trustList(f Finding) string {
	var parts []string
	for _, t := range f.Trust {
		text := t.Tenant + t.Issuer
		if len(t.Audiences) > 0 {
			text += " for " + strings.Join(t.Audiences, " ")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
