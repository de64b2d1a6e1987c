package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"scopegate/admin"
	"scopegate/internal/config"
	"scopegate/mapping"
	"scopegate/policy"
)

// explainThere has the admin API decide, which knows the authorizer's settings and
// whose tokens it takes.
func (p *program) explainThere(ctx context.Context, a asked, method, path string, form printing) error {
	c, err := p.connect(ctx, a.where, reading, config.Store)
	if err != nil {
		return err
	}
	defer c.close()
	api, err := c.find(ctx, a.target())
	if err != nil {
		return err
	}
	body, how, err := p.questionOf(ctx, c, a, api)
	if err != nil {
		return err
	}
	body["arn"], body["stage"], body["method"], body["path"] = api.ARN, api.Stage, method, path
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := c.Explain(ctx, b)
	if err != nil {
		return err
	}
	var x admin.Explanation
	if err := json.Unmarshal(answer.Body, &x); err != nil {
		return fmt.Errorf("read the answer of the admin API to explain: %w", err)
	}
	if form.json {
		var out bytes.Buffer
		if err = json.Indent(&out, bytes.TrimSpace(answer.Body), "", "  "); err == nil {
			_, err = fmt.Fprintln(p.stdout, out.String())
		}
	} else {
		err = p.printThere(x, how, method+" "+path, form.report)
	}
	switch {
	case err != nil:
		return err
	case x.Decision == decisionError:
		return coded{errSilent, Failed}
	case x.Decision != decisionAllow:
		return negative(errSilent)
	}
	return nil
}

// questionOf says who makes the call.
func (p *program) questionOf(ctx context.Context, c *connection, a asked, api mapping.API) (body map[string]any, how string, err error) {
	if !a.describes() {
		raw, err := p.tokenOf(a)
		return map[string]any{"token": raw}, "token judged by the admin API", err
	}
	if a.claims != "" {
		members, err := p.readClaims(a.claims)
		return map[string]any{"claims": json.RawMessage("{" + members + "}")}, "claims given, believed", err
	}
	// What a caller is described by stands in other claims for other issuers.
	table, err := (source{settings: c.settings, tables: c.tables}).table(ctx, api)
	if err != nil {
		return nil, "", err
	}
	trust := table.Trust[0]
	members, err := described(a, trust)
	return map[string]any{"claims": json.RawMessage("{" + members + "}")}, "a caller described on the command line, trusted", err
}

func (p *program) printThere(x admin.Explanation, how, call string, report bool) error {
	out := &strings.Builder{}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "%s  %s  (%s)\n%s\n\n", strings.ToUpper(shown(x.Decision)), printable(call), shown(x.Reason), shown(x.Meaning))
	row("token", "%s", how)
	if x.PrincipalID != "" {
		row("caller", "%s", shown(x.PrincipalID))
		trusts := map[bool]string{true: "trusts", false: "does not trust"}[x.Trusted]
		row("table", "revision %s, which %s the caller", shown(x.Revision), trusts)
		holds(out, "holds", x.Held)
	}
	if x.GroupsUnkn {
		row("", "and nothing that needs a group: the table has such permissions, and the token does not list the caller's groups (overage)")
	}
	if x.Route != "" {
		row("decided", "by route %s", shown(x.Route))
	}
	holds(out, "because", x.By)
	if x.Bytes > 0 {
		row("policy", "%d of %d bytes", x.Bytes, x.MaxBytes)
	}
	if report {
		collides, unguarded := []string{}, []string{}
		for _, c := range x.Collisions {
			collides = append(collides, collisionText(c, c.Deny))
		}
		for _, u := range x.Unguarded {
			unguarded = append(unguarded, unguardedText(u, u.Allow))
		}
		rows(out, "collides", collides)
		rows(out, "unguarded", unguarded)
	}
	if len(x.Policy) > 0 {
		var b bytes.Buffer
		if err := json.Indent(&b, x.Policy, "", "  "); err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n", unescape(b.Bytes()))
	}
	_, err := fmt.Fprint(p.stdout, out.String())
	return err
}

func unguardedText(u policy.Unguarded, allow string) string {
	return fmt.Sprintf("%s, allowed by %s", u.Witness, allow)
}
