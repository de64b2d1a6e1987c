package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// calledAs is how this program is called again in commands to paste.
func calledAs(arg0 string) string {
	if strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		return "go run ./cmd/scopegate"
	}
	return quote(arg0)
}

// quote makes one word of a POSIX shell.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// maxInput bounds a file that is read, in bytes.
const maxInput = 64 << 20

// byteOrderMark begins files of some editors on Windows. It is no part of JSON
// (RFC 8259, section 8.1).
const byteOrderMark = "\uFEFF"

// readFile reads a file without its byte order mark; "-" is standard input.
func (p *program) readFile(name string) ([]byte, error) {
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, negative(err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return nil, negative(fmt.Errorf("read %s: %w", name, err))
	case len(b) > maxInput:
		return nil, negative(fmt.Errorf("read %s: must be at most %d bytes", name, maxInput))
	}
	return bytes.TrimPrefix(b, []byte(byteOrderMark)), nil
}

// printJSON writes indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// words splits values that may each hold several, as OAuth's scopes are written.
func words(values []string) string { return strings.Join(values, " ") }

// printable keeps what stands in a path from moving the cursor.
func printable(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}
