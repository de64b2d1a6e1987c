package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/store"
)

// revoking are the flags of revoke.
type revoking struct {
	where
	until, reason string
	duration      time.Duration
	json          bool
}

func (p *program) revokeCommand() *cobra.Command {
	var r revoking
	cmd := &cobra.Command{
		Use:   "revoke PRINCIPAL [--until TIME | --for DURATION] [--reason TEXT]",
		Short: "Refuse the tokens that a principal has, now",
		Long: `Has authorizers refuse every token that PRINCIPAL was issued until now, for at least 29
hours, which is longer than any token of Entra's lives. PRINCIPAL is {tenant id}:{object id}
for users and apps of Entra, {issuer's host}:{sub} otherwise, as the authorizer's log has it.
Tokens issued later are taken: take his access away (in Entra or in tables) as well.

The caches of every registered stage are flushed; the answer says by when no request of his is
allowed any more. Admins may.

--json prints {"principalId", "at", "until", "reason", "by", "revision", "flush",
"effectiveBy", "flushReason"}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate revoke --admin https://admin.example.org --reason "laptop stolen" \
    11111111-2222-4333-8444-555555555555:aaaaaaaa-0000-4000-8000-000000000001
  scopegate revoke --for 48h login.example.org:mallory`,
		Args: cobra.ExactArgs(1),
	}
	r.where.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.until, "until", "", "when the revocation ends, RFC 3339 (default and least: in 29 hours)")
	f.DurationVar(&r.duration, "for", 0, "how long the revocation lasts, such as 48h")
	f.StringVar(&r.reason, "reason", "", "why, for the audit trail")
	f.BoolVar(&r.json, "json", false, "print the answer as JSON")
	cmd.MarkFlagsMutuallyExclusive("until", "for")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("for") && r.duration < store.MinRevocation {
			return usage(fmt.Errorf("--for %s: must be at least %s: tokens of before must have ended", r.duration, store.MinRevocation))
		}
		return p.revoke(cmd.Context(), r, args[0])
	})
	return cmd
}

func (p *program) revoke(ctx context.Context, r revoking, principal string) error {
	id, err := store.CanonicalPrincipal(principal)
	if err != nil {
		return negative(fmt.Errorf("PRINCIPAL: %w", err))
	}
	until, err := whenOf(r.until, r.duration, time.Now())
	if err != nil {
		return usage(fmt.Errorf("--until %w", err))
	}
	c, err := p.connect(ctx, r.where, writing, config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	answer, err := c.Revoke(ctx, id, until, r.reason)
	if err != nil {
		return err
	}
	p.printFlush(c, answer.Result)
	if r.json {
		return printJSON(p.stdout, answer)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: tokens issued until %s are refused, until %s\n", shown(answer.PrincipalID), moment(answer.At), moment(answer.Until))
	return err
}

// whenOf is a time that is given as such, or as so long from now; zero if neither
// is. One minute is for the clocks of this machine and the server.
func whenOf(text string, d time.Duration, now time.Time) (time.Time, error) {
	switch {
	case d > 0:
		return now.Add(d + time.Minute).UTC().Truncate(time.Second), nil
	case text == "":
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q: must be a time such as 2027-01-31T18:00:00Z (RFC 3339)", text)
	}
	return t, nil
}

func (p *program) unrevokeCommand() *cobra.Command {
	var at where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "unrevoke PRINCIPAL",
		Short: "Take a revocation away: the principal's tokens are taken again",
		Long: `Takes the revocation of PRINCIPAL away. Tokens of his that have not ended count again, once
authorizers have read it (CACHE_TTL). Admins may.

--json prints {"revision", "flush", "effectiveBy", "flushReason"}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate unrevoke 11111111-2222-4333-8444-555555555555:aaaaaaaa-0000-4000-8000-000000000001`,
		Args:    cobra.ExactArgs(1),
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		id, err := store.CanonicalPrincipal(args[0])
		if err != nil {
			return negative(fmt.Errorf("PRINCIPAL: %w", err))
		}
		c, err := p.connect(cmd.Context(), at, writing, config.Store)
		if err != nil {
			return err
		}
		defer c.close()
		answer, err := c.Unrevoke(cmd.Context(), id)
		if err != nil {
			return err
		}
		p.printFlush(c, answer.Result)
		if asJSON {
			return printJSON(p.stdout, answer)
		}
		_, err = fmt.Fprintf(p.stdout, "%s: is not revoked any more\n", shown(id))
		return err
	})
	return cmd
}

func (p *program) revocationsCommand() *cobra.Command {
	var at where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revocations",
		Short: "List whose tokens are refused",
		Long: `Lists the principals whose tokens of before a time are refused, and until when.

--json prints {"revocations": [{"principalId", "at", "until", "reason", "by"}]}.

` + whereText + `

` + exitCodes,
		Example: `  scopegate revocations --admin https://admin.example.org`,
		Args:    cobra.NoArgs,
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		c, err := p.connect(cmd.Context(), at, reading, config.Store)
		if err != nil {
			return err
		}
		defer c.close()
		list, err := c.Revocations(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(p.stdout, map[string]any{"revocations": list})
		}
		if len(list) == 0 {
			fmt.Fprintln(p.stderr, "Nobody is revoked.")
			return nil
		}
		return p.printRevocations(list, time.Now())
	})
	return cmd
}

func (p *program) printRevocations(list []adminclient.Revocation, now time.Time) error {
	var rows [][]string
	for _, r := range list {
		until := moment(r.Until)
		if !r.Until.After(now) {
			until += " (ended)"
		}
		rows = append(rows, []string{r.PrincipalID, moment(r.At), until, r.By, orDash(r.Reason)})
	}
	return columns(p.stdout, []string{"principal", "at", "until", "by", "reason"}, rows)
}

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
