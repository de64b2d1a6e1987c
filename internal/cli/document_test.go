package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/dev"
	"scopegate/internal/yamljson"
)

// FuzzDocumentFile holds that a file that is taken is the document of one table,
// and reads the same once it is written again, as JSON and as YAML.
func FuzzDocumentFile(f *testing.F) {
	permission := fmt.Sprintf(`{"arn": %q, "stage": "dev", "httpVerb": "GET", "resource": "orders/{id}", "scope": "orders.read"}`, dev.SeedAPI.ARN)
	f.Add([]byte("[" + permission + "]"))
	f.Add([]byte(fmt.Sprintf(`{"arn": %q, "stage": "dev", "permissions": [%s]}`, dev.SeedAPI.ARN, permission)))
	f.Add([]byte("arn: " + dev.SeedAPI.ARN + "\nstage: dev\nname: 'on'\npermissions: []\n"))
	f.Add([]byte(`{"permissions": 1}`))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseDocumentFile(text, rewrite{})
		if err != nil {
			return
		}
		if d.list {
			if err := d.over([]byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		written, err := yamljson.FromJSON(d.text())
		if err != nil {
			t.Fatalf("%s cannot be written: %v", d.text(), err)
		}
		for _, again := range [][]byte{d.text(), written} {
			other, err := parseDocumentFile(again, rewrite{})
			if err != nil || other.api != d.api || !sameJSON(t, other.text(), d.text()) {
				t.Fatalf("%s is read again as %v: %v", again, other, err)
			}
		}
	})
}

func sameJSON(t *testing.T, a, b []byte) bool {
	var x, y bytes.Buffer
	if err := json.Compact(&x, a); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&y, b); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// TestPromotionThereAndBackIsNothing holds for whatever a permission says beside.
func TestPromotionThereAndBackIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9_-]{1,12}`)
		var list []map[string]any
		for i := range rapid.IntRange(0, 8).Draw(t, "permissions") {
			one := map[string]any{"arn": dev.SeedAPI.ARN, "stage": "dev", "httpVerb": "GET", "resource": fmt.Sprintf("r%d/%s", i, word.Draw(t, "resource")), "scope": word.Draw(t, "scope")}
			if rapid.Bool().Draw(t, "described") {
				one["description"] = rapid.StringN(0, 20, 100).Draw(t, "description")
			}
			list = append(list, one)
		}
		if list == nil {
			list = []map[string]any{}
		}
		b, err := json.Marshal(map[string]any{"arn": dev.SeedAPI.ARN, "stage": "dev", "name": rapid.String().Draw(t, "name"), "permissions": list})
		if err != nil {
			t.Fatal(err)
		}
		there, err := parseDocumentFile(b, rewrite{arn: "arn:aws:execute-api:eu-west-1:219852565112:other", stage: word.Draw(t, "stage")})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(there.text(), []byte(dev.SeedAPI.ARN)) {
			t.Fatalf("the old ARN is left: %s", there.text())
		}
		back, err := parseDocumentFile(there.text(), rewrite{arn: dev.SeedAPI.ARN, stage: "dev"})
		if err != nil {
			t.Fatal(err)
		}
		var was, is any
		if json.Unmarshal(b, &was) != nil || json.Unmarshal(back.text(), &is) != nil || fmt.Sprint(was) != fmt.Sprint(is) {
			t.Fatalf("there and back is\n%s\nwas\n%s", back.text(), b)
		}
	})
}
