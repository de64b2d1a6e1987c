package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func put(t *testing.T, path string, content []byte, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestTheZipHangsOnTheBootstrapsBytesAlone: not on its date, mode or place.
func TestTheZipHangsOnTheBootstrapsBytesAlone(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("\x7fELF and so on"), 1000)
	one, two := filepath.Join(dir, "a", "bootstrap"), filepath.Join(dir, "b", "c", "renamed")
	put(t, one, content, time.Date(2020, 2, 2, 2, 2, 2, 0, time.UTC))
	put(t, two, content, time.Date(2026, 1, 1, 1, 1, 1, 0, time.UTC))
	var zips [][]byte
	for i, in := range []string{one, two} {
		out := filepath.Join(dir, "out", string(rune('0'+i))+".zip") // the folder is made
		if err := pack(out, in); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		zips = append(zips, b)
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("two zips of the same bootstrap differ")
	}
	z, err := zip.NewReader(bytes.NewReader(zips[0]), int64(len(zips[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 || !z.File[0].Modified.Equal(date) {
		t.Fatalf("entries are %+v", z.File)
	}
	r, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("unpacked %d bytes, %v", len(got), err)
	}
}

// TestAZipThatCannotBeMadeChangesNothing: the one of before stays, and nothing
// else is left.
func TestAZipThatCannotBeMadeChangesNothing(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "a.zip")
	put(t, out, []byte("before"), time.Now())
	folder := filepath.Join(dir, "bootstrap") // opens, and cannot be read
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{filepath.Join(dir, "missing"), folder} {
		if err := pack(out, in); err == nil {
			t.Errorf("%s: packed", in)
		}
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "before" {
		t.Errorf("the zip is now %q, %v", b, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
}
