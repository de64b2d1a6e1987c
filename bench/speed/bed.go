package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"scopegate/bench/world"
	"scopegate/internal/dynamotest"
	"scopegate/internal/lambdaruntime"
	"scopegate/policy"
)

// tables are those of the two callers.
type tables struct{ one, hundred world.Tables }

// bed is the world with its tables filled, and the bootstraps compiled.
type bed struct {
	world    *world.World
	tables   tables
	dir      string
	rows     []row
	binaries map[string]string // by package
	progress io.Writer
	node     string // the path of Node, where there are rows in it
	profile  string // the folder that binaries stay in, with their symbols; else empty
	missing  string // why rows are left out; empty if none are

	eventBytes  int
	answerBytes map[string]int // of rows whose answers others give
}

// invocation is longer than any that is right; a bootstrap that hangs ends the run.
const invocation = time.Minute

func newBed(ctx context.Context, o options, progress io.Writer) (b *bed, err error) {
	b = &bed{progress: progress, binaries: map[string]string{}, profile: o.Profile}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "speed"); err != nil {
		return b, err
	}
	if b.world, err = world.New(b.dir, world.Options{Delay: o.Delay, Replay: true}); err != nil {
		return b, err
	}
	if err = b.world.Ready(ctx); err != nil {
		return b, err
	}
	if b.tables.one, err = b.world.Seed(ctx, dynamotest.TableName(), world.One); err != nil {
		return b, err
	}
	if b.tables.hundred, err = b.world.Seed(ctx, dynamotest.TableName(), world.Hundred); err != nil {
		return b, err
	}
	key, err := b.world.KeyFile()
	if err != nil {
		return b, err
	}
	if b.rows, err = only(rows(b.world, b.tables, key, filepath.Join(b.dir, "answer"), o.Tuned), o.Only); err != nil {
		return b, err
	}
	b.rows, b.node, b.missing = withoutMissing(b.rows)
	if b.missing != "" {
		fmt.Fprintln(progress, b.missing)
	}
	if err = b.build(ctx); err != nil {
		return b, err
	}
	return b, b.writeAnswers(ctx)
}

