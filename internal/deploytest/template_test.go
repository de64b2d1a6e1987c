//go:build deploy

package deploytest

import (
	"path/filepath"
	"testing"
)

// checkTemplate is everything that can be told from the template alone.
func checkTemplate(template object) []error {
	var errs []error
	for _, find := range []func(object) []error{
		checkProperties, checkReferences, checkRoles, checkTable, checkLogs, checkFunctions, checkQueue, checkAdminAPI, checkCallers, checkExports, checkPartitions,
	} {
		errs = append(errs, find(template)...)
	}
	return errs
}

func wantNone(t *testing.T, errs []error) {
	t.Helper()
	for _, err := range errs {
		t.Error(err)
	}
}

// TestTypesAndPropertiesOfTheTemplatesAreKnown, of the examples' too.
func TestTypesAndPropertiesOfTheTemplatesAreKnown(t *testing.T) {
	for _, folder := range append(Examples(t), ".", filepath.Join("deploy", "probe")) {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			template := Package(t, folder)
			wantNone(t, checkProperties(template))
			wantNone(t, checkReferences(template))
		})
	}
}

// TestTheTemplateIsAsItMustBe of a clean clone.
func TestTheTemplateIsAsItMustBe(t *testing.T) {
	wantNone(t, checkTemplate(Package(t, ".")))
}
