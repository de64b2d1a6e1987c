//go:build deploy

package deploytest

import (
	"testing"
)

// check finds what is wrong with a template of the root.
type check struct {
	name string
	find func(object) []error
}

func wantNone(t *testing.T, errs []error) {
	t.Helper()
	for _, err := range errs {
		t.Error(err)
	}
}

// TestTypesAndPropertiesOfTheTemplateAreKnown, of the examples' too.
func TestTypesAndPropertiesOfTheTemplatesAreKnown(t *testing.T) {
	for _, folder := range append(Examples(t), ".") {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			template := Package(t, folder)
			wantNone(t, checkProperties(template))
			wantNone(t, checkReferences(template))
		})
	}
	wantNone(t, checkRoles(Package(t, ".")))
}
