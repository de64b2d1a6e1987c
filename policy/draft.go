package policy

import (
	"slices"
	"strings"
)

// draft is a policy in the making: its Allows, and what each needs denied.
type draft struct {
	*view
	step
	room   int // bytes for the resources; 0 for any number
	allows map[string]*guards
	uses   map[string]int // how many Allows, or the draft itself, need a Deny
	// depths are the depth guards. They stay whatever Allows come and go, so that
	// nobody needs to look behind them.
	depths map[string]bool
	bytes  int // of the Allows and Denies
	always int // bytes of what is denied for all methods; 0 where it is to be worked out
}

func (v *view) newDraft(s step, room int) *draft {
	return &draft{view: v, step: s, room: room, allows: map[string]*guards{}, uses: map[string]int{}, depths: map[string]bool{}}
}

// price is the bytes of one resource in a policy.
func (v *view) price(glob string) int { return v.priceOf(len(glob)) }

func (v *view) priceOf(size int) int { return len(v.prefix) + size + len(`"",`) }

// fits reports whether the policy is as small as it has to be.
func (d *draft) fits() bool { return d.room == 0 || d.size() <= d.room }

func (d *draft) size() int {
	if d.always == 0 {
		for _, s := range d.standing() {
			d.always += d.price(s)
		}
	}
	return d.bytes + d.always
}

// lookKey is what the needs of an Allow depend on.
type lookKey struct {
	allow, guard string
	noEscapes    bool
}

// look works out what an Allow needs denied.
func (d *draft) look(allow string) *guards {
	key := lookKey{allow: allow, guard: allow + "/?*", noEscapes: d.noEscapes}
	if !d.guarded(key.guard) {
		key.guard = ""
	}
	if g := d.looked[key]; g != nil {
		return g
	}
	g := d.newGuards(d.step)
	g.most = mostDenies * d.room
	if slices.Contains(d.patterns, allow) {
		g.slashPattern(allow)
	} else {
		g.against(allow, key.guard)
	}
	d.looked[key] = g
	return g
}

// guarded reports whether a depth guard is there for every method of the glob.
func (d *draft) guarded(glob string) bool {
	verb, path, _ := strings.Cut(glob, "/")
	methods := []string{verb}
	switch verb {
	case "???":
		methods = []string{"GET", "PUT"}
	case "????":
		methods = []string{"HEAD", "POST"}
	}
	return !slices.ContainsFunc(methods, func(m string) bool { return !d.depths[m+"/"+path] })
}

func (d *draft) use(need string) {
	if d.uses[need]++; d.uses[need] == 1 {
		d.bytes += d.price(need)
	}
}

func (d *draft) add(allow string) {
	if d.allows[allow] != nil {
		return
	}
	g := d.look(allow)
	d.allows[allow] = g
	d.always = 0
	d.bytes += d.price(allow)
	for need := range g.needs {
		d.use(need)
	}
}

func (d *draft) drop(allow string) {
	g := d.allows[allow]
	delete(d.allows, allow)
	d.always = 0
	d.bytes -= d.price(allow)
	for need := range g.needs {
		if d.uses[need]--; d.uses[need] == 0 {
			delete(d.uses, need)
			d.bytes -= d.price(need)
		}
	}
}

// standing lists what is denied for all methods alike: nothing where every Allow
// is one path. GET//users is the one other that ????/users matches.
func (d *draft) standing() []string {
	var hidden charset
	protects, wild, four := false, false, false
	for allow, g := range d.allows {
		hidden.join(g.hidden)
		protects = protects || g.protects
		method, path, _ := strings.Cut(allow, "/")
		wild = wild || hasWildcard(path)
		four = four || method == "????"
	}
	switch {
	case wild:
		return standing(d.step, hidden, protects)
	case four:
		return []string{emptySegment}
	}
	return nil
}
