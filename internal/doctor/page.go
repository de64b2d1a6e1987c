package doctor

import (
	"fmt"
	"strings"
)

const pageHead = `# What doctor asks API Gateway

` + "`scopegate doctor`" + ` looks at settings, identity providers, tables, queue, functions and admin API, and asks these questions: of the
local gateway each time, of AWS where the probe is deployed ([deploy/probe](../deploy/probe/serverless.yml)) and named
(` + "`--probe-rest`, `--probe-http`" + `). They are what the documentation of AWS leaves open, and what of it everything rests on.
[D] is documented by AWS, [U] reported by users, [I] inferred. **None of this has been asked of AWS by this project**: the
expectation is what the local gateway does (it has one route, and so nothing to say of ` + "`encoded-slash-route`" + `), and Scopegate is safe
where "finding" does not stand.

| question | expected | if it is otherwise | | change |
|---|---|---|---|---|
`

// Page is docs/doctor.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, q := range questions() {
		expected := q.expected(false)
		if http := q.expected(true); http != expected {
			expected = "REST: " + expected + "; HTTP: " + http
		}
		kind := "finding"
		if q.harmless {
			kind = "note"
		}
		fmt.Fprintf(&b, "| `%s`: %s | %s | %s | %s | %s |\n", q.check, cell(q.about), cell(expected), cell(q.consequence), kind, cell(q.change))
	}
	return b.String()
}

// cell keeps a text from ending its cell or from being read as emphasis.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "*", `\*`).Replace(s) }
