package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"scopegate/store"
)

// waiting are the flags of wait.
type waiting struct {
	target
	revision, effectiveBy string
	timeout, interval     time.Duration
	json                  bool
}

func (p *program) waitCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "wait --revision N --api ARN --stage STAGE [--effective-by TIME]",
		Short: "Wait until a change is in a table, and until it counts",
		Long: `Waits until a table is at a revision or past it, and then until --effective-by, the time
that the answer to a change names (effectiveBy): after it, no cache of API Gateway answers as
before. A revision is a number, or as answers have it ("12-ABCDEF"): then a table that was
deleted and made anew in between does not pass for it (exit code 1). When --timeout has
passed it ends with 3.

--json prints {"revision", "waitedMs"}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate wait --admin https://admin.example.org --api rz8w6b1ik2 --stage prod --revision 12-ABCDEF --effective-by 2027-01-31T18:00:00Z
  scopegate apply --yes --json table.yaml > done.json && scopegate wait --api rz8w6b1ik2 --stage prod \
    --revision "$(jq -r .applied.revision done.json)" --effective-by "$(jq -r .applied.effectiveBy done.json)"`,
		Args: cobra.NoArgs,
	}
	w.target.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&w.revision, "revision", "", "revision to wait for")
	f.StringVar(&w.effectiveBy, "effective-by", "", "time to wait for afterwards, RFC 3339")
	f.DurationVar(&w.timeout, "timeout", 5*time.Minute, "how long to wait at most")
	f.DurationVar(&w.interval, "interval", time.Second, "how often to ask")
	f.BoolVar(&w.json, "json", false, "print the outcome as JSON")
	if err := cmd.MarkFlagRequired("revision"); err != nil {
		panic(err) // a flag that was just defined
	}
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error { return p.wait(cmd.Context(), w) })
	return cmd
}

var errWaited = errors.New("gave up waiting")

func (p *program) wait(ctx context.Context, w waiting) error {
	want, err := parseWanted(w.revision)
	if err != nil {
		return usage(fmt.Errorf("--revision: %w", err))
	}
	by, err := whenOf(w.effectiveBy, 0, time.Time{})
	switch {
	case err != nil:
		return usage(fmt.Errorf("--effective-by %w", err))
	case w.timeout < 0 || w.interval <= 0:
		return usage(errors.New("--timeout, --interval: must not be negative, and an interval not 0"))
	}
	begin := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, w.timeout, errWaited)
	defer cancel()
	c, api, err := p.on(ctx, w.target, reading)
	if err != nil {
		return err
	}
	defer c.close()
	said := ""
	for {
		// The question itself has the whole command's time: with --timeout 0 it is
		// asked once.
		_, text, err := c.API(ctx, api)
		if err != nil {
			return err
		}
		is, err := parseRevision(text)
		switch {
		case err != nil:
			return fmt.Errorf("read the revision of %s: %w", api, err)
		case want.Incarnation != "" && is.Incarnation != want.Incarnation:
			return negative(fmt.Errorf("the table of %s was deleted and made anew: it is at revision %s, which does not follow %s", api, is, w.revision))
		case is.Number >= want.Number:
			return p.waitUntil(limited, w, by, is, begin)
		}
		if line := fmt.Sprintf("%s is at revision %s, waiting for %s", api, is, w.revision); line != said {
			said = line
			fmt.Fprintln(p.stderr, line)
		}
		if err := pause(limited, w.interval); err != nil {
			return fmt.Errorf("%s is at revision %s, not at %s: %w", api, is, w.revision, err)
		}
	}
}

// waitUntil waits for the clock, and says that all is done.
func (p *program) waitUntil(ctx context.Context, w waiting, by time.Time, is store.Revision, begin time.Time) error {
	if d := time.Until(by); !by.IsZero() && d > 0 {
		fmt.Fprintf(p.stderr, "revision %s is there; waiting until %s for caches\n", is, moment(by))
		if err := pause(ctx, d); err != nil {
			return fmt.Errorf("revision %s is there, and counts everywhere by %s: %w", is, moment(by), err)
		}
	}
	if w.json {
		return printJSON(p.stdout, map[string]any{"revision": is.String(), "waitedMs": time.Since(begin).Milliseconds()})
	}
	_, err := fmt.Fprintf(p.stdout, "revision %s\n", is)
	return err
}

// parseWanted reads a revision or its number alone.
func parseWanted(text string) (store.Revision, error) {
	if r, err := parseRevision(text); err == nil {
		return r, nil
	}
	r, err := parseRevision(text + "-x")
	if err != nil {
		return r, fmt.Errorf("%q: must be a number, or as 12-ABCDEF", text)
	}
	return store.Revision{Number: r.Number}, nil
}

// pause waits for so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
