// Package yamljson reads files and bodies that people write, strictly. In goes
// YAML or JSON; out comes JSON that every reader reads alike, or an error that
// names line and column.
//
// YAML is a subset here: what lets a few bytes stand for many (anchors, aliases,
// merge keys), what changes the type of a value out of sight (tags) and what readers of YAML 1.1 and 1.2 take for different values (no, 0o7, 1_000)
// is refused, not guessed. Size and structure are bounded before
// anything is built.
package yamljson

import "fmt"

// Limits of what is read.
const (
	// MaxDepth bounds how deep lists and objects nest; a document needs four.
	MaxDepth = 32
	// MaxValues bounds the values of a JSON text: those of lists and objects, and
	// they themselves.
	MaxValues = 500_000
	// MaxIndicators bounds the characters that make the structure of a YAML text,
	// and with them what reading it takes: a few hundred bytes for each.
	MaxIndicators = 250_000
)

// Error is a fault of a text and where it is, in lines and characters counted
// from 1.
type Error struct {
	Line, Column int
	Message      string
}

// Error names the place first.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}
