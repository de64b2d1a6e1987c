package mapping

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Ids are written as encoding/base32 would write them.
func TestIDsAreInBase32(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")
		want := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(data))
		if got := inBase32(data); got != want {
			t.Fatalf("%x: %q, want %q", data, got, want)
		}
	})
}

// An id is the hash of its parts, each with its length before it: ids are the keys
// of what is stored, so they may never change.
func TestIDsAreHashesOfTheirParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringN(-1, -1, 700), 0, 12).Draw(t, "parts")
		h := sha256.New()
		for _, p := range parts {
			h.Write(binary.AppendUvarint(nil, uint64(len(p))))
			h.Write([]byte(p))
		}
		if got, want := contentID(parts...), inBase32(h.Sum(nil)[:16]); got != want {
			t.Fatalf("%q: %q, want %q", parts, got, want)
		}
	})
	if got, want := contentID("permission", "a"), "5un6zsigcidks5h6ywpkx3vetq"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
