// Command policies measures what a policy costs that lets a caller through to
// exactly the routes it holds: how many bytes its answer has, and which routes
// it opens or shuts by mistake, written as most blog posts do and as this
// project does, over the routes of real APIs.
//
//	go run ./bench/policies FOLDER
//
// reads each *.json of the folder: an array of {"method", "path", "requires"},
// where requires lists alternatives, each a list of scopes that are all needed,
// as in OpenAPI's security requirements; none at all is a route that nobody may
// call.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1 // ours opens a route, shuts one unreported, or does not fit
	exitUsage = 2 // the command line is wrong, or a file can't be read
)

const exitCodes = `Exit codes:
  0  our policies are sound, complete but for what they report, and fit
  1  one of them is not; the output says which
  2  the command line is wrong, or a file cannot be read`

// options are the flags.
type options struct {
	seed     uint64
	random   int    // sets of scopes drawn at random
	maxBytes int    // of a whole answer
	worst    int    // largest answers listed
	caller   string // measure this one alone, and show its policy
	quick    bool
	asJSON   bool
	markdown bool
}

// errFault ends the command with exitFault; the output has said why.
var errFault = errors.New("a policy of ours opens or shuts what it should not, or does not fit")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "policies: "+err.Error())
	if errors.Is(err, errFault) {
		return exitFault
	}
	return exitUsage
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "policies FOLDER",
		Short:         "Measure policies over the routes of real APIs",
		Long:          exitCodes,
		Args:          cobra.ExactArgs(1),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, args []string) error { return o.measure(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "of the random sets of scopes and of the paths")
	f.IntVar(&o.random, "random", 500, "sets that hold each scope with probability 1/2")
	f.IntVar(&o.maxBytes, "max-bytes", 8192, "that the whole answer may have")
	f.IntVar(&o.worst, "worst", 3, "list so many of the largest answers of each kind")
	f.StringVar(&o.caller, "caller", "", `measure one caller alone, named as in the output ("random 7", a scope), and show its policy`)
	f.BoolVar(&o.quick, "quick", false, "20 random sets and fewer paths")
	f.BoolVar(&o.asJSON, "json", false, "write JSON")
	f.BoolVar(&o.markdown, "markdown", false, "write a Markdown table")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

func (o options) measure(cmd *cobra.Command, folder string) error {
	if o.quick && o.caller == "" {
		o.random = min(o.random, 20)
	}
	if o.maxBytes <= envelope() {
		return fmt.Errorf("--max-bytes %d: the answer around the policy has %d", o.maxBytes, envelope())
	}
	apis, err := readFolder(folder)
	if err != nil {
		return err
	}
	began := time.Now()
	var results []result
	for _, a := range apis {
		r, err := o.examine(a, cmd.ErrOrStderr())
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		results = append(results, r)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "done in %s\n", time.Since(began).Round(time.Second/10))
	if o.caller != "" && !slices.ContainsFunc(results, func(r result) bool { return len(r.Groups) > 0 }) {
		return fmt.Errorf("--caller %q: nobody of that name holds anything", o.caller)
	}
	if err := o.write(cmd.OutOrStdout(), results); err != nil {
		return err
	}
	for _, r := range results {
		if r.faulty() {
			return errFault
		}
	}
	return nil
}

func (o options) write(w io.Writer, results []result) error {
	switch {
	case o.asJSON:
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(results)
	case o.markdown:
		return writeMarkdown(w, o, results)
	}
	return writeText(w, results)
}
