package policy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// ready is a compiled policy made ready for requests: what [Kept.Append] and
// [Kept.Decide] would otherwise do again for each of them.
type ready struct {
	rules
	prefix string // of every resource
	// ends are the instants at which Allows end by themselves, in order. Tokens that
	// end after the same number of them have the same text but for their end: dated,
	// by that number.
	ends            []time.Time
	dated           []func() written
	undated         func() written // for POLICY_EXPIRY=off
	allowed, denied []probe        // of the rules
}

// settle makes a policy ready for requests. Where it can't be, which nothing that
// mapping parsed leads to, all goes the long way.
func (c *Kept) settle(made rules, prefix string) {
	made = rules{slices.Clone(made.allows), slices.Clone(made.denies)} // no larger than need be
	c.rules = func() rules { return made }
	if len(made.allows) == 0 || !plainPrefix(prefix) || !made.plain(prefix) {
		return
	}
	q := &ready{rules: made, prefix: prefix, ends: made.ends()}
	later := sizingEnd
	if n := len(q.ends); n > 0 && !later.After(q.ends[n-1]) {
		later = q.ends[n-1].Add(time.Second)
	}
	if !writable(later) {
		return
	}
	for _, end := range q.ends { // as good as one before it, and after the last
		q.dated = append(q.dated, sync.OnceValue(func() written { return write(made, end) }))
	}
	last := write(made, later) // by far the most come here
	last.hold(made)
	q.dated = append(q.dated, func() written { return last })
	q.undated = sync.OnceValue(func() written { return write(made, time.Time{}) })
	q.allowed, q.denied = probes(made.allows, prefix), probes(made.denies, prefix)
	c.ready = q
}

// plain reports whether all rules can be written ahead, and be read without their
// prefix.
func (c rules) plain(prefix string) bool {
	for _, list := range [][]rule{c.allows, c.denies} {
		for _, r := range list {
			if !strings.HasPrefix(r.resource, prefix) || strings.Contains(r.resource, "${") || !canonical(r.from) || !canonical(r.until) {
				return false
			}
		}
	}
	return true
}

