package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"scopegate/internal/adminclient"
)

// columns writes rows under a head, aligned. Cells come from elsewhere, and are
// written so that they cannot move the cursor.
func columns(w io.Writer, head []string, rows [][]string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(rows) > 0 {
		fmt.Fprintln(out, strings.ToUpper(strings.Join(head, "\t")))
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = shown(cell)
		}
		fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return out.Flush()
}

// shown is printable without escapes of what is harmless.
func shown(s string) string {
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(printable(s))
}

// moment writes a time as people here read it; zero is a dash.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05 -0700")
}

// who writes who made a change. On a terminal, where rows of whole ids do not fit,
// the beginning of a GUID stands for it; programs and pipes get all of it.
func (p *program) who(id string) string {
	if isTerminal(p.stdout) {
		id = abridged(id)
	}
	return orDash(id)
}

var guid = regexp.MustCompile(`([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func abridged(id string) string { return guid.ReplaceAllString(id, "$1…") }

// onlyLife reports whether a trail is of a table that has lived once and lives:
// then the number of a revision says which, and restore and wait take it.
func onlyLife(trail []adminclient.Record) bool {
	lives := map[string]bool{}
	for _, r := range trail {
		for _, revision := range []string{r.Before, r.After} {
			if _, life, ok := strings.Cut(revision, "-"); ok {
				lives[life] = true
			}
		}
	}
	return len(lives) == 1 && strings.Contains(trail[0].After, "-")
}

// numberOf is a revision without the life that it is of.
func numberOf(revision string) string {
	number, _, _ := strings.Cut(revision, "-")
	return number
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
