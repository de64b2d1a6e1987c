package tabletest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pgregory.net/rapid"

	"scopegate/mapping"
)

// longest is how long a method ARN may be, in bytes (AWS: "Amazon API Gateway
// quotas").
const longest = 1600

// DrawPlainRequest draws a request near the table's routes, as a client sends it
// that means no harm: nothing in it is percent-encoded, empty, . or .. .
func (w World) DrawPlainRequest(t *rapid.T) (method, path string) {
	method, segments, slash := w.drawNear(t)
	return method, join(segments, slash)
}

// DrawRequest draws a request near the table's routes, however hostile.
func (w World) DrawRequest(t *rapid.T) (method, path string) {
	method, segments, slash := w.drawNear(t)
	path = join(segments, slash)
	for range rapid.IntRange(0, 2).Draw(t, "tricks") {
		method, path = drawTrick(t, method, path)
	}
	return method, path
}

func join(segments []string, slash bool) string {
	path := "/" + strings.Join(segments, "/")
	if slash && path != "/" {
		path += "/"
	}
	return path
}

func (w World) drawMethod(t *rapid.T) string {
	verb := rapid.SampledFrom(w.verbs).Draw(t, "method")
	if verb == string(mapping.Any) || rapid.IntRange(0, 9).Draw(t, "other method") == 0 {
		return string(rapid.SampledFrom(mapping.Methods).Draw(t, "any method"))
	}
	return verb
}

// drawNear draws the segments of a path of a known route, or of one that is
// longer, shorter, or has another text in one place.
func (w World) drawNear(t *rapid.T) (method string, segments []string, slash bool) {
	method = w.drawMethod(t)
	templates := w.Table.Templates(mapping.Verb(method))
	if len(templates) == 0 || rapid.IntRange(0, 11).Draw(t, "anywhere") == 0 {
		for range rapid.IntRange(0, 5).Draw(t, "path segments") {
			segments = append(segments, w.drawValue(t))
		}
		return method, segments, rapid.Bool().Draw(t, "slash at the end")
	}
	r := rapid.SampledFrom(templates).Draw(t, "near").Resource
	for _, s := range r.Segments() {
		switch s.Kind {
		case mapping.Literal:
			segments = append(segments, s.Text)
		case mapping.Param:
			segments = append(segments, w.drawValue(t))
		case mapping.Greedy:
			for range rapid.IntRange(1, 3).Draw(t, "length") {
				segments = append(segments, w.drawValue(t))
			}
		}
	}
	slash = r.TrailingSlash() != (rapid.IntRange(0, 2).Draw(t, "other slash") == 0)
	switch rapid.IntRange(0, 9).Draw(t, "off by") {
	case 0:
		segments = append(segments, w.drawValue(t))
	case 1:
		segments = append(segments, w.drawValue(t), w.drawValue(t))
	case 2:
		segments = segments[:max(0, len(segments)-1)]
	case 3:
		if len(segments) > 0 {
			segments[rapid.IntRange(0, len(segments)-1).Draw(t, "where")] = w.drawValue(t)
		}
	}
	return method, segments, slash
}

// drawValue draws a segment: a literal of the table, something like one, or
// nothing of the kind.
func (w World) drawValue(t *rapid.T) string {
	word := rapid.SampledFrom(w.words).Draw(t, "like")
	switch rapid.IntRange(0, 9).Draw(t, "value") {
	case 0, 1, 2, 3:
		return word
	case 4:
		_, n := utf8.DecodeLastRuneInString(word)
		if short := word[:len(word)-n]; strings.Trim(short, ".") != "" {
			return short
		}
		return "1"
	case 5:
		return word + rapid.SampledFrom([]string{"x", "1", "-", "."}).Draw(t, "longer")
	case 6:
		return rapid.SampledFrom([]string{"x", "1"}).Draw(t, "before") + word
	case 7:
		return rapid.SampledFrom([]string{"*", "?", "?*", "$", "${a}", "{x}", "...", "GET", "ü", "é", "+", ":", "a*", strings.ToUpper(word)}).Draw(t, "odd")
	}
	return rapid.SampledFrom([]string{"1", "zz", "42"}).Draw(t, "harmless")
}

