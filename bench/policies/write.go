package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// writeText is for people who work on the compiler.
func writeText(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range results {
		fmt.Fprintln(t, heading(r))
		fmt.Fprintln(t, "kind\tway\tcallers\tmedian\tmax\tover budget\tover-reach\tover-allows\tslash only\tunder reported\tunder unreported\t")
		for _, g := range r.Groups {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", g.Kind, g.Way, g.Callers, g.MedianBytes, g.MaxBytes,
				g.OverBudget, g.OverReach, g.OverAllows, g.SlashAllows, g.Reported, g.Unreported)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		writeDetails(w, r)
	}
	return nil
}

func heading(r result) string {
	text := fmt.Sprintf("%s: %d routes, %d scopes, %d requests for each caller; bytes of the whole answer", r.Name, r.Routes, r.Scopes, r.Probes)
	if r.Merged > 0 {
		text += fmt.Sprintf("; %d routes differ from another in the names of parameters only", r.Merged)
	}
	if r.HoldNothing > 0 {
		text += fmt.Sprintf("; %d sets of scopes open nothing", r.HoldNothing)
	}
	return text
}

func writeDetails(w io.Writer, r result) {
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "  left out: %s: %s\n", l.Route, l.Why)
	}
	for _, g := range r.Groups {
		if g.Way == array {
			continue // what it opens is what naive opens
		}
		for _, e := range g.Examples {
			fmt.Fprintf(w, "  %s, %s: %s\n", g.Kind, g.Way, e)
		}
	}
	for _, g := range r.Groups {
		for _, one := range g.Worst {
			fmt.Fprintf(w, "  largest, %s: %d bytes, %d resources: %s, %d scopes, %d permissions held %s\n", g.Kind, one.Bytes, one.Resources, one.Caller, one.Scopes, one.Held, strings.Join(one.Steps, ", "))
		}
	}
	fmt.Fprintln(w)
}

// writeMarkdown is what docs/benchmarks.md shows.
func writeMarkdown(w io.Writer, o options, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "| API | callers | policy | median bytes | largest | over %d | over-reach | shut, reported | shut, unreported |\n", o.maxBytes)
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|")
	for _, r := range results {
		for _, g := range r.Groups {
			fmt.Fprintf(&b, "| %s | %d × %s | %s | %d | %d | %d | %d | %d | %d |\n", r.Name, g.Callers, g.Kind, g.Way, g.MedianBytes, g.MaxBytes,
				g.OverBudget, g.OverReach, g.Reported, g.Unreported)
		}
	}
	for _, r := range results {
		fmt.Fprintf(&b, "\n- %s.", heading(r))
		for _, l := range r.LeftOut {
			fmt.Fprintf(&b, " Left out, since API Gateway cannot declare it: `%s` (%s).", l.Route, l.Why)
		}
	}
	fmt.Fprintln(&b)
	_, err := io.WriteString(w, b.String())
	return err
}
