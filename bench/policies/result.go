package main

import (
	"cmp"
	"slices"
)

// result is what is known of one API.
type result struct {
	Name        string    `json:"name"`
	Routes      int       `json:"routes"`
	Scopes      int       `json:"scopes"`
	LeftOut     []leftOut `json:"leftOut"`     // routes that API Gateway cannot declare
	Merged      int       `json:"merged"`      // routes that differ from another in parameter names only
	HoldNothing int       `json:"holdNothing"` // callers left out: their scopes alone open no route
	Probes      int       `json:"probes"`      // requests tried for each caller
	Groups      []group   `json:"groups"`
}

// group is one kind of callers and one way of writing.
type group struct {
	Kind        string `json:"kind"`
	Way         string `json:"way"`
	Callers     int    `json:"callers"`
	MedianBytes int    `json:"medianBytes"` // of the whole answer
	MaxBytes    int    `json:"maxBytes"`
	OverBudget  int    `json:"overBudget"` // callers whose answer is too large
	// OverReach counts the callers who reach a known route that Permits denies
	// them; the other counts are of requests.
	OverReach   int `json:"overReach"`
	OverAllows  int `json:"overAllows"`
	SlashAllows int `json:"slashAllows"` // a held route, in the spelling with a / that is not
	// OrdinaryShut counts the permitted requests not allowed though no value in
	// them is a literal of the API and no slash is at the end; SlashShut those
	// with one.
	Permitted    int `json:"permitted"`
	OrdinaryShut int `json:"ordinaryShut"`
	SlashShut    int `json:"slashShut"`
	Reported     int `json:"reportedUnderAllows"`
	Unreported   int `json:"unreportedUnderAllows"`
	// FalseReports counts the witnesses of reports that are none.
	FalseReports int      `json:"falseReports"`
	Examples     []string `json:"examples"` // of faults, the worst first
	Worst        []worst  `json:"worst,omitempty"`
	examples     []example
}

// worst is one of the largest answers.
type worst struct {
	Caller    string   `json:"caller"`
	Scopes    int      `json:"scopes"`
	Held      int      `json:"permissionsHeld"`
	Bytes     int      `json:"bytes"`
	Resources int      `json:"resources"`
	Steps     []string `json:"steps"`
}

// faulty reports whether our way did not keep its promises.
func (r result) faulty() bool {
	return slices.ContainsFunc(r.Groups, func(g group) bool {
		return g.Way == ours && g.OverAllows+g.SlashAllows+g.Unreported+g.FalseReports+g.OverBudget > 0
	})
}

func summarize(a *api, o options, callers []caller, outcomes []map[string]outcome) result {
	r := result{Name: a.name, Routes: len(a.routes), Scopes: len(a.scopes), LeftOut: a.leftOut, Merged: a.merged}
	if r.LeftOut == nil {
		r.LeftOut = []leftOut{}
	}
	for _, kind := range kinds {
		for _, way := range ways {
			g := group{Kind: kind, Way: way, Examples: []string{}}
			var sizes []int
			for i, c := range callers {
				if c.kind != kind {
					continue
				}
				out := outcomes[i][way]
				sizes = append(sizes, out.bytes)
				g.add(out, o.maxBytes)
				if way == ours {
					g.Worst = append(g.Worst, worst{c.name, len(c.scopes), c.held.Len(), out.bytes, out.resources, out.steps})
				}
			}
			if len(sizes) == 0 {
				continue
			}
			for _, e := range g.examples {
				g.Examples = append(g.Examples, e.text)
			}
			slices.Sort(sizes)
			g.Callers, g.MedianBytes, g.MaxBytes = len(sizes), sizes[len(sizes)/2], sizes[len(sizes)-1]
			slices.SortStableFunc(g.Worst, func(a, b worst) int { return cmp.Compare(b.Bytes, a.Bytes) })
			g.Worst = g.Worst[:min(o.worst, len(g.Worst))]
			r.Groups = append(r.Groups, g)
		}
	}
	return r
}

func (g *group) add(o outcome, budget int) {
	if o.bytes > budget {
		g.OverBudget++
	}
	if o.over > 0 {
		g.OverReach++
	}
	g.OverAllows += o.over
	g.SlashAllows += o.slash
	g.Reported += o.reported
	g.Unreported += o.unreported
	g.Permitted += o.permitted
	g.SlashShut += o.slashShut
	g.FalseReports += o.falseReports
	g.OrdinaryShut += o.ordinaryShut
	g.examples = telling(append(g.examples, o.examples...))
}