// drawTrick draws one thing that somebody may do to a request who hopes that it
// is not understood.
func drawTrick(t *rapid.T, method, path string) (string, string) {
	at := rapid.IntRange(0, len(path)).Draw(t, "at")
	put := func(s string) (string, string) { return method, path[:at] + s + path[at:] }
	switch rapid.IntRange(0, 10).Draw(t, "trick") {
	case 0, 1:
		return method, drawEncoded(t, path)
	case 2:
		return put(rapid.SampledFrom([]string{"/", "//", "/./", "/../", "/.", "/..", "/%2e/", "/.%2E", "/%2e%2E/"}).Draw(t, "segment"))
	case 3:
		return put(rapid.SampledFrom([]string{"%2F", "%2f", "%2F..", "..%2F", "%2f.", "%2F%2F", "%2f..%2f"}).Draw(t, "encoded slash"))
	case 4:
		return put(rapid.SampledFrom([]string{"%", "%zz", "%25", "%252e", "%2561", "%00", "%C3%BC", "%c3%bc", "%20", "%3A"}).Draw(t, "percent"))
	case 5:
		return put(rapid.SampledFrom([]string{"*", "?", "$", "${*}", "{", "\x7f", "\xff", "é", "😀", "\n", `"`, "\\"}).Draw(t, "character"))
	case 6:
		return method, strings.ToUpper(path)
	case 7:
		return drawShift(t, method, path)
	case 8:
		return method, drawLong(t, path)
	case 9:
		slashes := strings.Count(path[min(1, len(path)):], "/")
		return method, path[:min(1, len(path))] + strings.Replace(path[min(1, len(path)):], "/", rapid.SampledFrom([]string{"%2F", "%2f", "//", "/./"}).Draw(t, "for a slash"), rapid.IntRange(0, slashes).Draw(t, "how many"))
	}
	return method, rapid.SampledFrom([]string{path, path + "/", path + "//", "/" + path, strings.TrimPrefix(path, "/"), strings.TrimSuffix(path, "/")}).Draw(t, "slashes")
}

// drawEncoded percent-encodes some characters of a path, slashes not included.
func drawEncoded(t *rapid.T, path string) string {
	var b strings.Builder
	for len(path) > 0 {
		c, n := utf8.DecodeRuneInString(path)
		char := path[:n]
		path = path[n:]
		form := ""
		if c != '/' {
			form = rapid.SampledFrom([]string{"", "", "", "%%%02X", "%%%02x"}).Draw(t, "hex")
		}
		if form == "" || !utf8.ValidString(char) {
			b.WriteString(char)
			continue
		}
		for _, octet := range []byte(char) {
			fmt.Fprintf(&b, form, octet)
		}
	}
	return b.String()
}

// drawShift moves the border of method and path: what the ARN holds is then read
// in another way by whoever counts characters.
func drawShift(t *rapid.T, method, path string) (string, string) {
	switch rapid.IntRange(0, 5).Draw(t, "shift") {
	case 0:
		return method[:1], "/" + method[1:] + path
	case 1:
		return method[:1] + "/" + method[1:], path
	case 2:
		return method, "/" + path
	case 3:
		return strings.ToLower(method), path
	case 4:
		return rapid.SampledFrom([]string{"TRACE", "*", "???", "FOO", "ANY", "G*T"}).Draw(t, "no method"), path
	}
	return method, strings.TrimPrefix(path, "/")
}

// drawLong makes a path as long as its ARN may be, or a little longer than a
// resource.
func drawLong(t *rapid.T, path string) string {
	prefix := len(API.ARN) + len(API.Stage) + len("//OPTIONS")
	room := rapid.SampledFrom([]int{longest, mapping.MaxResourceARN + 1, mapping.MaxResourceARN}).Draw(t, "long") - prefix - len(path)
	fill := rapid.SampledFrom([]string{"/x", "x", "/a", "ü", "/users"}).Draw(t, "fill")
	return path + strings.Repeat(fill, max(0, room/len(fill)))
}
