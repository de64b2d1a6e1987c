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
		fmt.Fprintln(t, heading(r)+"; bytes of the whole answer")
		fmt.Fprintln(t, "kind\tway\tcallers\tmedian\tmax\tover budget\tover-reach\tover-allows\tslash only\tpermitted\tordinary shut\tslash shut\tunder reported\tunder unreported\tfalse reports\t")
		for _, g := range r.Groups {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", g.Kind, g.Way, g.Callers, g.MedianBytes, g.MaxBytes,
				g.OverBudget, g.OverReach, g.OverAllows, g.SlashAllows, g.Permitted, g.OrdinaryShut, g.SlashShut, g.Reported, g.Unreported, g.FalseReports)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		writeDetails(w, r)
	}
	return nil
}

func heading(r result) string {
	text := fmt.Sprintf("%s: %d routes, %d scopes, %d requests for each caller", r.Name, r.Routes, r.Scopes, r.Probes)
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
			fmt.Fprintf(w, "  %s: %s\n", g.Way, e)
		}
	}
	for _, g := range r.Groups {
		for _, one := range g.Worst {
			fmt.Fprintf(w, "  largest, %s: %d bytes, %d resources: %s, %d scopes, %d permissions held %s\n", g.Kind, one.Bytes, one.Resources, one.Caller, one.Scopes, one.Held, strings.Join(one.Steps, ", "))
		}
	}
	fmt.Fprintln(w)
}

// writeMarkdown is what docs/benchmarks.md shows: a row for each kind of
// callers, the ways beside each other.
func writeMarkdown(w io.Writer, o options, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "| API | callers | median bytes: naive, array, ours | largest: naive, array, ours | over %s bytes: naive, array, ours | over-reach: naive, ours | shut by ours: ordinary, with a / at the end, other | of these not reported |\n", thousands(o.maxBytes))
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|")
	for _, r := range results {
		for i := 0; i+len(ways) <= len(r.Groups); i += len(ways) {
			n, a, g := r.Groups[i], r.Groups[i+1], r.Groups[i+2]
			fmt.Fprintf(&b, "| %s | %s: %d | %s, %s, %s | %s, %s, %s | %d, %d, %d | %d, %d | %s, %s, %s | %s |\n", r.Name, g.Kind, g.Callers,
				thousands(n.MedianBytes), thousands(a.MedianBytes), thousands(g.MedianBytes),
				thousands(n.MaxBytes), thousands(a.MaxBytes), thousands(g.MaxBytes),
				n.OverBudget, a.OverBudget, g.OverBudget, n.OverReach, g.OverReach,
				share(g.OrdinaryShut, g.Permitted), share(g.SlashShut, g.Permitted), share(g.Reported+g.Unreported-g.OrdinaryShut-g.SlashShut, g.Permitted),
				share(g.Unreported, g.Permitted))
		}
	}
	for _, r := range results {
		fmt.Fprintf(&b, "\n- %s.", heading(r))
		for _, l := range r.LeftOut {
			fmt.Fprintf(&b, " Left out, as API Gateway cannot declare it: `%s` (%s).", l.Route, l.Why)
		}
	}
	fmt.Fprintln(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// share is a part of a whole in percent; 0 only if there is none.
func share(part, of int) string {
	if part == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g %%", 100*float64(part)/float64(of))
}
