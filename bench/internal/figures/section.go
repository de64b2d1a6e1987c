// Package figures writes down what benchmarks measured: in go numbers, out come
// a marked section of a Markdown file and line charts as SVG. It is for the
// commands under bench.
package figures

import (
	"bytes"
	"fmt"
	"os"
)

// Section replaces what stands between the lines <!-- name:begin --> and
// <!-- name:end --> of a Markdown file by text. A file without the two lines, in
// this order and each once, is an error, and stays as it is.
func Section(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write section %s: %w", name, err)
	}
	fresh, err := replace(old, name, text)
	if err != nil {
		return fmt.Errorf("write section %s of %s: %w", name, path, err)
	}
	if bytes.Equal(old, fresh) {
		return nil
	}
	if err := os.WriteFile(path, fresh, 0o644); err != nil {
		return fmt.Errorf("write section %s: %w", name, err)
	}
	return nil
}

func replace(old []byte, name, text string) ([]byte, error) {
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	if n, m := bytes.Count(old, []byte(begin)), bytes.Count(old, []byte(end)); n != 1 || m != 1 {
		return nil, fmt.Errorf("it must hold %q and %q once each, holds them %d and %d times", begin[:len(begin)-1], end, n, m)
	}
	head, rest, _ := bytes.Cut(old, []byte(begin))
	_, tail, found := bytes.Cut(rest, []byte(end))
	if !found {
		return nil, fmt.Errorf("its end stands before its beginning")
	}
	return fmt.Appendf(nil, "%s%s%s%s%s", head, begin, text, end, tail), nil
}
