package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
)

func newExplainCommand() *cobra.Command {
	var f daemonFlags
	var q control.ExplainQuery
	cmd := &cobra.Command{
		Use:   "explain EVENT|CHAT|MESSAGE",
		Short: "Show why a chat was marked as read, or was not",
		Long: `Shows what became of an event, or of the newest events of a chat: what came, which
rule of which version requested what, at which line; which veto, hold or newer message
ended a read; when the call went out, and what Chert answered. For an event it also
lists the rules that did not match, with each condition that did not hold and the
value that it saw. The conditions are computed again, on the versions and the
configuration that were live then. Of a time before the daemon started it names the
keys of chertd.yaml on which the result depends.

The argument is the id of an event, a chat, a message or an action (17.0), Chert's
trace_id of an event or of a call, a phone number or an email address. The last digits
of a number are enough if only one chat has such a number.

With --rule it shows only one pack or one rule, also where it did not match: this
answers why a rule did not run.`,
		Example: "  chertd explain chert:msg:7b7f4a1c\n  chertd explain +14155550123\n  chertd explain 0123 --limit 3\n  chertd explain 7d1b2c9e --rule vip/hold\n  chertd explain 7d1b2c9e --json",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 1 || q.Limit > control.MaxExplained {
				return usageError("--limit: expected 1 to %d, got %d", control.MaxExplained, q.Limit)
			}
			if cmd.Flags().Changed("rule") && q.Rule == "" {
				return hinted(usageError("--rule is empty"), "check that the shell variable in this place is set")
			}
			if q.Before < 0 {
				return usageError("--before: expected the seq of an event, got %d", q.Before)
			}
			q.Of = args[0]
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				e, err := c.Explain(ctx, q)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), e)
				}
				if err := printExplained(cmd.OutOrStdout(), e, q); err != nil {
					return err
				}
				if e.Older {
					_, err = fmt.Fprintf(cmd.ErrOrStderr(), "chertd: there are older events: --before %d shows them\n", e.Events[0].Seq)
				}
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&q.Rule, "rule", "", "only what this `PACK` or PACK/RULE did")
	cmd.Flags().IntVar(&q.Limit, "limit", control.ExplainedShown, "show this many `EVENTS` of a chat, the newest")
	cmd.Flags().Int64Var(&q.Before, "before", 0, "show events of a chat before the one with this `SEQ`")
	cmd.Flags().BoolVar(&q.All, "all", false, "list all rules that did not match, for each event of a chat as well")
	return cmd
}
