package plan

import (
	"fmt"
	"io"
	"strings"
)

// Text writes a plan for people.
func Text(w io.Writer, p Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "permissions: %d added, %d removed, %d changed, %d unchanged\n",
		len(p.Permissions.Added), len(p.Permissions.Removed), len(p.Permissions.Changed), p.Permissions.Unchanged)
	for _, a := range p.Gains {
		fmt.Fprintf(&b, "+ %s may call %s\n", a.Requirement, a.Route)
	}
	for _, a := range p.Losses {
		fmt.Fprintf(&b, "- %s may no longer call %s\n", a.Requirement, a.Route)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
