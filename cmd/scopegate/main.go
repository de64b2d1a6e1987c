// Command scopegate runs the local stack and edits permission tables.
package main

import (
	"os"

	"scopegate/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
