package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is the result of a run.
type report struct {
	Date     string         `json:"date"`
	Machine  string         `json:"machine"`
	Options  options        `json:"options"`
	Missing  string         `json:"missing,omitempty"` // which rows, and why
	Event    int            `json:"eventBytes"`
	Answers  map[string]int `json:"answerBytes"`
	Rows     []string       `json:"rows"`
	Series   series         `json:"series"` // microseconds and bytes
	Verdicts []verdict      `json:"goals"`

	rows []row
}

func (b *bed) report(o options, s series) report {
	return report{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(), Options: o, Missing: b.missing, Event: b.eventBytes, Answers: b.answerBytes,
		Rows: names(b.rows), Series: s, Verdicts: s.verdicts(), rows: b.rows,
	}
}

// machine says what the figures depend on most.
func machine() string {
	text := fmt.Sprintf("%s, %s/%s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		text += ", Node " + strings.TrimSpace(string(out))
	}
	return text
}

func (r report) markdown() string {
	return strings.Join([]string{r.how(), r.table(), r.noise(), r.bytes(), r.goals()}, "\n")
}

func (r report) how() string {
	o := r.Options
	text := fmt.Sprintf("%s, %s. %d cold starts of each; %d rounds of %d calls with a known token (a fifth where each is a Query) and %d with new ones;\n"+
		"DynamoDB and provider answer after %v. The event has %d bytes", r.Date, r.Machine, o.Starts, o.Rounds, o.Calls, o.Tokens, o.Delay, r.Event)
	if one, hundred := r.Answers[oursRow], r.Answers[hundredRow]; one > 0 && hundred > 0 {
		text += fmt.Sprintf(", our answers %d (one route) and %d (100 routes)", one, hundred)
	}
	text += fmt.Sprintf(".\n*As deployed* is with `%s`.", strings.Join(o.Tuned, " "))
	if r.Missing != "" {
		text += "\n" + r.Missing
	}
	return text + "\n"
}

func (r report) table() string {
	var b strings.Builder
	b.WriteString("| bootstrap | cold wall, ms | cold CPU, ms | known token p50, µs | p99 | CPU a call | new token p50, µs | memory, MB | binary, zip, MB |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s, %s |\n", row.Name,
			r.cell(row.Name, row.Cold, coldWall, 1000), r.cell(row.Name, row.Cold, coldCPU, 1000),
			r.cell(row.Name, row.Same, sameP50, 1), r.cell(row.Name, row.Same, sameP99, 1), r.cell(row.Name, row.Same, sameCPU, 1),
			r.cell(row.Name, row.New, newP50, 1), r.memory(row.Name), r.cell(row.Name, "", binary, 1e6), r.cell(row.Name, "", zipSize, 1e6))
	}
	return b.String()
}

// cell is the ratio to the base, and the median.
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

// memory is that after all calls or, of rows that are only started, after the first.
func (r report) memory(row string) string {
	for _, metric := range []string{rss, coldRSS} {
		if v, ok := r.Series.median(row, metric); ok {
			return number(v / (1 << 20))
		}
	}
	return ""
}

// noise is what a bootstrap differs from itself by.
func (r report) noise() string {
	var parts []string
	for _, m := range []struct{ name, metric string }{
		{"cold wall", coldWall}, {"cold CPU", coldCPU}, {"p50", sameP50}, {"p99", sameP99}, {"CPU", sameCPU}, {"new p50", newP50},
	} {
		if v, ok := r.Series.ratio(againRow, echoRow, m.metric); ok {
			parts = append(parts, m.name+" "+v.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Noise, the same binary against itself, median and quartiles of the rounds: " + strings.Join(parts, ", ") + ".\n"
}

// bytes says what the bytes of an answer cost alone.
func (r report) bytes() string {
	var b strings.Builder
	for _, c := range []struct{ text, row, base string }{
		{"To an echo that answers with the bytes that ours does, instead of the event", oursRow, bytesRow},
		{"The same of 100 routes", hundredRow, bytesHundred},
		{"An echo of the 100 routes' bytes to one of the one route's", bytesHundred, bytesRow},
	} {
		for _, environment := range []string{"", deployed} {
			p50, okP50 := r.Series.ratio(c.row+environment, c.base+environment, sameP50)
			cpu, okCPU := r.Series.ratio(c.row+environment, c.base+environment, sameCPU)
			if okP50 && okCPU {
				fmt.Fprintf(&b, "- %s%s: p50 %s, CPU %s.\n", c.text, environment, p50, cpu)
			}
		}
	}
	return b.String()
}

// String is the median and, in parentheses, the quartiles.
func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Low, s.High) }

func (r report) goals() string {
	var b strings.Builder
	b.WriteString("| goal | | as deployed | by default | |\n|---|---|---|---|---|\n")
	for _, v := range r.Verdicts {
		verdict := "not met"
		switch {
		case v.Deployed == nil && v.Default == nil:
			verdict = "not measured"
		case v.met():
			verdict = "met"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", v.Text, v.limit(), v.text(v.Deployed), v.text(v.Default), verdict)
	}
	return b.String()
}

func (g goal) text(v *spread) string {
	switch {
	case v == nil:
		return ""
	case v.Low == v.High: // measured once
		return number(v.Median)
	}
	return v.String()
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
