//go:build deploy

package deploytest

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// authorizerLimit is how large the authorizer's zip may be, in bytes: what Lambda
// loads at each cold start.
const authorizerLimit = 5_000_000

// functionNames are those of functions/*, each of which becomes a zip.
func functionNames(t *testing.T) []string {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(Root(t), "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	if !slices.Contains(names, "authorizer") || !slices.Contains(names, "admin") {
		t.Fatalf("functions/ has %v", names)
	}
	return names
}

// zipOf reads the zip that is deployed.
func zipOf(t *testing.T, function string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), "build", function+".zip"))
	if err != nil {
		t.Fatalf("%v: make package makes the zips, make verify-deploy tests them", err)
	}
	return b
}

// TestZipsAreTheSameBytesWhereverTheyAreBuilt: in a copy of the project in another
// directory, with other dates. Those in build/ are compared, too: they are made of
// what is here now.
func TestZipsAreTheSameBytesWhereverTheyAreBuilt(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "some", "where", "else")
	copySources(t, Root(t), elsewhere)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"-C", elsewhere, "BUILD=" + out}
	for _, function := range functionNames(t) {
		args = append(args, "zip-"+function)
	}
	build := exec.CommandContext(t.Context(), "make", args...)
	build.Env = slices.DeleteFunc(os.Environ(), func(line string) bool {
		// Those of the make that runs this test are none of that one's.
		return strings.HasPrefix(line, "MAKE") || strings.HasPrefix(line, "MFLAGS=") || strings.HasPrefix(line, "BUILD=")
	})
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make %v: %v\n%s", args, err, said)
	}
	for _, function := range functionNames(t) {
		again, err := os.ReadFile(filepath.Join(out, function+".zip"))
		if err != nil {
			t.Error(err)
			continue
		}
		if here := zipOf(t, function); !bytes.Equal(here, again) {
			t.Errorf("build/%s.zip has %d bytes, built elsewhere %d, or they differ within", function, len(here), len(again))
		}
	}
}

// copySources copies what a clone has of the project, and a little more.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains([]string{".git", "build", "node_modules", ".scopegate"}, name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // another test's temporary file
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o644)
	})
	if err != nil {
		t.Fatalf("copy the sources: %v", err)
	}
}

func TestZipsAreWhatLambdaRuns(t *testing.T) {
	for _, function := range functionNames(t) {
		b := zipOf(t, function)
		if err := checkZip(b); err != nil {
			t.Errorf("build/%s.zip: %v", function, err)
		}
		t.Logf("build/%s.zip has %d bytes", function, len(b))
		if function == "authorizer" && len(b) > authorizerLimit {
			t.Errorf("build/authorizer.zip has %d bytes, at most %d are allowed", len(b), authorizerLimit)
		}
	}
}

// checkZip says what is wrong with the zip of a function for provided.al2023 on
// arm64 (AWS: "Building a custom runtime for AWS Lambda"): one executable file
// bootstrap that needs nothing of the machine.
func checkZip(b []byte) error {
	bootstrap, mode, err := unpack(b)
	if err != nil {
		return err
	}
	if mode != 0o755 {
		return fmt.Errorf("bootstrap has mode %v, want -rwxr-xr-x", mode)
	}
	f, err := elf.NewFile(bytes.NewReader(bootstrap))
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if f.Machine != elf.EM_AARCH64 {
		return fmt.Errorf("bootstrap is for %v, want arm64", f.Machine)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return errors.New("bootstrap needs a loader of the machine's: it was built with cgo")
	}
	return nil
}

// unpack gives the one file of a function's zip.
func unpack(b []byte) ([]byte, fs.FileMode, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, 0, err
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" {
		return nil, 0, fmt.Errorf("has %d entries, want the one bootstrap at its root", len(z.File))
	}
	r, err := z.File[0].Open()
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	bootstrap, err := io.ReadAll(r)
	return bootstrap, z.File[0].Mode(), err
}

func TestAFaultyZipIsNoticed(t *testing.T) {
	good, _, err := unpack(zipOf(t, "authorizer"))
	if err != nil {
		t.Fatal(err)
	}
	intel := bytes.Clone(good)
	intel[18] = byte(elf.EM_X86_64) // e_machine, little endian
	for name, c := range map[string]struct {
		entry     string
		mode      fs.FileMode
		bootstrap []byte
		want      string
	}{
		"none":                 {"bootstrap", 0o755, good, ""},
		"in a folder":          {"arm64/bootstrap", 0o755, good, "at its root"},
		"not executable":       {"bootstrap", 0o644, good, "mode"},
		"another architecture": {"bootstrap", 0o755, intel, "want arm64"},
		"no program":           {"bootstrap", 0o755, bytes.Repeat([]byte("#!/bin/sh\n"), 100), "bad magic"},
	} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: c.entry}
		h.SetMode(c.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(c.bootstrap); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		err = checkZip(b.Bytes())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
