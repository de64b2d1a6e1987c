package main

import (
	"fmt"
	"strings"
)

// report is the result of a run.
type report struct {
	Options options  `json:"options"`
	Rows    []string `json:"rows"`
	Series  series   `json:"series"` // microseconds and bytes

	rows []row
}

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("| bootstrap | cold wall ms | cold CPU ms | same token p50 | p99 | CPU a call | new token p50 | RSS MB | binary, zip MB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s, %s |\n", row.Name,
			r.cell(row.Name, row.Cold, coldWall, 1000), r.cell(row.Name, row.Cold, coldCPU, 1000),
			r.cell(row.Name, row.Same, sameP50, 1), r.cell(row.Name, row.Same, sameP99, 1), r.cell(row.Name, row.Same, sameCPU, 1),
			r.cell(row.Name, row.New, newP50, 1), r.memory(row.Name), r.cell(row.Name, "", binary, 1e6), r.cell(row.Name, "", zipSize, 1e6))
	}
	return b.String()
}

// cell is a median and its ratio to the base.
func (r report) cell(row, base, metric string, unit float64) string {
	v, ok := r.Series.median(row, metric)
	if !ok {
		return ""
	}
	text := number(v / unit)
	if ratio, ok := r.Series.ratio(row, base, metric); ok {
		return fmt.Sprintf("**%.2f** (%s)", ratio.Median, text)
	}
	return text
}

// memory is of the longest run that there was.
func (r report) memory(row string) string {
	for _, metric := range []string{rss, coldRSS} {
		if v, ok := r.Series.median(row, metric); ok {
			return number(v / (1 << 20))
		}
	}
	return ""
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