// ends lists the instants at which Allows end by themselves, in order.
func (c rules) ends() []time.Time {
	var list []time.Time
	for _, r := range c.allows {
		if !r.until.IsZero() {
			list = append(list, r.until)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.Clip(slices.Compact(list))
}

// text is what is written of a token with an end.
func (q *ready) text(end time.Time) written {
	if end.IsZero() {
		return q.undated()
	}
	before := 0
	for before < len(q.ends) && q.ends[before].Before(end) {
		before++
	}
	return q.dated[before]()
}

// canonical reports whether two such times are equal exactly if they are the same
// instant, and if that is writable.
func canonical(t time.Time) bool { return t == t.UTC().Truncate(time.Second) && writable(t) }

// stampSize is the bytes of an instant that is writable.
const stampSize = len("2006-01-02T15:04:05Z")

// writable reports whether a condition can be written that is read as this very
// instant, or the time is zero and there is none.
func writable(t time.Time) bool {
	const year10000 = 253402300800 // in Unix seconds
	return t.IsZero() || t.Nanosecond() == 0 && 0 <= t.Unix() && t.Unix() < year10000
}

// written is the minified JSON of a policy's rules, without brackets, and the
// places in it where the end of a token goes.
type written struct {
	text string
	ends []int
}

// write writes rules for tokens that end at an instant, and takes that end out
// again. Zero leaves the conditions out.
func write(made rules, end time.Time) written {
	var w written
	var b []byte
	for effect, list := range made.byEffect() {
		for _, g := range groups(effect, list, end) {
			if len(b) > 0 {
				b = append(b, ',')
			}
			b = appendGroup(b, effect, list, g)
			if effect == Allow && !end.IsZero() && g.window.until.Equal(end) {
				const after = `"}}}` // the end is the last that a statement says
				at := len(b) - len(after) - stampSize
				b = append(b[:at], after...)
				w.ends = append(w.ends, at)
			}
		}
	}
	w.text = string(b)
	return w
}

// hold lets the rules' resources be parts of the text, so that what is remembered
// of a policy has them once.
func (w written) hold(made rules) {
	parts := make(map[string]string, len(made.allows)+len(made.denies))
	for part := range strings.SplitSeq(w.text, `"`) {
		parts[part] = part
	}
	for _, list := range [][]rule{made.allows, made.denies} {
		for i := range list {
			if part, ok := parts[list[i].resource]; ok { // or it is written with escapes
				list[i].resource = part
			}
		}
	}
}

// byEffect visits the rules in the order of their statements.
func (c rules) byEffect() func(yield func(effect string, list []rule) bool) {
	return func(yield func(string, []rule) bool) {
		_ = yield(Allow, c.allows) && yield(Deny, c.denies)
	}
}

// appendGroup appends a statement as encoding/json writes it.
func appendGroup(b []byte, effect string, list []rule, g group) []byte {
	b = append(b, `{"Action":"`+Invoke+`","Effect":"`...)
	b = append(b, effect...)
	b = append(b, `","Resource":`...)
	if len(g.rules) > 1 {
		b = append(b, '[')
	}
	for i, at := range g.rules {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, list[at].resource)
	}
	if len(g.rules) > 1 {
		b = append(b, ']')
	}
	from, until := !g.window.from.IsZero(), !g.window.until.IsZero()
	if !from && !until {
		return append(b, '}')
	}
	b = append(b, `,"Condition":{`...)
	if from {
		b = appendDate(b, dateNotBefore, g.window.from)
	}
	if from && until {
		b = append(b, ',')
	}
	if until {
		b = appendDate(b, dateLessThan, g.window.until)
	}
	return append(b, "}}"...)
}

func appendDate(b []byte, operator string, at time.Time) []byte {
	b = append(b, '"')
	b = append(b, operator...)
	b = append(b, `":{"`+keyCurrentTime+`":"`...)
	b = at.UTC().AppendFormat(b, conditionLayout)
	return append(b, `"}`...)
}

// appendText appends a JSON string; < > & stand as they are.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' || s[i] == '\\' {
			return appendQuoted(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendQuoted(b []byte, s string) []byte {
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string can always be written
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

const (
	beforeStatements = `{"Version":"` + Version + `","Statement":[`
	afterStatements  = `]}`
	denyBefore       = `{"Action":"` + Invoke + `","Effect":"` + Deny + `","Resource":"`
	denyAfter        = `"}`
	denyAllText      = beforeStatements + denyBefore + "*" + denyAfter + afterStatements
)

// appendDocument appends the document of a request that adds nothing but its
// token's end and perhaps its own Deny. It allocates nothing beyond dst's growth.
func (w written) appendDocument(dst []byte, r Request, end time.Time) []byte {
	room := len(beforeStatements) + len(w.text) + len(w.ends)*stampSize + len(afterStatements)
	if r.Denied {
		room += len(denyBefore) + 2*len(r.ARN) + len(denyAfter) + len(",")
	}
	dst = append(slices.Grow(dst, room), beforeStatements...)
	var stamp [stampSize]byte
	at := 0
	for _, next := range w.ends {
		dst = append(dst, w.text[at:next]...)
		dst = append(dst, end.AppendFormat(stamp[:0], conditionLayout)...)
		at = next
	}
	dst = append(dst, w.text[at:]...)
	if r.Denied {
		dst = append(dst, ","+denyBefore...)
		dst = appendDenied(dst, r.ARN)
		dst = append(dst, denyAfter...)
	}
	return append(dst, afterStatements...)
}

// appendDenied appends what denyARN makes of an ARN that can be denied, within a
// JSON string.
func appendDenied(dst []byte, arn string) []byte {
	for i := range len(arn) {
		c := inDeny(arn[i])
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
