package yamljson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CheckJSON refuses what is no JSON, what two readers of it could read in two
// ways, and what is too much: text that is no UTF-8, a name given twice in one
// object (encoding/json mixes both into one value), depth and number of values
// beyond the limits. The error is an [*Error].
func CheckJSON(data []byte) error {
	if !utf8.Valid(data) {
		return at(data, invalidUTF8(data), "must be valid UTF-8")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		return at(data, max(0, int(syntax.Offset)-1), "is no JSON: "+syntax.Error())
	}
	c := jsonChecker{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	c.value(0)
	if c.fault == nil {
		return nil
	}
	return c.fault
}

// at is an error about the character at an offset.
func at(data []byte, offset int, message string) *Error {
	before := data[:min(offset, len(data))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return &Error{Line: bytes.Count(before, []byte{'\n'}) + 1, Column: utf8.RuneCount(line) + 1, Message: message}
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

type jsonChecker struct {
	data   []byte
	dec    *json.Decoder
	values int
	fault  *Error
}

// value reads one value, and reports whether to go on.
func (c *jsonChecker) value(depth int) bool {
	t, err := c.dec.Token()
	if err != nil {
		return false
	}
	c.values++
	switch {
	case depth > MaxDepth:
		return c.stop(fmt.Sprintf("must not nest deeper than %d", MaxDepth))
	case c.values > MaxValues:
		return c.stop(fmt.Sprintf("must not hold more than %d values", MaxValues))
	}
	open, ok := t.(json.Delim)
	if !ok {
		return true
	}
	names := map[string]bool{}
	for c.dec.More() {
		if open == '{' && !c.name(names) || !c.value(depth+1) {
			return false
		}
	}
	_, err = c.dec.Token()
	return err == nil
}

func (c *jsonChecker) name(names map[string]bool) bool {
	t, err := c.dec.Token()
	if err != nil {
		return false
	}
	name, _ := t.(string)
	if names[name] {
		return c.stop(fmt.Sprintf("must give %.100q once", name))
	}
	names[name] = true
	return true
}

// stop ends the reading with a fault of what was read last.
func (c *jsonChecker) stop(message string) bool {
	c.fault = at(c.data, max(0, int(c.dec.InputOffset())-1), message)
	return false
}
