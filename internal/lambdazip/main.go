// Command lambdazip makes the zip of a Lambda function. In goes a compiled
// bootstrap; out comes a zip with that one entry, executable and with a fixed
// date, so that the same bootstrap gives the same bytes wherever and whenever it
// is packed, and a deployment that changes nothing changes no function.
//
//	lambdazip -o build/authorizer.zip build/linux_arm64/authorizer/bootstrap
package main

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// entry is the name that the runtime provided.al2023 starts (AWS: "Building a
// custom runtime for AWS Lambda").
const entry = "bootstrap"

// date is that of every entry: the earliest that a zip can hold.
var date = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	out := flag.String("o", "", "the `file` to write")
	flag.Parse()
	if *out == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: lambdazip -o FILE.zip BOOTSTRAP")
		os.Exit(2)
	}
	if err := pack(*out, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

// pack writes the zip of a bootstrap. It takes the place of one that is there as a
// whole: a run that fails leaves that one as it was.
func pack(out, bootstrap string) (err error) {
	in, err := os.Open(bootstrap)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(write(tmp, in), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), out)
}

// write writes a zip whose bytes hang on those of the bootstrap alone.
func write(out io.Writer, bootstrap io.Reader) error {
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	h := &zip.FileHeader{Name: entry, Method: zip.Deflate, Modified: date}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, bootstrap); err != nil {
		return err
	}
	return z.Close()
}
