package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/control"
	"chertd/rules/chat"
)

// waitingHelp describes --where of waiting and its subcommands.
var waitingHelp = `
--where chooses what matches all of its KEY=VALUE pairs:
  chat=ID  line=NUMBER (or unknown)  pack=NAME  rule=NAME
  ` + whereWords("kind") + `
  ` + whereWords("for") + `
  due=<1h (due within an hour)  due=>1h (due later)  due=<0s (due already)
docs/operations.md describes each value of for.`

// whereWords returns a key of waiting --where with all its values.
func whereWords(name string) string {
	i := slices.IndexFunc(engine.WaitingWhere, func(k engine.WhereKey) bool { return k.Name == name })
	return name + "=" + strings.Join(engine.WaitingWhere[i].Values, "|")
}

func newWaitingCommand() *cobra.Command {
	var f daemonFlags
	var q control.WaitingQuery
	cmd := &cobra.Command{
		Use:   "waiting",
		Short: "List what waits to be called, and for what; cancel it, or call now",
		Long: `Counts the reads and other actions that wait, by what they wait for and by pack, and
lists those that are due first.
` + waitingHelp + `

Where something waits in more than 10,000 chats, it looks at those whose calls are due
next, and prints that its counts are of these alone.`,
		Example: "  chertd waiting\n  chertd waiting --where for=postponed --where pack=night\n  chertd waiting cancel --where line=+14155550100\n  chertd waiting now 17.0",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 || q.Limit > control.MaxWaitingShown {
				return usageError("--limit: expected 1 to %d, got %d", control.MaxWaitingShown, q.Limit)
			}
			if err := checkWhere(q.Where); err != nil {
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				w, err := c.Waiting(ctx, q)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), w)
				}
				return printWaiting(cmd.OutOrStdout(), &w)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&q.Where, "where", nil, "list what matches `KEY=VALUE`; several must all match")
	cmd.Flags().IntVar(&q.Limit, "limit", control.WaitingShown, "list this many `ACTIONS`")
	cmd.AddCommand(newWaitingCancelCommand(), newWaitingNowCommand())
	return cmd
}

func newWaitingCancelCommand() *cobra.Command {
	return waitingChangeCommand(waitingChange{
		use: "cancel", short: "Drop what waits", done: "cancelled", question: "cancel",
		do: (*control.Client).CancelWaiting,
		long: `Drops waiting actions, which do not return. A call that is on its way can't be
recalled. Rules decide about the next message as usual.`,
	})
}

func newWaitingNowCommand() *cobra.Command {
	return waitingChangeCommand(waitingChange{
		use: "now", short: "End the delay of what waits", done: "due now", question: "make due",
		do: (*control.Client).HurryWaiting,
		long: `Ends the delay, the postponement and the wait for another attempt of waiting actions.
Vetoes, holds, limits.reads, pauses, the rate, outages and catching up still apply. A
call marks the whole chat as read. Reads of chats that are held stay as they are.`,
	})
}

// waitingChange is a subcommand of waiting.
type waitingChange struct {
	use, short, long string
	done, question   string
	do               func(*control.Client, context.Context, control.WaitingRequest) (control.WaitingChanged, error)
}

