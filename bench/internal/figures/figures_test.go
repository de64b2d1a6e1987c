package figures

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASectionIsReplacedAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	old := "# Page\n<!-- a:begin -->\nold\n<!-- a:end -->\nkept\n<!-- b:begin -->\n<!-- b:end -->\n"
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is left to do
		if err := Section(path, "a", "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := strings.Replace(old, "old", "new", 1); err != nil || string(got) != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestAFileWithoutTheSectionStaysAsItIs(t *testing.T) {
	for _, old := range []string{"", "<!-- a:begin -->\n", "<!-- a:end -->\n<!-- a:begin -->\n", "<!-- a:begin -->\n<!-- a:begin -->\n<!-- a:end -->\n"} {
		path := filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Section(path, "a", "new\n"); err == nil || !strings.Contains(err.Error(), "section a") {
			t.Errorf("%q: %v", old, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != old {
			t.Errorf("%q became %q, %v", old, got, err)
		}
	}
	if err := Section(filepath.Join(t.TempDir(), "none.md"), "a", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestAChartIsWellFormedAndHoldsWhatItIsGiven(t *testing.T) {
	c := Chart{Title: "Routes & <more>", X: "routes", Y: "p50", Goal: 1.2, Noise: 0.03, Lines: []Line{
		{"p50", []Point{{10, 1}, {100, 1.01}, {10_000, 1.1}}}, {"CPU", []Point{{10, 1}, {10_000, 3}}},
	}}
	svg := c.SVG()
	for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	for _, want := range []string{"Routes &amp; &lt;more&gt;", "goal 1.2", ">10,000<", "<title>10,000: 1.1</title>", ">CPU<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%s is not in\n%s", want, svg)
		}
	}
	if n := strings.Count(svg, "<circle"); n != 5 {
		t.Errorf("%d points", n)
	}
	if svg != c.SVG() {
		t.Error("drawn twice it differs")
	}
}

func TestChartsOfOnePointOrNoneAreDrawn(t *testing.T) {
	for _, c := range []Chart{{}, {Lines: []Line{{}}}, {Lines: []Line{{"one", []Point{{5, 1}}}}}} {
		if svg := c.SVG(); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s", svg)
		}
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123: "-123", -1234: "-1,234"} {
		if got := Thousands(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
