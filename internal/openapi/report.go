package openapi

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteText writes the report for people. Where nothing differs it says so, and of
// how much it cannot say it.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	section(&b, "Unmapped: in the document, and nobody may call them", r.Unmapped)
	section(&b, "Orphaned: in the table, not in the document", r.Orphaned)
	section(&b, "Unreachable: in the table, and no request reaches them", r.Unreachable)
	differing(&b, r.Differing)
	section(&b, "Covered: in the document, answered for by something else of the table (no drift)", r.Covered)
	section(&b, "Within: in the table, below a less specific route of the document (no drift)", r.Within)
	if len(r.Unread) > 0 {
		fmt.Fprintf(&b, "Not compared (%d):\n", len(r.Unread))
		for _, p := range r.Unread {
			fmt.Fprintf(&b, "  %s\n", plain(p.String()))
		}
	}
	verdict := "The table has the document's routes."
	switch {
	case r.Drifted():
		verdict = fmt.Sprintf("Drift: %d unmapped, %d orphaned, %d unreachable, %d differing.",
			len(r.Unmapped), len(r.Orphaned), len(r.Unreachable), len(r.Differing))
	case len(r.Unread) > 0:
		verdict = fmt.Sprintf("The table has what could be compared of the document's routes; not compared: %d.", len(r.Unread))
	}
	fmt.Fprintf(&b, "%s (revision %s, document %s)\n", verdict, r.Revision, r.Source)
	_, err := io.WriteString(w, b.String())
	return err
}

// plain is a document's text without what moves a terminal's cursor.
func plain(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

func section(b *strings.Builder, title string, list []Drifted) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "%s (%d):\n", title, len(list))
	for _, d := range list {
		fmt.Fprintf(b, "  %s", d.Route)
		if d.By != "" {
			fmt.Fprintf(b, ": %s", d.By)
		}
		if d.Why != "" {
			fmt.Fprintf(b, " (%s)", d.Why)
		}
		b.WriteByte('\n')
	}
}

func differing(b *strings.Builder, list []Difference) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "Differing: the table requires something else (%d):\n", len(list))
	for _, d := range list {
		fmt.Fprintf(b, "  %s: document %s; table %s\n", d.Route, either(d.Document), either(d.Table))
		if len(d.Wider) > 0 {
			fmt.Fprintf(b, "    lets in besides: %s\n", either(d.Wider))
		}
		if len(d.Narrower) > 0 {
			fmt.Fprintf(b, "    does not let in: %s\n", either(d.Narrower))
		}
	}
}

func either(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, " | ")
}