func waitingChangeCommand(x waitingChange) *cobra.Command {
	var f daemonFlags
	var where []string
	var yes bool
	cmd := &cobra.Command{
		Use:   x.use + " [ID...]",
		Short: x.short,
		Long: x.long + `

Name actions by their ids, or choose them with --where. A selection is counted first;
the command asks for confirmation, or takes --yes. What is requested after that, and
what no longer matches, stays as it is. If the command is interrupted, repeat it.
` + waitingHelp,
		Example: fmt.Sprintf("  chertd waiting %[1]s 17.0\n  chertd waiting %[1]s --where for=postponed --where pack=night --yes", x.use),
		Args:    noneEmptyOf("an ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, ok := chat.ParseActionID(arg); !ok {
					return hinted(usageError("%.40q is not the id of an action", arg), "chertd waiting lists the ids, such as 17.0")
				}
			}
			switch {
			case len(args) == 0 && len(where) == 0:
				return hinted(usageError("which actions: give ids, or --where"), "chertd waiting lists the ids; --where for=postponed chooses all that are postponed")
			case len(args) > 0 && len(where) > 0:
				return hinted(usageError("ids and --where exclude each other"), "name actions, or choose them")
			case len(args) > control.MaxWaitingIDs:
				return hinted(usageError("at most %d ids, got %d", control.MaxWaitingIDs, len(args)), "choose them with --where")
			}
			if err := checkWhere(where); err != nil {
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if len(args) > 0 {
					r, err := x.do(c, ctx, control.WaitingRequest{IDs: args})
					if err != nil {
						return err
					}
					return tell(cmd, f.json, r, waitingChangedWords(&r, x.done)...)
				}
				return x.chosen(ctx, cmd, c, &f, where, yes)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&where, "where", nil, "choose what matches `KEY=VALUE`; several must all match")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask for confirmation")
	return cmd
}

// chosen changes what --where chooses: it counts that, asks, and then sends one request a batch.
func (x *waitingChange) chosen(ctx context.Context, cmd *cobra.Command, c *control.Client, f *daemonFlags, where []string, yes bool) error {
	w, err := c.Waiting(ctx, control.WaitingQuery{Where: where, Limit: 1})
	if err != nil {
		return err
	}
	all := control.WaitingChanged{Through: w.Through}
	if w.Matched == 0 && !w.Partial {
		return tell(cmd, f.json, all, "nothing that waits matches")
	}
	if err := confirm(cmd, yes, x.ask(where, &w)); err != nil {
		return err
	}
	in := control.WaitingRequest{Where: where, Through: w.Through, Expect: &w.Matched}
	if w.Partial {
		in.Expect, in.Confirm = nil, true
	}
	for {
		r, err := x.do(c, ctx, in)
		if err != nil {
			if all.Matched > 0 {
				err = fmt.Errorf("%s of %s; the rest failed: %w", thousands(all.Done)+" "+x.done, thousands(w.Matched), err)
			}
			return err
		}
		all.Matched, all.Done, all.TooLate = all.Matched+r.Matched, all.Done+r.Done, all.TooLate+r.TooLate
		all.Changed, all.Held = all.Changed+r.Changed, all.Held+r.Held
		if r.Next != "" && r.Next == in.After {
			return fmt.Errorf("%s of %s; the daemon does not get further", thousands(all.Done)+" "+x.done, thousands(w.Matched))
		}
		if in.After = r.Next; r.Next == "" {
			return tell(cmd, f.json, all, waitingChangedWords(&all, x.done)...)
		}
	}
}

// ask returns the question before what --where chooses is changed: it shows what a filter chooses
// that nobody meant.
func (x *waitingChange) ask(where []string, w *control.Waiting) string {
	text := fmt.Sprintf("%s %s? %s", x.question, strings.Join(where, " "), countedWaiting(w))
	if w.Matched > 0 {
		text += fmt.Sprintf(" (%sfor: %s; by pack: %s)", choose(w.Partial, "of those counted, ", ""), countsShown(w.For), countsShown(w.Packs))
	}
	return text
}

// waitingChangedWords returns the lines that describe what was changed.
func waitingChangedWords(r *control.WaitingChanged, done string) []string {
	lines := []string{fmt.Sprintf("%s of %s", choose(r.Done == 1, "1 is ", thousands(r.Done)+" are ")+done, many(r.Matched, "action"))}
	add := func(n int64, one, more string) {
		if n > 0 {
			lines = append(lines, "  "+thousands(n)+" "+choose(n == 1, one, more))
		}
	}
	add(r.TooLate, "was too late: its call is on its way to Chert and can't be recalled", "were too late: their calls are on their way to Chert and can't be recalled")
	add(r.Changed, "has ended meanwhile, or does not match any more", "have ended meanwhile, or do not match any more")
	add(r.Held, "stays as it is: its chat is held", "stay as they are: their chats are held")
	return lines
}
