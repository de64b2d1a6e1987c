package policy

import (
	"slices"
	"time"
)

// Request is what one request adds to a compiled policy.
type Request struct {
	ARN string // the method ARN that the event came with
	// Denied says that Permits denies this request: the document then denies
	// this very ARN.
	Denied bool
	// End is the last instant at which the verifier accepts the token. Zero
	// leaves all conditions on time out (POLICY_EXPIRY=off): how long the policy
	// counts is then up to API Gateway's cache.
	End time.Time
	// ExplicitDeny adds a Deny of everything that is not allowed
	// (POLICY_EXPLICIT_DENY=on), for APIs whose resource policy allows.
	ExplicitDeny bool
}

// Document makes the policy that answers one request. When Permits denies the
// request, so does the document, explicitly: a resource policy's Allow must not
// turn our silence into access. Of the request's own ARN nothing ever enters an
// Allow.
func (c *Kept) Document(r Request) Document {
	made := c.rules()
	if len(made.allows) == 0 {
		return DenyAll()
	}
	end := c.end(r)
	invoking, ok := denyARN(r.ARN)
	if r.Denied && !ok {
		return DenyAll()
	}
	doc := Document{Version: Version}
	doc.Statement = append(doc.Statement, statements(Allow, made.allows, end)...)
	doc.Statement = append(doc.Statement, statements(Deny, made.denies, end)...)
	if r.Denied {
		doc.Statement = append(doc.Statement, Statement{Action: Strings{Invoke}, Effect: Deny, Resource: Strings{invoking}})
	}
	if r.ExplicitDeny {
		doc.Statement = append(doc.Statement, made.explicit(end)...)
	}
	return doc
}

// end is the instant from which on no Allow counts, zero for none: that of the
// token or, if it is earlier, the one behind which the policy says nothing. Whole
// seconds, rounded down, are all that a condition is written in.
func (c *Kept) end(r Request) time.Time {
	end := r.End.UTC().Truncate(time.Second)
	if !end.IsZero() && !c.cut.IsZero() && c.cut.Before(end) {
		return c.cut.UTC().Truncate(time.Second)
	}
	return end
}

// denyARN makes a request's ARN fit for a Deny: what IAM would read as a
// wildcard or a variable becomes ?, which still matches it. ok is false where
// that can't be: too long, or not printable ASCII.
func denyARN(arn string) (resource string, ok bool) {
	if !deniable(arn) {
		return "", false
	}
	b := []byte(arn)
	for i, c := range b {
		b[i] = inDeny(c)
	}
	return string(b), true
}

func deniable(arn string) bool {
	if len(arn) > MaxResource {
		return false
	}
	for i := range len(arn) {
		if arn[i] < 0x20 || arn[i] > 0x7e {
			return false
		}
	}
	return true
}

// inDeny is what stands for a character of a request's ARN in its Deny.
func inDeny(c byte) byte {
	if c == '*' || c == '$' || c == '{' {
		return '?'
	}
	return c
}

// explicit denies, for every stretch of time, all but what is then allowed: an
// Allow that has ended must not leave the call to a resource policy.
func (c rules) explicit(end time.Time) []Statement {
	if end.IsZero() {
		return []Statement{{Action: Strings{Invoke}, Effect: Deny, NotResource: c.allowedAt(time.Time{})}}
	}
	ends := []time.Time{end}
	for _, r := range c.allows {
		for _, at := range []time.Time{r.from, r.until} {
			if !at.IsZero() && at.Before(end) {
				ends = append(ends, at)
			}
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	ends = slices.CompactFunc(ends, time.Time.Equal)
	var list []Statement
	from := time.Time{}
	for _, until := range ends {
		list = append(list, Statement{
			Action: Strings{Invoke}, Effect: Deny, NotResource: c.allowedAt(from),
			Condition: condition(rule{from: from, until: until}),
		})
		from = until
	}
	return append(list, Statement{Action: Strings{Invoke}, Effect: Deny, Resource: Strings{"*"}, Condition: condition(rule{from: end})})
}

// allowedAt lists what is allowed at an instant, until the next Allow begins or
// ends. The zero time is now.
func (c rules) allowedAt(from time.Time) Strings {
	list := Strings{}
	for _, r := range c.allows {
		if !r.from.After(from) && (r.until.IsZero() || r.until.After(from)) {
			list = append(list, r.resource)
		}
	}
	if len(list) == 0 {
		return Strings{"none"} // matches no ARN: an empty list would be left out
	}
	return list
}

// statements writes rules that count at the same time as one statement.
func statements(effect string, rules []rule, end time.Time) []Statement {
	var list []Statement
	for _, g := range groups(effect, rules, end) {
		s := Statement{Action: Strings{Invoke}, Effect: effect, Condition: condition(g.window)}
		for _, i := range g.rules {
			s.Resource = append(s.Resource, rules[i].resource)
		}
		list = append(list, s)
	}
	return list
}

// group is the rules, by their places, that count at the same time.
type group struct {
	window rule // without a resource
	rules  []int
}

// groups groups rules by when they count. An Allow ends with the token at the
// latest.
func groups(effect string, rules []rule, end time.Time) []group {
	var list []group
	place := map[rule]int{}
	for at, r := range rules {
		window := rule{from: r.from, until: r.until}
		if effect == Allow && (window.until.IsZero() || end.Before(window.until)) {
			window.until = end
		}
		if end.IsZero() {
			// Without conditions a Deny that is needed later is not written, and
			// one that is needed for a while stays.
			if !window.from.IsZero() {
				continue
			}
			window = rule{}
		}
		i, known := place[window]
		if !known {
			i = len(list)
			place[window] = i
			list = append(list, group{window: window})
		}
		list[i].rules = append(list[i].rules, at)
	}
	return list
}

func condition(window rule) Condition {
	c := Condition{}
	if !window.from.IsZero() {
		c[dateNotBefore] = map[string]Strings{keyCurrentTime: {stamp(window.from)}}
	}
	if !window.until.IsZero() {
		c[dateLessThan] = map[string]Strings{keyCurrentTime: {stamp(window.until)}}
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

func stamp(t time.Time) string { return t.UTC().Format(conditionLayout) }
