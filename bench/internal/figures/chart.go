package figures

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Chart is a line chart over a logarithmic x axis: how something grows with
// something else, as ratios to its first point.
type Chart struct {
	Title, X, Y string
	Lines       []Line
	// Goal, if not 0, is drawn as a line across: the ratio that is to be kept.
	Goal float64
	// Noise is drawn as a band around 1: how far two runs of the same point differ.
	Noise float64
}

// Line is one curve. X must be above 0 and rise.
type Line struct {
	Name   string
	Points []Point
}

// Point is one measurement.
type Point struct{ X, Y float64 }

// The picture's measures, in pixels.
const (
	width, height = 640, 340
	left, right   = 56, 16
	top, bottom   = 40, 48
)

// Okabe and Ito's colours, which people tell apart who see few.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// SVG draws the chart. The same chart gives the same bytes.
func (c Chart) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", html.EscapeString(c.Title))
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="14" font-weight="bold">%s</text>`+"\n", left, html.EscapeString(c.Title))
	s := c.scale()
	c.axes(&b, s)
	if c.Noise > 0 {
		y := s.y(1 + c.Noise)
		fmt.Fprintf(&b, `<rect x="%d" y="%s" width="%d" height="%s" fill="#000" opacity="0.07"/>`+"\n", left, px(y), width-left-right, px(s.y(max(0, 1-c.Noise))-y))
	}
	if c.Goal > 0 {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%s" y2="%s" stroke="#c00" stroke-dasharray="6 4"/>`+"\n", left, width-right, px(s.y(c.Goal)), px(s.y(c.Goal)))
		fmt.Fprintf(&b, `<text x="%d" y="%s" fill="#c00" text-anchor="end">goal %s</text>`+"\n", width-right-2, px(s.y(c.Goal)-4), number(c.Goal))
	}
	for i, l := range c.Lines {
		l.draw(&b, s, i)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// scale turns values into pixels.
type scale struct{ x0, x1, y1 float64 }

func (c Chart) scale() scale {
	s := scale{x0: math.Inf(1), x1: math.Inf(-1), y1: max(1.5, c.Goal*1.1)}
	for _, l := range c.Lines {
		for _, p := range l.Points {
			s.x0, s.x1, s.y1 = min(s.x0, p.X), max(s.x1, p.X), max(s.y1, p.Y*1.1)
		}
	}
	if s.x1 <= s.x0 { // one point, or none
		s.x0, s.x1 = 1, 10
	}
	return s
}

func (s scale) x(v float64) float64 {
	return left + (width-left-right)*(math.Log(v)-math.Log(s.x0))/(math.Log(s.x1)-math.Log(s.x0))
}

func (s scale) y(v float64) float64 {
	return height - bottom - (height-top-bottom)*v/s.y1
}

func (c Chart) axes(b *strings.Builder, s scale) {
	for v := 0.0; v <= s.y1; v += step(s.y1) {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%s" y2="%s" stroke="#ddd"/>`, left, width-right, px(s.y(v)), px(s.y(v)))
		fmt.Fprintf(b, `<text x="%d" y="%s" text-anchor="end">%s</text>`+"\n", left-6, px(s.y(v)+4), number(v))
	}
	last := math.Inf(-1)
	for _, v := range c.ticks() {
		if s.x(v)-last < 34 {
			continue // it would be written over the one before
		}
		last = s.x(v)
		fmt.Fprintf(b, `<line x1="%s" x2="%s" y1="%d" y2="%d" stroke="#888"/>`, px(last), px(last), height-bottom, height-bottom+4)
		fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`+"\n", px(last), height-bottom+17, Thousands(v))
	}
	fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#888"/>`+"\n", left, width-right, height-bottom, height-bottom)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-8, html.EscapeString(c.X))
	fmt.Fprintf(b, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, html.EscapeString(c.Y))
}

// ticks are the x values of the longest line: what was measured, and nothing in
// between.
func (c Chart) ticks() []float64 {
	var all []float64
	for _, l := range c.Lines {
		if len(l.Points) > len(all) {
			all = nil
			for _, p := range l.Points {
				all = append(all, p.X)
			}
		}
	}
	return all
}

// step is 1, 2 or 5 times a power of ten, so that an axis has 4 to 10 lines.
func step(most float64) float64 {
	s := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, f := range []float64{5, 2} {
		if most/(s*f) >= 4 {
			return s * f
		}
	}
	return s
}

func (l Line) draw(b *strings.Builder, s scale, i int) {
	colour := colours[i%len(colours)]
	var path []string
	for _, p := range l.Points {
		path = append(path, px(s.x(p.X))+","+px(s.y(p.Y)))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
	for _, p := range l.Points {
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s"><title>%s: %s</title></circle>`+"\n", px(s.x(p.X)), px(s.y(p.Y)), colour, Thousands(p.X), number(p.Y))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+8, top+14+16*i, colour, html.EscapeString(l.Name))
}

func px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func number(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// Thousands writes a whole number with commas.
func Thousands(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
