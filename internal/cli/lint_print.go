package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"scopegate/internal/lint"
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
	for _, line := range r.Lines(f, top) {
		fmt.Fprintf(out, "  %-15s  %s\n", name, printable(line))
		name = ""
	}
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