func (b *bed) close() error {
	var errs []error
	for _, t := range []world.Tables{b.tables.one, b.tables.hundred} {
		if t.Peers != "" {
			errs = append(errs, b.world.Drop(context.Background(), t))
		}
	}
	if b.world != nil {
		errs = append(errs, b.world.Close())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// build compiles each package. Binaries are named after their packages: the names of
// processes are those of files.
func (b *bed) build(ctx context.Context) error {
	in, flags := b.dir, []string{}
	if b.profile != "" {
		in, flags = b.profile, []string{"-ldflags", "-w -buildid="}
	}
	for _, r := range b.rows {
		if b.binaries[r.Pkg] != "" {
			continue
		}
		fmt.Fprintf(b.progress, "compiling %s\n", r.Pkg)
		dir := filepath.Join(in, strings.ReplaceAll(r.Pkg, "/", "-"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		binary, err := compile(ctx, dir, r.Pkg, flags)
		if err != nil {
			return err
		}
		b.binaries[r.Pkg] = filepath.Join(dir, path.Base(r.Pkg))
		if err := os.Rename(binary, b.binaries[r.Pkg]); err != nil {
			return err
		}
	}
	return nil
}

func compile(ctx context.Context, dir, pkg string, flags []string) (string, error) {
	if script, ok := strings.CutPrefix(pkg, node); ok {
		return bundle(ctx, dir, script)
	}
	return lambdaruntime.Build(ctx, dir, pkg, flags...)
}

// code is the file that is deployed: the binary, or a script's bundle beside its
// bootstrap.
func (b *bed) code(r row) string {
	if strings.HasPrefix(r.Pkg, node) {
		return filepath.Join(filepath.Dir(b.binaries[r.Pkg]), bundled)
	}
	return b.binaries[r.Pkg]
}

// zipped is the size of the zip that a function is deployed in, in bytes.
func zipped(ctx context.Context, file string) (float64, error) {
	out := file + ".zip"
	if msg, err := exec.CommandContext(ctx, "go", "run", module+"internal/lambdazip", "-o", out, file).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("zip %s: %w\n%s", file, err, msg)
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}

// writeAnswers keeps the answers that some rows give.
func (b *bed) writeAnswers(ctx context.Context) error {
	b.answerBytes = map[string]int{}
	for _, r := range b.rows {
		if r.As == "" {
			continue
		}
		of := b.rows[slices.IndexFunc(b.rows, func(o row) bool { return o.Name == r.As })]
		out, err := b.answerOf(ctx, of)
		if err != nil {
			return err
		}
		b.answerBytes[of.Name] = len(out)
		if err := os.WriteFile(r.Answer, out, 0o644); err != nil {
			return err
		}
	}
	event, err := b.event(world.One, 0, false)
	b.eventBytes = len(event)
	return err
}

// answerOf starts a row and asks it once.
func (b *bed) answerOf(ctx context.Context, r row) (out []byte, err error) {
	rt, err := b.start(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	event, err := b.event(r.Caller, 0, false)
	if err != nil {
		return nil, err
	}
	if out, err = rt.Invoke(ctx, event); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", r.Name, err, rt.Logs())
	}
	return out, nil
}

// start runs a row's bootstrap until it asks for its first event.
func (b *bed) start(ctx context.Context, r row) (*lambdaruntime.Runtime, error) {
	trust := b.world.OneRoot()
	if r.Full {
		trust = b.world.FullBundle()
	}
	env := append(trust, r.Env...)
	if r.script() { // children have Lambda's PATH, not ours
		env = append(env, "NODE="+b.node)
	}
	rt, err := lambdaruntime.Start(ctx, b.binaries[r.Pkg], env, lambdaruntime.Options{Timeout: invocation})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return rt, nil
}

// event is one of a caller with a token of his n-th user.
func (b *bed) event(c world.Caller, n int, forged bool) ([]byte, error) {
	spec := c.Spec(n)
	spec.Forged = forged
	raw, err := b.world.Provider.Mint(spec)
	if err != nil {
		return nil, err
	}
	return c.Event(raw)
}

// check makes sure that a bootstrap does what it is measured for: one that is fast
// because it is wrong is nothing to compare with.
func (b *bed) check(ctx context.Context, r row, rt *lambdaruntime.Runtime) error {
	good, err := b.event(r.Caller, 0, false)
	if err != nil {
		return err
	}
	out, err := rt.Invoke(ctx, good)
	if err != nil {
		return fmt.Errorf("%s, a good token: %w\n%s", r.Name, err, rt.Logs())
	}
	if err := r.right(good, out); err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	if r.Kind == echoes {
		return nil
	}
	forged, err := b.event(r.Caller, 0, true)
	if err != nil {
		return err
	}
	var refused *lambdaruntime.Error
	if out, err := rt.Invoke(ctx, forged); !errors.As(err, &refused) || refused.Message != "Unauthorized" {
		return fmt.Errorf("%s answers a forged token with %s, %v", r.Name, out, err)
	}
	return nil
}

// right checks an answer to a good token.
func (r row) right(event, out []byte) error {
	if r.Kind != decides {
		if r.As == "" && !bytes.Equal(out, event) {
			return fmt.Errorf("answers %d bytes with %d others", len(event), len(out))
		}
		return nil
	}
	var answer struct{ PolicyDocument policy.Document }
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("answers %s: %w", out, err)
	}
	for arn, want := range map[string]bool{r.Caller.ARN(): true, world.API.ARN + "/" + world.API.Stage + "/POST/customers": false} {
		if d := policy.Evaluate(answer.PolicyDocument, arn, time.Now(), netip.Addr{}); (d == policy.Allowed) != want {
			return fmt.Errorf("decides %v about %s: %s", d, arn, out)
		}
	}
	return nil
}
