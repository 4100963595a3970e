package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
)

func newRulesCommand() *cobra.Command {
	var f daemonFlags
	var q control.RulesQuery
	var stale, order string
	cmd := &cobra.Command{
		Use:   "rules [PACK | PACK/RULE]",
		Short: "Show what each rule did: matches, requests, reads, vetoes, cost",
		Long: `Shows what each rule of the running daemon did since it is counted, whichever version
of its pack had it: on how many events its where held (MATCHED), what its handler
requested (REQUESTED), and what became of its reads: a call succeeded (READ), or they
were dropped by a veto or a hold (VETOED) or because of a newer message (SUPERSEDED).
FAILED counts events on which the handler failed, MS/RUN and STEPS/RUN are the time
and VM steps of a run on average. Requests in shadow are listed apart.

A rule that never matched is shown with the time from which it is counted. With
--stale, only rules that have not matched for that long are listed. If a rule's reads
are mostly vetoed by one other rule, the command names that rule.

The counts survive restarts, edits and retention. A rule that no pack has any more is
listed with --all. Rules without a name are counted by their place in the file.`,
		Example: "  chertd rules\n  chertd rules --stale 30d\n  chertd rules vip --sort cost\n  chertd rules vip/hold --json",
		Args:    noneEmpty(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				pack, rule, both := strings.Cut(args[0], "/")
				if pack == "" || both && rule == "" {
					return hinted(usageError("%.60q is not PACK or PACK/RULE", args[0]), "chertd rules lists them")
				}
				q.Pack, q.Rule = pack, rule
			}
			if cmd.Flags().Changed("stale") {
				d, err := luabind.ParseDuration(stale)
				if err != nil {
					return hinted(usageError("--stale: %v", err), "for example --stale 30d")
				}
				if d <= 0 {
					return hinted(usageError("--stale: the duration must be greater than 0, got %s", stale), "for example --stale 30d")
				}
				q.Stale = d
			}
			by, ok := ruleOrders[order]
			if !ok {
				return hinted(usageError("--sort: %.40q is not %s", order, strings.Join(ruleOrderNames(), ", ")), cmp.Or(diag.DidYouMeanString("", order, ruleOrderNames()), "for example --sort cost"))
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				all, err := c.Rules(ctx, q)
				if err != nil {
					return err
				}
				slices.SortStableFunc(all.Rules, by)
				if f.json {
					return printJSON(cmd.OutOrStdout(), all)
				}
				return printRules(cmd.OutOrStdout(), all, q)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&stale, "stale", "", "list only rules that have not matched for this `DURATION`, such as 30d, or never")
	cmd.Flags().StringVar(&order, "sort", "name", "sort by `COLUMN`: "+strings.Join(ruleOrderNames(), ", "))
	cmd.Flags().BoolVar(&q.Gone, "all", false, "list also rules that no pack has any more")
	return cmd
}

// ruleOrders compare rules by the columns of --sort, the largest first; ties stay in the
// order of names.
var ruleOrders = map[string]func(a, b control.Rule) int{
	"name": func(a, b control.Rule) int { return 0 }, // as the daemon answers
	"cost": most(func(r *control.Rule) int64 {
		return r.TookUS + countsOr(r.Shadow).TookUS + countsOr(r.Candidate).TookUS
	}),
	"matched": most(func(r *control.Rule) int64 {
		return r.Matched + countsOr(r.Shadow).Matched + countsOr(r.Candidate).Matched
	}),
	"requested": most(func(r *control.Rule) int64 {
		return r.Requested + countsOr(r.Shadow).Requested + countsOr(r.Candidate).Requested
	}),
	"failed": most(func(r *control.Rule) int64 {
		return r.Failed + countsOr(r.Shadow).Failed + countsOr(r.Candidate).Failed
	}),
	"last": func(a, b control.Rule) int { return b.LastMatched.Compare(a.LastMatched) },
}

func ruleOrderNames() []string {
	return []string{"name", "cost", "matched", "requested", "failed", "last"}
}

func most(of func(*control.Rule) int64) func(a, b control.Rule) int {
	return func(a, b control.Rule) int { return cmp.Compare(of(&b), of(&a)) }
}

// countsOr returns counts; of nil, those of a rule that did nothing.
func countsOr(c *control.RuleCounts) control.RuleCounts {
	if c == nil {
		return control.RuleCounts{}
	}
	return *c
}

// dateOf formats the day of a time.
func dateOf(t time.Time) string { return t.Local().Format(time.DateOnly) }
