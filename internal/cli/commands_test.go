package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"scopegate/admin"
	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/mapping"
	"scopegate/store"
)

// everyCommand visits our commands; those that cobra adds are its own.
func everyCommand(root *cobra.Command, visit func(*cobra.Command)) {
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" && cmd.Name() != "completion" {
			visit(cmd)
			everyCommand(cmd, visit)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	p := &program{name: "scopegate", stdout: io.Discard, stderr: io.Discard}
	n := 0
	everyCommand(p.root(), func(cmd *cobra.Command) {
		n++
		if cmd.Short == "" || !strings.Contains(cmd.Long, exitCodes) || !strings.Contains(cmd.Example, "scopegate "+cmd.Name()) && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s lacks a summary, exit codes or an example of itself", cmd.CommandPath())
		}
		if cmd.Flags().Lookup("json") == nil {
			if cmd.Name() != "dev" && cmd.Name() != "token" {
				t.Errorf("%s has no --json", cmd.CommandPath())
			}
		}
		if cmd.Flags().Lookup("admin") != nil && !strings.Contains(cmd.Long, whereText) {
			t.Errorf("%s does not say whose tables are meant", cmd.CommandPath())
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len([]rune(line)) > 100 {
				t.Errorf("%s: a line of the help has %d characters: %s", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
	})
	if n < 20 {
		t.Errorf("%d commands", n)
	}
}

func TestEveryShellIsCompleted(t *testing.T) {
	for shell, want := range map[string]string{"bash": "complete -o default", "zsh": "#compdef scopegate", "fish": "complete -c scopegate", "powershell": "Register-ArgumentCompleter"} {
		var out bytes.Buffer
		if code := Run(t.Context(), []string{"scopegate", "completion", shell}, nil, nil, &out, &out); code != OK || !strings.Contains(out.String(), want) {
			t.Errorf("%s ends with %d:\n%.300s", shell, code, out.String())
		}
	}
	var out bytes.Buffer
	Run(t.Context(), []string{"scopegate", "__complete", "re"}, nil, nil, &out, io.Discard)
	for _, want := range []string{"restore\t", "revoke\t", "revocations\t"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("re is completed to\n%s", out.String())
		}
	}
}

func TestOnlyYesIsYes(t *testing.T) {
	for answer, yes := range map[string]bool{"yes\n": true, "y\n": true, " YES \n": true, "yes": true, "no\n": false, "\n": false, "": false, "yes please\n": false, "n": false} {
		var asked bytes.Buffer
		p := &program{stdin: strings.NewReader(answer), stderr: &asked}
		err := p.confirm(t.Context(), "Apply this")
		if (err == nil) != yes || err != nil && exitCode(ran{err}) != Negative || !strings.HasPrefix(asked.String(), "Apply this?") {
			t.Errorf("%q: %v, asked %q", answer, err, asked.String())
		}
	}
}

// TestWhatAFailedWriteLeavesBehindIsSaid: that nothing was written is said only where
// the API has refused it.
func TestWhatAFailedWriteLeavesBehindIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
		code int
	}{
		"a table that has moved on": {&adminclient.Problem{Status: 412}, "nothing was written: somebody else has changed the table", Negative},
		"a refusal":                 {&adminclient.Problem{Status: 422}, "nothing was written: the admin API answers 422", Negative},
		"no token any more":         {&adminclient.Problem{Status: 401}, "nothing was written: the admin API answers 401", Negative},
		"an API that is out":        {&adminclient.Problem{Status: 503}, "whether it was written is not known: run it again", Failed},
		"a gateway's time-out":      {&adminclient.Problem{Status: 504}, "whether it was written is not known: run it again", Failed},
		"no answer":                 {io.ErrUnexpectedEOF, "whether it was written is not known: run it again", Failed},
		"Ctrl-C":                    {context.Canceled, "whether it was written is not known: run it again", Failed},
	} {
		err := notApplied(fmt.Errorf("put: %w", c.err))
		if !strings.HasPrefix(err.Error(), c.says[:20]) || !strings.Contains(strings.ReplaceAll(err.Error(), "put: ", ""), c.says) || exitCode(ran{err}) != c.code {
			t.Errorf("%s: %v ends with %d", name, err, exitCode(ran{err}))
		}
	}
}

// TestCtrlCIsNoYes: whoever ends the question is not waited for, and is told.
func TestCtrlCIsNoYes(t *testing.T) {
	for name, answered := range map[string]bool{"before an answer": false, "and then an answer": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			in, out := io.Pipe()
			defer out.Close()
			p := &program{stdin: in, stderr: interrupting(cancel)}
			if answered {
				p.stdin = strings.NewReader("yes\n")
			}
			if err := p.confirm(ctx, "Apply this"); err == nil || exitCode(ran{err}) != Negative || !strings.Contains(err.Error(), "nothing was written") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// interrupting ends the context once something is asked.
type interrupting context.CancelFunc

func (a interrupting) Write(b []byte) (int, error) {
	a()
	return len(b), nil
}

// watchedStore tells what a commit is told of progress.
type watchedStore struct{ store.Store }

func (s watchedStore) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	store.Progress(ctx)(7, 9)
	return s.Store.Commit(ctx, c)
}

// What a store says of long work reaches who waits, through the whole API.
func TestProgressComesThroughTheDirectWay(t *testing.T) {
	data, err := dev.OpenData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	settings, err := config.Load(nil, config.Store)
	if err != nil {
		t.Fatal(err)
	}
	client, err := newDirect(watchedStore{data}, "direct:ada", settings)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	ctx := store.WithProgress(t.Context(), func(done, total int) { got = append(got, done, total) })
	if _, err := client.Register(ctx, admin.API{ARN: dev.SeedAPI.ARN, Stage: dev.SeedAPI.Stage}); err != nil || !slices.Equal(got, []int{7, 9}) {
		t.Errorf("told %v: %v", got, err)
	}
	records, err := client.Audit(ctx, dev.SeedAPI, 0)
	if err != nil || len(records) != 1 || records[0].By != "direct:ada" {
		t.Errorf("recorded %+v: %v", records, err)
	}
}

// downStore does not answer.
type downStore struct{ store.Store }

var errDown = errors.New("dial tcp: no route to host")

func (downStore) APIs(context.Context) ([]mapping.API, error) { return nil, errDown }

// The API keeps from its clients why its store fails; who works on the store
// himself is told.
func TestTheCauseOfAnOutageIsToldToWhoWorksDirectly(t *testing.T) {
	client, err := newDirect(downStore{}, "direct:ada", config.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.APIs(t.Context())
	if !errors.Is(err, errDown) || exitCode(ran{err}) != Failed {
		t.Errorf("error %v", err)
	}
}
