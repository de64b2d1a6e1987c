package main

// Curve is a row of loads that differ in one thing.
type Curve struct {
	Name  string
	X     string // what is varied
	Lines []Series
	// Goal, if not 0, is what the last point of the first line may be, as a ratio to
	// its first.
	Goal float64
	// Control, if there is one, is what the last point is compared with too: it has
	// all that comes with what is varied, and not that itself.
	Control *Load
}

// Series is one line of a curve. The first point of the first line is what all are
// divided by.
type Series struct {
	Name   string
	Points []Place
}

// Place is a load and where it stands on the x axis.
type Place struct {
	X    int
	Load Load
}

// series makes a line of values.
func series(name string, of Load, set func(*Load, int), values ...int) Series {
	s := Series{Name: name}
	for _, v := range values {
		l := of
		set(&l, v)
		s.Points = append(s.Points, Place{v, l})
	}
	return s
}

// handlers is the name of the curve of calls side by side: a call's time then holds
// what it waits for a processor, so that Wall is compared.
const handlers = "handlers"

// curves are what is measured.
func curves() []Curve {
	scopes := func(l *Load, n int) { l.Scopes = n }
	apis := func(l *Load, n int) { l.APIs = n }
	long := func(l *Load, n int) { l.Padding = scopesBytes(n) }
	skewed, roomy := ordinary, ordinary
	skewed.Skewed = true
	roomy.Cache = 1024
	aslong := ordinary
	long(&aslong, 200)
	mixed := roomy
	mixed.Kinds = 4
	return []Curve{
		{Name: "routes", X: "routes in the table", Goal: 1.2, Lines: []Series{
			series("a known token", ordinary, func(l *Load, n int) { l.Routes = n }, 10, 30, 100, 300, 1000, 3000, 10_000),
		}},
		{Name: "scopes", X: "scopes in the token", Goal: 1.2, Control: &aslong, Lines: []Series{
			series("a known token", ordinary, scopes, 1, 3, 10, 30, 100, 200),
			series("1 scope, a token as long", ordinary, long, 3, 10, 30, 100, 200),
		}},
		{Name: "apis", X: "APIs behind one instance", Goal: 1.2, Lines: []Series{
			series("CACHE_SIZE 256, few APIs often", skewed, apis, 1, 4, 16, 64, 256, 512, 1000),
			series("CACHE_SIZE 1024, each API alike", roomy, apis, 4, 16, 64, 256, 512, 1000),
			series("the same, 4 kinds of callers", mixed, apis, 4, 16, 64, 256, 512, 1000),
			series("CACHE_SIZE 256, each API alike", ordinary, apis, 4, 16, 64, 256, 512, 1000),
		}},
		{Name: handlers, X: "calls at once", Lines: []Series{
			series("a known token", ordinary, func(l *Load, n int) { l.Handlers = n }, 1, 2, 4, 8, 16, 32, 64),
		}},
		{Name: "answer", X: "routes in the answer", Goal: 1.1, Lines: []Series{
			series("a known token", ordinary, func(l *Load, n int) { l.Held = n }, 1, 3, 10, 30, 90),
		}},
	}
}

// sizes are the loads whose memory is told.
func sizes() []Load {
	var all []Load
	for _, apis := range []int{1, 16, 256} {
		for _, routes := range []int{10, 100, 1000} {
			l := ordinary
			l.APIs, l.Routes = apis, routes
			all = append(all, l)
		}
	}
	return all
}
