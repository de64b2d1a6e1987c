package main

import "fmt"

// goal is one that the authorizer function is to reach, as a ratio of two rows.
type goal struct {
	Text      string  `json:"goal"`
	Row, Base string  `json:"-"`
	Metric    string  `json:"metric"`
	Limit     float64 `json:"limit"`
	AtLeast   bool    `json:"atLeast"`           // else: at most
	Stretch   float64 `json:"stretch,omitempty"` // a limit that would be better still
	Absolute  bool    `json:"-"`                 // no ratio: mebibytes of Row
}

// goals are those of the function; names of rows are without ", as deployed".
func goals() []goal {
	return []goal{
		{Text: "known token, p50 to echo", Row: oursRow, Base: echoRow, Metric: sameP50, Limit: 1.1},
		{Text: "known token, p99 to echo", Row: oursRow, Base: echoRow, Metric: sameP99, Limit: 1.2},
		{Text: "known token, CPU to echo", Row: oursRow, Base: echoRow, Metric: sameCPU, Limit: 1.1},
		{Text: "new token, p50 to echo + RSA verify", Row: oursRow, Base: rsaRow, Metric: newP50, Limit: 1.5, Stretch: 1.2},
		{Text: "cold start, CPU to the floor, one root", Row: oursRow, Base: floorRow, Metric: coldCPU, Limit: 1.3, Stretch: 1.15},
		{Text: "cold start, CPU to the floor, all roots", Row: oursFull, Base: floorFull, Metric: coldCPU, Limit: 1.3, Stretch: 1.15},
		{Text: "cold start, CPU to the floor, 110 routes in the table", Row: hundredRow, Base: floor110Row, Metric: coldCPU, Limit: 1.3, Stretch: 1.15},
		{Text: "memory after the run, MB", Row: oursRow, Metric: rss, Limit: 16, Absolute: true},
		{Text: "100 routes in the answer to one, CPU", Row: hundredRow, Base: oursRow, Metric: sameCPU, Limit: 1.1},
		{Text: "known token: Node takes so many times as long", Row: nodeRow, Base: oursRow, Metric: sameP50, Limit: 2, AtLeast: true},
		{Text: "new token: Node", Row: nodeRow, Base: oursRow, Metric: newP50, Limit: 1.2, AtLeast: true},
		{Text: "cold start, wall: Node", Row: nodeRow, Base: oursRow, Metric: coldWall, Limit: 5, AtLeast: true},
		{Text: "memory: Node", Row: nodeRow, Base: oursRow, Metric: rss, Limit: 4, AtLeast: true},
		{Text: "known token: a Query a request", Row: queryRow, Base: oursRow, Metric: sameP50, Limit: 10, AtLeast: true},
	}
}

// verdict is what has become of a goal.
type verdict struct {
	goal
	Default  *spread `json:"default,omitempty"`  // nil: not measured in this run
	Deployed *spread `json:"deployed,omitempty"` // with the environment of serverless.yml
}

func (s series) verdicts() []verdict {
	var all []verdict
	for _, g := range goals() {
		all = append(all, verdict{g, s.value(g, ""), s.value(g, deployed)})
	}
	return all
}

// value is that of a goal among rows of an environment: each is compared with its
// like, but for those that there is one of.
func (s series) value(g goal, environment string) *spread {
	name := func(row string) string {
		if _, ok := s[row+environment]; ok {
			return row + environment
		}
		return row
	}
	if environment != "" && name(g.Row) == g.Row && name(g.Base) == g.Base {
		return nil
	}
	if g.Absolute {
		v := s[name(g.Row)][g.Metric]
		if len(v) == 0 {
			return nil
		}
		inMB := make([]float64, len(v))
		for i := range v {
			inMB[i] = v[i] / (1 << 20)
		}
		out := spreadOf(inMB)
		return &out
	}
	if out, ok := s.ratio(name(g.Row), name(g.Base), g.Metric); ok {
		return &out
	}
	return nil
}

// met judges the median; what was not measured is not met.
func (g goal) met(v *spread) bool {
	if v == nil {
		return false
	}
	if g.AtLeast {
		return v.Median >= g.Limit
	}
	return v.Median <= g.Limit
}

// met says that a goal is met as the function is deployed or, where that was not
// measured, by default.
func (v verdict) met() bool {
	if v.Deployed != nil {
		return v.goal.met(v.Deployed)
	}
	return v.goal.met(v.Default)
}

func (g goal) limit() string {
	sign := "≤"
	if g.AtLeast {
		sign = "≥"
	}
	text := fmt.Sprintf("%s %g", sign, g.Limit)
	if g.Stretch != 0 {
		text += fmt.Sprintf(" (better: %g)", g.Stretch)
	}
	return text
}
