package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"scopegate/bench/internal/figures"
)

// Report is all that a run measured.
type Report struct {
	Curves []Result        `json:"curves"`
	Ends   map[string]End  `json:"behindTheRuntimeAPI"`
	Memory []Measured      `json:"memory"`
	Reads  []Read          `json:"reads"`
	Rounds int             `json:"rounds"`
	Calls  int             `json:"callsPerRound"`
	Goals  map[string]bool `json:"goals"`
}

// last is the last point of a curve's first line.
func (r Result) last() Measured {
	last := r.Points[0]
	for _, p := range r.Points {
		if p.Series == last.Series {
			last = p
		}
	}
	return last
}

// judge says which goals are met: p50 behind the Runtime API, where a caller sees
// it; of the answer's routes the CPU.
func (r *Report) judge() {
	r.Goals = map[string]bool{}
	for _, c := range r.Curves {
		end, measured := r.Ends[c.Name]
		if c.Goal == 0 || !measured {
			continue
		}
		ratio := end.Ratio
		if c.Name == "answer" {
			ratio = end.CPURatio
		}
		r.Goals[c.Name] = ratio <= c.Goal
	}
}

// write writes everything as Markdown, which people can read as text too. SVGs are
// named as they will be, beside the file.
func (r Report) write(w io.Writer) error {
	var b strings.Builder
	for _, c := range r.Curves {
		r.curve(&b, c)
	}
	if len(r.Memory) > 0 {
		b.WriteString("Memory: what a process keeps after a garbage collection, with so many tables of so many routes known, each asked about once by one caller:\n\n| tables | routes each | KB |\n|---|---|---|\n")
		for _, m := range r.Memory {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSuffix(m.Series, " APIs"), figures.Thousands(float64(m.X)), figures.Thousands(m.Heap))
		}
		b.WriteString("\n")
	}
	if len(r.Reads) > 0 {
		b.WriteString("On the wire, a DynamoDB-compatible server behind a proxy that adds a millisecond: *check* is what an instance asks when `CACHE_TTL` has passed, *load* what it reads of a table that it does not know; the migrations' ledger, a Query once in five seconds at most, comes beside. KB are of the answers' bodies as DynamoDB writes them (JSON), CPU is the reader's.\n\n| | routes | ms | ratio | CPU ms | GetItems | Queries | read units | KB |\n|---|---|---|---|---|---|---|---|---|\n")
		for _, x := range r.Reads {
			fmt.Fprintf(&b, "| %s | %s | %.2f | %.2f | %.2f | %d | %d | %d | %.1f |\n", x.What, figures.Thousands(float64(x.Routes)), x.P50/1000, x.Ratio, x.CPU/1000, x.Gets, x.Queries, x.Units, x.KB)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Medians of %d rounds of %d calls, all points of a curve in turn in each round.\n", r.Rounds, r.Calls)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) curve(b *strings.Builder, c Result) {
	fmt.Fprintf(b, "![%s](%s)\n\n", c.X, svgName(c.Name))
	fmt.Fprintf(b, "| %s | | p50 µs | ratio | p99 µs | CPU µs | ratio | allocations | bytes | tables loaded per call | keeps KB |\n|---|---|---|---|---|---|---|---|---|---|---|\n", c.X)
	for _, p := range append(c.Points[:len(c.Points):len(c.Points)], c.Again) {
		fmt.Fprintf(b, "| %s | %s | %.1f | %.2f | %.0f | %.1f | %.2f | %.0f | %s | %.3g | %s |\n", figures.Thousands(float64(p.X)), p.Series, p.time(c), p.Ratio, p.P99, p.CPU, p.CPURatio, p.Allocs, figures.Thousands(p.Bytes), p.Loads, figures.Thousands(p.Heap))
	}
	b.WriteString("\n")
	end, ok := r.Ends[c.Name]
	if !ok {
		return
	}
	fmt.Fprintf(b, "Behind Lambda's Runtime API, %s %s against %s: p50 %.2f, CPU %.2f (the first against itself: %.2f)", figures.Thousands(float64(c.last().X)), c.X, figures.Thousands(float64(c.Points[0].X)), end.Ratio, end.CPURatio, 1+end.Noise)
	switch met, is := r.Goals[c.Name]; {
	case is && met:
		fmt.Fprintf(b, "; the goal of %g is met", c.Goal)
	case is:
		fmt.Fprintf(b, "; the goal of %g is **not met**", c.Goal)
	}
	if end.Control > 0 {
		fmt.Fprintf(b, ". Against 1 scope in a token as long, whose event has as many bytes for Lambda to hand over, p50 %.2f, CPU %.2f", end.Control, end.ControlCPU)
	}
	b.WriteString(".\n\n")
}

// time is what the curve compares.
func (m Measured) time(c Result) float64 {
	if c.Name == handlers {
		return m.Wall
	}
	return m.P50
}

func svgName(curve string) string { return "scale-" + curve + ".svg" }

// chart draws a curve.
func (r Result) chart() figures.Chart {
	c := figures.Chart{Title: "Cost of a call by " + r.X, X: r.X, Y: "median time, first = 1", Goal: r.Goal, Noise: abs(r.Again.Ratio - 1)}
	if r.Name == handlers {
		c.Y = "processor's time a call, first = 1"
	}
	for _, p := range r.Points {
		if n := len(c.Lines); n == 0 || c.Lines[n-1].Name != p.Series {
			c.Lines = append(c.Lines, figures.Line{Name: p.Series})
		}
		l := &c.Lines[len(c.Lines)-1]
		l.Points = append(l.Points, figures.Point{X: float64(p.X), Y: p.Ratio})
	}
	return c
}

// publish rewrites the section of a Markdown file and the pictures beside it.
func (r Report) publish(path string) error {
	var text strings.Builder
	if err := r.write(&text); err != nil {
		return err
	}
	if err := figures.Section(path, "scale", text.String()); err != nil {
		return err
	}
	for _, c := range r.Curves {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), svgName(c.Name)), []byte(c.chart().SVG()), 0o644); err != nil {
			return fmt.Errorf("write the chart of %s: %w", c.Name, err)
		}
	}
	return nil
}
