package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// deadFlags choose dead actions.
type deadFlags struct {
	chat, pack string
	code       string
}

func (f *deadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.chat, "chat", "", "those of the chat with this `ID`")
	cmd.Flags().StringVar(&f.code, "code", "", "those that last failed with this error `CODE` of Chert, or HTTP status; 0: without an answer")
	cmd.Flags().StringVar(&f.pack, "pack", "", "those that a rule of this `PACK` requested")
}

// given returns the code that was given, nil if none was, and whether any flag was. An empty
// value is an error: it comes from an unset shell variable, and must not choose everything.
func (f *deadFlags) given(cmd *cobra.Command) (code *int, any bool, err error) {
	for name, value := range map[string]string{"chat": f.chat, "pack": f.pack} {
		if !cmd.Flags().Changed(name) {
			continue
		}
		any = true
		if strings.TrimSpace(value) == "" {
			return nil, any, hinted(usageError("--%s is empty", name), "check that the shell variable in this place is set")
		}
	}
	if !cmd.Flags().Changed("code") {
		return nil, any, nil
	}
	n, err := strconv.Atoi(f.code)
	if err != nil || n < 0 || n > control.MaxCode {
		return nil, true, hinted(usageError("--code: %.40q is not an error code or an HTTP status", f.code), "chertd dead lists the codes; 0 chooses those without an answer")
	}
	return &n, true, nil
}

// among describes what the flags choose: "in chat c1, of pack vip, with code 2002"; "": all.
func (f *deadFlags) among() string {
	var parts []string
	if f.chat != "" {
		parts = append(parts, "in chat "+f.chat)
	}
	if f.pack != "" {
		parts = append(parts, "of pack "+f.pack)
	}
	if f.code != "" {
		parts = append(parts, choose(f.code == "0", "without an answer", "with code "+f.code))
	}
	return strings.Join(parts, ", ")
}

// none says that nothing is dead that the flags choose, and how many others are dead.
func (f *deadFlags) none(ctx context.Context, c *control.Client) string {
	text := "nothing is dead"
	if f.among() == "" {
		return text
	}
	text += " " + f.among()
	all, err := c.Dead(ctx, control.DeadQuery{Limit: 1})
	if err != nil || all.Total == 0 {
		return text
	}
	return text + "; " + choose(all.Total == 1, "1 other is", thousands(all.Total)+" others are")
}

// checkDeadIDs rejects arguments that can't be the ids of actions.
func checkDeadIDs(args []string) error {
	for _, arg := range args {
		if _, ok := chat.ParseActionID(arg); !ok {
			return hinted(usageError("%.40q is not the id of an action", arg), "chertd dead lists the ids, such as 17.0")
		}
	}
	return nil
}

func newDeadCommand() *cobra.Command {
	var f daemonFlags
	var chosen deadFlags
	var limit int
	var attempts bool
	list := func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > control.MaxDeadShown {
			return usageError("--limit: expected 1 to %d, got %d", control.MaxDeadShown, limit)
		}
		code, _, err := chosen.given(cmd)
		if err != nil {
			return err
		}
		q := control.DeadQuery{Chat: chosen.chat, Pack: chosen.pack, Code: code, Limit: limit, Attempts: attempts || f.json}
		return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
			d, err := c.Dead(ctx, q)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			none := ""
			if d.Total == 0 {
				none = chosen.none(ctx, c)
			}
			return printDead(cmd.OutOrStdout(), d, none)
		})
	}
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List, retry or drop calls that failed",
		Long: `Lists the actions that are dead, newest first: Chert refused the call, or it failed
for a day. For each it shows the last answer, the number of attempts, and the trace
id that Chert's support asks for. chertd keeps them until they are retried or
dropped.

It also lists how many events each pack has missed because it was broken, failing or
suspended.`,
		Example: "  chertd dead\n  chertd dead --code 2002 --attempts\n  chertd dead retry 17.0\n  chertd dead retry --code 4001 --dry-run\n  chertd dead drop --chat 7d1b2c9e",
		Args:    cobra.NoArgs,
		RunE:    list,
	}
	f.add(cmd)
	chosen.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", control.DeadShown, "list this many `ACTIONS`")
	cmd.Flags().BoolVar(&attempts, "attempts", false, "show each attempt as well")
	same := &cobra.Command{Use: "list", Short: "The same as chertd dead", Long: "Lists the actions that are dead, as chertd dead does.", Example: "  chertd dead list --json", Args: cobra.NoArgs, RunE: list}
	same.Flags().AddFlagSet(cmd.Flags())
	cmd.AddCommand(same, newDeadRetryCommand(), newDeadDropCommand())
	return cmd
}

