package cli

import (
	"context"
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

--json prints {"principalId", "at", "until", "reason", "by", "flush", "effectiveBy",
"flushReason"}.

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

--json prints {"flush", "effectiveBy", "flushReason"}.

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
		p.printFlush(c, answer)
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
		rows = append(rows, []string{r.PrincipalID, moment(r.At), until, p.who(r.By), orDash(r.Reason)})
	}
	return columns(p.stdout, []string{"principal", "at", "until", "by", "reason"}, rows)
}
