package store_test

import (
	"strings"
	"testing"
	"unicode"

	"scopegate/store"
)

const tidOid = "5f1c2b3a-0000-4000-8000-00000000000a:11111111-2222-4333-8444-555555555555"

func TestAPrincipalIsWrittenAsTokensHaveIt(t *testing.T) {
	for id, want := range map[string]string{
		tidOid:                                           tidOid,
		strings.ToUpper(tidOid):                          tidOid,
		"issuer.example:Sub":                             "issuer.example:Sub", // another issuer's sub is kept to the letter
		"issuer.example:a/b":                             "issuer.example:a/b",
		"issuer.example:8443:a:b":                        "issuer.example:8443:a:b",
		strings.ToUpper(tidOid) + "x":                    strings.ToUpper(tidOid) + "x",
		"h:" + strings.Repeat("x", 998):                  "h:" + strings.Repeat("x", 998),
		"issuer.example:" + strings.ToUpper(tidOid)[:36]: "issuer.example:" + strings.ToUpper(tidOid)[:36],
	} {
		if got, err := store.CanonicalPrincipal(id); err != nil || got != want {
			t.Errorf("%q: %q, %v", id, got, err)
		}
	}
	// As an audit trail names who wrote: nobody has that id, and no token would be refused.
	for _, id := range []string{tidOid + "/" + tidOid[:36], tidOid + "/", "", ":", "a", "a:", ":b", "a:b\x00", "a:\x7f", "a:\u0085", "a:\xff", "h:" + strings.Repeat("x", 999)} {
		if got, err := store.CanonicalPrincipal(id); err == nil {
			t.Errorf("%q is %q", id, got)
		}
	}
}

func FuzzAPrincipal(f *testing.F) {
	f.Add(tidOid)
	f.Add(strings.ToUpper(tidOid))
	f.Add("issuer.example:8443:sub")
	f.Add("a:\u0085")
	f.Fuzz(func(t *testing.T, id string) {
		got, err := store.CanonicalPrincipal(id)
		if err != nil {
			return
		}
		again, err := store.CanonicalPrincipal(got)
		if err != nil || again != got || !strings.EqualFold(got, id) {
			t.Errorf("%q is %q, which is %q, %v", id, got, again, err)
		}
		if len(got) > store.MaxPrincipal || strings.ContainsFunc(got, unicode.IsControl) || !strings.Contains(got, ":") {
			t.Errorf("%q passes for a principal", got)
		}
	})
}