func newDeadRetryCommand() *cobra.Command {
	cmd, in := deadCommand("retry", "Call again for actions that are dead",
		`Makes dead actions wait to be called again, for up to a day, as if they had just been
requested. What has happened since counts: a read is not sent if it was vetoed, the
chat was held, a newer message superseded it, or everything is read already. Then it
is dropped, and the command prints why. Reads of one chat share a call. A message
keeps its idempotency key.

What can't be called now stays dead, and the command prints what to do: its pack is
off, its rule is gone, or Chert answers that its phone line can't mark as read (4099).

Typing indicators are never repeated. A reaction whose answer was lost is repeated
only with --repeat-unknown, as Chert may have carried it out.

It is safe to repeat the command: what waits already is not changed.`,
		"  chertd dead retry 17.0 18.1\n  chertd dead retry --code 2002 --dry-run\n  chertd dead retry --all",
		func(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, in control.DeadRequest) (int, error) {
			r, err := c.RetryDead(ctx, in)
			if err != nil {
				return 0, err
			}
			result := struct {
				control.DeadRetried
				callsWait
			}{DeadRetried: r}
			if r.Waiting > 0 {
				result.callsWait = callsWaitFor(ctx, c)
			}
			return r.Waiting + r.Blocked + sum(r.Dropped) + sum(r.Stay) + r.NotDead, tell(cmd, json, result, append(retriedWords(r), result.lines("they wait")...)...)
		})
	cmd.Flags().BoolVar(&in.RepeatUnknown, "repeat-unknown", false, "also repeat reactions whose answer was lost: they may be made twice")
	return cmd
}

func newDeadDropCommand() *cobra.Command {
	cmd, _ := deadCommand("drop", "End actions that are dead, without a call",
		`Ends dead actions without another call. Their status is dropped, the reason
discarded. They are no longer listed, and are removed with their events after
store.retention.`,
		"  chertd dead drop 17.0\n  chertd dead drop --chat 7d1b2c9e\n  chertd dead drop --all --dry-run",
		func(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, in control.DeadRequest) (int, error) {
			r, err := c.DropDead(ctx, in)
			if err != nil {
				return 0, err
			}
			lines := []string{deadActions(r.Dropped) + choose(r.DryRun, " would be dropped", " dropped")}
			if r.NotDead > 0 {
				lines = append(lines, notDead(r.NotDead))
			}
			return r.Dropped + r.NotDead, tell(cmd, json, r, lines...)
		})
	return cmd
}

// deadCommand makes a command that changes dead actions. do prints the result, and returns how
// many actions the request has chosen: none is an error if there was a filter.
func deadCommand(name, short, long, example string,
	do func(context.Context, *cobra.Command, *control.Client, bool, control.DeadRequest) (int, error)) (*cobra.Command, *control.DeadRequest) {
	var f daemonFlags
	var chosen deadFlags
	in := &control.DeadRequest{}
	cmd := &cobra.Command{
		Use: name + " ID...|--chat ID|--code N|--pack NAME|--all", Short: short, Long: long, Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			code, some, err := chosen.given(cmd)
			if err != nil {
				return err
			}
			in.IDs, in.Chat, in.Pack, in.Code = args, chosen.chat, chosen.pack, code
			ways := 0
			for _, given := range []bool{len(args) > 0, some, in.All} {
				if given {
					ways++
				}
			}
			if ways != 1 {
				return hinted(usageError("give ids, or --chat, --code or --pack, or --all"), "chertd dead lists the ids")
			}
			if err := checkDeadIDs(args); err != nil {
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := do(ctx, cmd, c, f.json, *in)
				if err != nil || n > 0 || !some {
					return err
				}
				return hinted(errors.New(chosen.none(ctx, c)), "chertd dead lists what is dead; nothing was changed")
			})
		},
	}
	f.add(cmd)
	chosen.add(cmd)
	cmd.Flags().BoolVar(&in.All, "all", false, "all that are dead")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "change nothing, and print what would be done")
	return cmd, in
}
