package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"scopegate/internal/lint"
	"scopegate/mapping"
)

// printLint writes for people: table by table, errors first.
func printLint(w io.Writer, found lintJSON, top int) error {
	out := &strings.Builder{}
	for _, r := range found.Tables {
		printTable(out, r, top)
	}
	if n := len(found.Tables); n > 1 {
		fmt.Fprintf(out, "%d tables: ", n)
	}
	fmt.Fprintf(out, "%s, %s", counted(found.Errors, "error"), counted(found.Warnings, "warning"))
	if found.Notes > 0 {
		fmt.Fprintf(out, ", %s", counted(found.Notes, "note"))
	}
	out.WriteString(".\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func printTable(out *strings.Builder, r lint.Result, top int) {
	fmt.Fprintf(out, "%s %s: %s", r.ARN, r.Stage, counted(r.Permissions, "permission"))
	if r.Expired > 0 {
		fmt.Fprintf(out, " (%d expired)", r.Expired)
	}
	fmt.Fprintf(out, ", %s", counted(r.Routes, "route"))
	if r.Complete {
		out.WriteString(", complete")
	}
	out.WriteString("\n\n")
	var severity lint.Severity
	for _, f := range r.Findings {
		if f.Severity != severity {
			endBlock(out, severity != "")
			severity = f.Severity
			fmt.Fprintf(out, "%ss\n", severity)
		}
		printFinding(out, r, f, top)
	}
	endBlock(out, severity != "")
	printCallers(out, r, top)
}

func endBlock(out *strings.Builder, begun bool) {
	if begun {
		out.WriteString("\n")
	}
}

// printFinding writes one line, and those of what proves it below.
func printFinding(out *strings.Builder, r lint.Result, f lint.Finding, top int) {
	name := strings.ReplaceAll(string(f.Kind), "_", " ")
	for _, line := range findingLines(r, f, top) {
		fmt.Fprintf(out, "  %-15s  %s\n", name, printable(line))
		name = ""
	}
}

func findingLines(r lint.Result, f lint.Finding, top int) []string {
	resource := strings.TrimPrefix(f.Resource, r.ARN+"/"+r.Stage+"/")
	such := "such as " + f.Witness
	if f.From != "" {
		such += ", from " + f.From + " on"
	}
	switch f.Kind {
	case lint.TooLarge, lint.Large:
		return sizeLines(r, f, top)
	case lint.WholeCollision:
		return []string{fmt.Sprintf("%s: every path is denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
	case lint.Collision:
		if strings.HasPrefix(resource, "*") {
			return []string{fmt.Sprintf("paths of %s and others are denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
		}
		return []string{fmt.Sprintf("%s: paths of it are denied by %s, to %s", f.Route, resource, those(f.Callers)), such}
	case lint.Encoding:
		return []string{fmt.Sprintf("%s and the like are denied by %s, to %s", f.Witness, resource, those(f.Callers))}
	case lint.Unguarded:
		return []string{fmt.Sprintf("%s allows paths of no known route, to %s", resource, those(f.Callers)), such}
	case lint.Folded:
		return []string{fmt.Sprintf("made to fit, %s allows paths of no known route, to %s", resource, those(f.Callers)), such}
	case lint.NoTrust:
		return []string{"the table has no trust list, and could mean " + trustList(f)}
	}
	about := refText(f.Permissions[0])
	var others []string
	for _, ref := range f.Permissions[1:] {
		others = append(others, refText(ref))
	}
	by := strings.Join(others, "; ")
	switch f.Kind {
	case lint.Shadowed:
		return []string{about + ": granted already by " + by}
	case lint.Duplicate:
		return []string{about + ": said already by " + by}
	case lint.Conflicting:
		return []string{about + ": another expiresAt, description or parameter name than " + by}
	case lint.Unheld:
		return []string{about + ": nobody whom the table trusts can hold it"}
	}
	return []string{about}
}

// sizeLines say how large a policy is, and what would make it smaller.
func sizeLines(r lint.Result, f lint.Finding, top int) []string {
	var k lint.Caller
	for _, other := range r.Callers {
		if other.Name == f.Callers[0] {
			k = other
		}
	}
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
func fittingLine(fit *lint.Fitting) string {
	if fit == nil {
		return "no part of it fits"
	}
	var with, without []string
	for _, part := range fit.Without {
		without = append(without, string(part.Kind)+" "+part.Name)
	}
	for _, of := range []struct {
		kind  lint.CallerKind
		names []string
	}{{lint.OneScope, fit.Scopes}, {lint.OneRole, fit.Roles}, {lint.OneGroup, fit.Groups}} {
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

func refText(ref lint.Ref) string {
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

func trustList(f lint.Finding) string {
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

// printCallers writes the largest of them as columns.
func printCallers(out *strings.Builder, r lint.Result, top int) {
	shown := r.Callers[:min(top, len(r.Callers))]
	if len(shown) == 0 {
		return
	}
	fmt.Fprintf(out, "callers, %d of %d by the bytes of their policies (%d may be)\n", len(shown), len(r.Callers), r.Budget)
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(columns, "bytes\t\tresources\tpermissions\t  caller\n")
	for _, k := range shown {
		steps := ""
		if len(k.Steps) > 0 {
			steps = "  (" + strings.Join(k.Steps, ", ") + ")"
		}
		fmt.Fprintf(columns, "%d\t%d %%\t%d\t%d\t  %s%s\n", k.Bytes, 100*k.Bytes/r.Budget, k.Resources, k.Permissions, printable(k.Name), steps)
	}
	columns.Flush() // into a strings.Builder, which does not fail
	out.WriteString("\n")
}

// counted writes a number and what it counts.
func counted(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
