package yamljson

import (
	"regexp"
	"slices"
)

// kind is what an unquoted scalar is.
type kind uint8

const (
	text kind = iota
	null
	truth   // true or false
	number  // as JSON writes it
	unclear // one thing to some readers of YAML and another to others
)

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	// anyNumber is what YAML 1.1 or 1.2 reads as a number (YAML 1.1: "Integer
	// Language-Independent Type", "Floating-Point …"; YAML 1.2.2, 10.3.2), but for
	// those in base 60, which are times of day to everybody.
	anyNumber = regexp.MustCompile(`^[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$`)
	// oldTruth is true or false in YAML 1.1 alone (YAML 1.1: "Boolean
	// Language-Independent Type").
	oldTruth = []string{"y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"}
)

// kindOf reads an unquoted scalar. Dates and times are text, as in JSON.
func kindOf(s string) kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return truth
	}
	switch {
	case jsonNumber.MatchString(s):
		return number
	case anyNumber.MatchString(s), slices.Contains(oldTruth, s), s == "=", s == "<<":
		return unclear
	}
	return text
}
