package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/migrations"
	"scopegate/store"
)

// Exit codes, the same for all commands.
const (
	OK       = 0 // done; explain: allowed
	Negative = 1 // the answer is no: bad input, denied, a precondition that does not hold
	Usage    = 2 // the command line or the settings are wrong
	Failed   = 3 // nothing can be said: a store, provider or port is not available
)

const exitCodes = `Exit codes:
  0  done (explain: allowed)
  1  the answer is no: bad input, denied, refused
  2  the command line or the settings are wrong
  3  failed: a store, provider or port is not available`

// coded is an error with the exit code that it ends with.
type coded struct {
	error
	code int
}

// Unwrap gives the error.
func (c coded) Unwrap() error { return c.error }

func negative(err error) error { return coded{err, Negative} }
func usage(err error) error    { return coded{err, Usage} }

// errSilent ends a command whose answer has been printed already.
var errSilent = errors.New("")

// program is what all commands share.
type program struct {
	name           string // as it was called, to be shown in commands to paste
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// Main runs a command line and returns its exit code. The first interrupt ends
// the command in good order, a second one at once.
func Main(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, args, environ, stdin, stdout, stderr)
}

// Run is Main without signals: ctx ends the command.
func Run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{name: calledAs(args[0]), environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	root := p.root()
	root.SetArgs(args[1:])
	err := p.sdkError(p.noTable(root.ExecuteContext(ctx)))
	if err == nil {
		return OK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "scopegate: "+strings.TrimPrefix(text, "scopegate: ")) // failures of the authorizer begin so, too
	}
	return exitCode(err)
}

// noTable says in our words that the DynamoDB table is missing, and what makes it.
func (p *program) noTable(err error) error {
	var said coded
	if errors.As(err, &said) || !errors.As(err, new(*types.ResourceNotFoundException)) && !errors.Is(err, migrations.ErrNoTable) {
		return err
	}
	settings, _ := config.Load(p.environ, config.Store) // it has been read before
	return negative(fmt.Errorf("there is no DynamoDB table %s: scopegate migrate makes it", settings.TableName))
}

// settings reads those that a command needs, and warns of misspelt ones: on a
// laptop they may be somebody else's.
func (p *program) settings(role config.Role) (config.Settings, error) {
	settings, err := config.Load(p.environ, role)
	if err == nil {
		err = dev.CheckEndpoint(p.env("AWS_ENDPOINT_URL_DYNAMODB"))
	}
	if err != nil {
		return config.Settings{}, usage(err)
	}
	p.warnUnknown()
	return settings, nil
}

func (p *program) warnUnknown() {
	for _, name := range config.Unknown(p.environ) {
		fmt.Fprintf(p.stderr, "%s of the environment is no setting of Scopegate.\n", name)
	}
}

// exitCode sorts an error. Errors of cobra itself are about the command line;
// ours say what they are, and what is none of those is an outage.
func exitCode(err error) int {
	var c coded
	var problem *adminclient.Problem
	switch {
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &problem):
		if problem.Outage() {
			return Failed
		}
		return Negative
	case errors.Is(err, adminclient.ErrOptions):
		return Usage
	case errors.Is(err, dev.ErrOptions):
		return Usage
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		return Negative
	case errors.Is(err, migrations.ErrAhead), errors.Is(err, migrations.ErrBehind): // no outage: it will be so the next time
		return Negative
	case errors.Is(err, errRan):
		return Failed
	}
	return Usage
}

// errRan marks the errors of commands whose arguments were in order.
var errRan = errors.New("ran")

type ran struct{ error }

func (r ran) Is(target error) bool { return target == errRan }
func (r ran) Unwrap() error        { return r.error }

// running is a command's function with its errors told from those of the
// command line.
func running(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return ran{err}
		}
		return nil
	}
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "scopegate",
		Short: "Who may call which route of an API: local stack, tokens, permission tables",
		Long: `Scopegate is an Amazon API Gateway Lambda authorizer for Microsoft Entra ID access
tokens. This command runs all of it on one machine and edits permission tables.

` + exitCodes,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	p.addCommands(root)
	return root
}

// addCommands adds them by what they are for, as help shows them.
func (p *program) addCommands(root *cobra.Command) {
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Run it on this machine:", []*cobra.Command{p.devCommand(), p.tokenCommand()}},
		{"Ask who may do what:", []*cobra.Command{p.explainCommand(), p.whoCanCommand(), p.whatCanCommand(), p.lintCommand(), p.driftCommand(), p.testCommand(), p.doctorCommand()}},
		{"Look at tables:", []*cobra.Command{p.apisCommand(), p.permissionsCommand(), p.routesCommand(), p.exportCommand(), p.auditCommand(), p.waitCommand()}},
		{"Change tables:", []*cobra.Command{p.planCommand(), p.applyCommand(), p.importCommand(), p.restoreCommand(), p.migrateCommand()}},
		{"Refuse tokens:", []*cobra.Command{p.revokeCommand(), p.unrevokeCommand(), p.revocationsCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = group.title
			tellUsage(cmd)
			root.AddCommand(cmd)
		}
	}
}

// tellUsage has a command that is given too much or too little say what it takes.
func tellUsage(cmd *cobra.Command) {
	for _, one := range append(cmd.Commands(), cmd) {
		check := one.Args
		if check == nil {
			continue
		}
		one.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return fmt.Errorf("%w\nUsage: %s", err, cmd.UseLine())
			}
			return nil
		}
	}
}

// env is a variable of the environment; the last one counts, as for processes.
func (p *program) env(name string) string {
	for _, line := range slices.Backward(p.environ) {
		if len(line) > len(name) && line[len(name)] == '=' && line[:len(name)] == name {
			return line[len(name)+1:]
		}
	}
	return ""
}
