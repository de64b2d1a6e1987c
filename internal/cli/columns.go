package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
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

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
