package yamljson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ToJSON reads one YAML document and writes it as JSON, members in their order.
// A text that is JSON is read as JSON, and comes back as it is. maxBytes bounds
// the text. The error is an [*Error].
func ToJSON(text []byte, maxBytes int) ([]byte, error) {
	if len(text) > maxBytes {
		return nil, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("must be at most %d bytes, is %d", maxBytes, len(text))}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
	if json.Valid(text) {
		if err := CheckJSON(text); err != nil {
			return nil, err
		}
		return text, nil
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if err := checkText(text); err != nil {
		return nil, err
	}
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	w := &writer{}
	if err := w.value(root, 0); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

// checkText refuses characters that YAML does not take or takes for line breaks
// in one version only, and tabs, whose width nobody agrees on. It bounds what the
// text can be made of.
func checkText(text []byte) error {
	indicators := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return at(text, i, "must be valid UTF-8")
		case r == '\t':
			return at(text, i, `must hold no tabs: indent with spaces, and write a tab in text as "\t" in double quotes`)
		case r != '\n' && unprintable(r):
			return at(text, i, fmt.Sprintf("must hold no character %U, but as an escape in double quotes", r))
		}
		if isIndicator(text, i) {
			if indicators++; indicators > MaxIndicators {
				return at(text, i, fmt.Sprintf("must not have more than %d characters that YAML gives a meaning", MaxIndicators))
			}
		}
		i += n
	}
	return nil
}

// unprintable reports what may stand in a text as an escape alone (YAML 1.2.2,
// 5.1), and what only YAML 1.1 takes for line breaks.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffe' || r == '\uffff'
}

// isIndicator reports whether a character may be one that YAML gives a meaning.
// There are at most twice as many values and names in a text.
func isIndicator(text []byte, i int) bool {
	switch text[i] {
	case ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '<':
		return true
	case '-', '?', ':':
		// Within a word they are part of it, unless what is before is quoted.
		return i == 0 || i+1 == len(text) || strings.IndexByte(" \n,[]{}\"'", text[i+1]) >= 0 || strings.IndexByte("\"'", text[i-1]) >= 0
	}
	return false
}

// parse makes the tree of a text that was checked. It expands nothing.
func parse(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil { // a bug of the library is a fault of the text
			root, err = nil, &Error{Line: 1, Column: 1, Message: "cannot be read as YAML"}
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Error{Line: 1, Column: 1, Message: "must hold a value"}
	case err != nil:
		return nil, syntax(text, err)
	}
	switch err := d.Decode(&more); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		return nil, syntax(text, err)
	}
	return nil, fault(&more, "must be one document")
}

func fault(n *yaml.Node, message string) error {
	return &Error{Line: max(1, n.Line), Column: max(1, n.Column), Message: message}
}

var (
	syntaxError   = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '([^']*)' referenced$`)
)

// syntax words an error of the library. That names a line at the most; what
// stands first in it is then the place.
func syntax(text []byte, err error) error {
	match := syntaxError.FindStringSubmatch(err.Error())
	if match == nil {
		return &Error{Line: 1, Column: 1, Message: "cannot be read as YAML"}
	}
	message := strings.TrimPrefix(err.Error(), match[0])
	if anchor := unknownAnchor.FindStringSubmatch(message); anchor != nil {
		return at(text, max(0, bytes.Index(text, []byte("*"+anchor[1]))), aliasText)
	}
	number, _ := strconv.Atoi(match[1])
	lines := bytes.Split(text, []byte("\n"))
	number = min(max(1, number), len(lines))
	line := lines[number-1]
	start := len(text) - len(bytes.Join(lines[number-1:], []byte("\n")))
	if message == "did not find expected alphabetic or numeric character" {
		return at(text, start+max(0, bytes.IndexAny(line, "&*")), aliasText)
	}
	indent := len(line) - len(bytes.TrimLeft(line, " "))
	return at(text, start+indent, fmt.Sprintf("is no YAML: %.200s", message))
}

const aliasText = "anchors (&) and aliases (*) are not taken; text that begins so, such as the pattern *, must be in quotes"
