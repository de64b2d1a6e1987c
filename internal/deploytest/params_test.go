//go:build deploy

package deploytest

import "testing"

func TestACleanClonePackages(t *testing.T) {
	template := Package(t, ".")
	if Part(template, "Resources", "Table", "Properties", "KeySchema") == nil {
		t.Error("without a table")
	}
}
