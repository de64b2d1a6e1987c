package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"scopegate/internal/yamljson"
)

// exported are the flags of export.
type exported struct {
	target
	to     rewrite
	output string
	json   bool
}

func (p *program) exportCommand() *cobra.Command {
	var e exported
	cmd := &cobra.Command{
		Use:   "export [--api ARN --stage STAGE] [--arn NEW] [--to-stage NEW] [-o yaml|json]",
		Short: "Print a table as one document, as it is or for another stage",
		Long: `Prints the whole table of an API stage as one document, which plan and apply take: name,
owners, trust, permissions, and every route that nobody may call as a registered permission.

--arn and --to-stage write it for another API or stage: that is how a table is promoted.
Owners and trust go with it; edit them where the other stage has others.

` + whereText + `

` + exitCodes,
		Example: `  scopegate export --api arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2 --stage dev > table.yaml
  scopegate export --api rz8w6b1ik2 --stage dev --arn arn:aws:execute-api:us-east-1:219852565112:p9 --to-stage prod | \
    scopegate apply --admin https://admin.example.org -`,
		Args: cobra.NoArgs,
	}
	e.target.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.to.arn, "arn", "", "ARN to write in place of the table's")
	f.StringVar(&e.to.stage, "to-stage", "", "stage to write in place of the table's")
	f.StringVarP(&e.output, "output", "o", "yaml", "yaml or json")
	f.BoolVar(&e.json, "json", false, "the same as -o json")
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"yaml", "json"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a flag that was just defined
	}
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error { return p.export(cmd.Context(), e) })
	return cmd
}

func (p *program) export(ctx context.Context, e exported) error {
	if e.json {
		e.output = "json"
	}
	if e.output != "yaml" && e.output != "json" {
		return usage(fmt.Errorf("--output %q: must be yaml or json", e.output))
	}
	c, api, err := p.on(ctx, e.target, reading)
	if err != nil {
		return err
	}
	defer c.close()
	b, _, err := c.Document(ctx, api)
	if err != nil {
		return err
	}
	d := &document{}
	if err := d.read(b); err != nil {
		return fmt.Errorf("read the table's document: %w", err)
	}
	delete(d.members, "$schema") // huma's, of its answers
	d.order = without(d.order, "$schema")
	if err := d.become(api.ARN, api.Stage, e.to); err != nil {
		return negative(err)
	}
	if err := d.sort(); err != nil {
		return fmt.Errorf("read the table's document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, d.text(), "", "  "); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	out.WriteByte('\n')
	text := out.Bytes()
	if e.output == "yaml" {
		if text, err = yamljson.FromJSON(text); err != nil {
			return fmt.Errorf("write the document: %w", err)
		}
	}
	_, err = p.stdout.Write(text)
	return err
}

func without(list []string, what string) []string {
	var rest []string
	for _, one := range list {
		if one != what {
			rest = append(rest, one)
		}
	}
	return rest
}
