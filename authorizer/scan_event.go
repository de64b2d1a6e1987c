package authorizer

import (
	"strings"
	"unicode/utf8"
)

// Names that encoding/json would take for a field although they are spelt in
// another case: whoever meets one leaves the event to it.
var (
	eventNames = [...]string{
		"version", "type", "methodArn", "routeArn", "authorizationToken", "headers", "multiValueHeaders",
		"identitySource", "routeKey", "resource", "requestContext",
	}
	contextNames = [...]string{"requestId", "routeKey", "eventType"}
)

// eventReader reads events without reflection, and without a copy.
type eventReader struct {
	scanner
	fields
	seen      uint32 // a bit for each field that was there: of two, none is chosen here
	header    string // the Authorization of headers
	hasHeader bool
}

// scan reads the fields of an event: views of the payload, lists of them in the
// room given. false says nothing of the event but that parseFields must read it.
// What scan takes, parseFields takes for the same, which FuzzScan holds it to.
func (r *eventReader) scan(payload []byte, authorization, sources []string) bool {
	*r = eventReader{scanner: scanner{text: payload}, fields: fields{authorization: authorization, sources: sources}}
	if !r.object(r.eventMember) || !r.ended() {
		return false
	}
	// As wireEvent.authorization has it: what holds all values comes first.
	if len(r.authorization) == 0 && r.hasHeader {
		r.authorization = append(r.authorization, r.header)
	}
	return true
}

// object reads an object, giving each member's name to a function that reads the
// value. Names that are written with escapes or beyond ASCII may fold to others:
// they are not known here.
func (r *eventReader) object(member func(name string) bool) bool {
	if !r.take('{') {
		return false
	}
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || name.escaped || name.wide {
			return false
		}
		if !more {
			return true
		}
		if !member(view(name.text)) {
			return false
		}
	}
}

// Bits of seen, for what is no plain text.
const (
	seenHeaders = 1 << (iota + 16)
	seenMultiValue
	seenSources
	seenContext
)

func (r *eventReader) eventMember(name string) bool {
	f := &r.fields
	switch name {
	case "version":
		return r.field(&f.version, 1<<0)
	case "type":
		return r.field(&f.kind, 1<<1)
	case "methodArn":
		return r.field(&f.methodARN, 1<<2)
	case "routeArn":
		return r.field(&f.routeARN, 1<<3)
	case "authorizationToken":
		return r.field(&f.token, 1<<4)
	case "routeKey":
		return r.field(&f.routeKey, 1<<5)
	case "resource":
		return r.field(&f.resource, 1<<6)
	case "headers":
		return r.once(seenHeaders) && r.object(r.headerMember)
	case "multiValueHeaders":
		return r.once(seenMultiValue) && r.object(r.multiValueMember)
	case "identitySource":
		return r.once(seenSources) && r.identitySource()
	case "requestContext":
		return r.once(seenContext) && r.object(r.contextMember)
	}
	return !folds(name, eventNames[:]) && r.skip()
}

func (r *eventReader) contextMember(name string) bool {
	f := &r.fields
	switch name {
	case "requestId":
		return r.field(&f.requestID, 1<<8)
	case "routeKey":
		return r.field(&f.contextRouteKey, 1<<9)
	case "eventType":
		return r.field(&f.eventType, 1<<10)
	}
	return !folds(name, contextNames[:]) && r.skip()
}

// headerMember reads one of headers. Each must be a string: to encoding/json
// anything else is an error, or empty.
func (r *eventReader) headerMember(name string) bool {
	value, ok := r.string()
	if !ok || !isAuthorization(name) {
		return ok
	}
	if r.hasHeader || !plainText(value) {
		return false // of two that have one name, a map keeps the last
	}
	r.header, r.hasHeader = view(value.text), true
	return true
}

// multiValueMember reads one of multiValueHeaders: a list of strings.
func (r *eventReader) multiValueMember(name string) bool {
	wanted := isAuthorization(name)
	if wanted && len(r.authorization) > 0 {
		return false
	}
	return r.list(func(value span) bool {
		if !wanted {
			return true
		}
		if !plainText(value) {
			return false
		}
		r.authorization = append(r.authorization, view(value.text))
		return true
	})
}

// list reads an array of strings.
func (r *eventReader) list(item func(span) bool) bool {
	if !r.take('[') {
		return false
	}
	for first := true; ; first = false {
		more, ok := r.item(first)
		if !ok || !more {
			return ok
		}
		value, ok := r.string()
		if !ok || !item(value) {
			return false
		}
	}
}

// identitySource reads a list, or one string that is joined by commas.
func (r *eventReader) identitySource() bool {
	if r.peek() == '[' {
		return r.list(func(value span) bool {
			r.sources = append(r.sources, view(value.text))
			return plainText(value)
		})
	}
	value, ok := r.string()
	if !ok || !plainText(value) {
		return false
	}
	for rest, more := view(value.text), true; more; {
		var source string
		source, rest, more = strings.Cut(rest, ",")
		r.sources = append(r.sources, source)
	}
	return true
}

// field reads a string into a field.
func (r *eventReader) field(into *string, bit uint32) bool {
	value, ok := r.string()
	if !ok || !plainText(value) || !r.once(bit) {
		return false
	}
	*into = view(value.text)
	return true
}

// once reports whether a member is met for the first time.
func (r *eventReader) once(bit uint32) bool {
	first := r.seen&bit == 0
	r.seen |= bit
	return first
}

// plainText reports whether a string's value is its own bytes: encoding/json puts
// another character where they are no UTF-8.
func plainText(s span) bool { return !s.escaped && (!s.wide || utf8.Valid(s.text)) }

func isAuthorization(name string) bool {
	const header = "Authorization"
	return len(name) == len(header) && strings.EqualFold(name, header)
}

func folds(name string, names []string) bool {
	for _, n := range names {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
