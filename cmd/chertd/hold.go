package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
)

func newHoldCommand() *cobra.Command {
	var f daemonFlags
	var in control.HoldRequest
	var list, yes bool
	cmd := &cobra.Command{
		Use:   "hold CHAT | --where KEY=VALUE | --list",
		Short: "Keep a chat, or the chats of a line, unread for a time",
		Long: `Keeps a chat unread for a time, also across restarts. Pending reads of the chat
are dropped, and so are reads that come due while it is held. They do not return
when the hold ends. To end it early, run chertd release CHAT; a rule can end it,
too, with chert.release.

CHAT is the id of the chat: data.chat.id of its events, or chat in the log. A hold
never shortens one that ends later: release that one first. If you extend a hold
that was set by command, it keeps its reason unless you give another.

--where line=NUMBER holds all chats of a phone line, also those that come later;
is_group=true or is_group=false leaves out the others. Chats of which this is not
known are held as well. The command counts first, and asks for confirmation or takes
--yes. Such a hold is one thing with an id: chertd release --id ID ends it, and neither
chert.release nor the release of one chat does. --list shows all holds.`,
		Example: "  chertd hold 7d1b2c9e --for 2h --reason \"asked for a callback\"\n  chertd hold --where line=+14155550100 --for 2h --reason \"moving numbers\"\n  chertd hold --list --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if given := len(args) + min(len(in.Where), 1); list && given > 0 || !list && given != 1 {
				return hinted(usageError("give a chat, --where or --list"), "the usage is `"+cmd.UseLine()+"`")
			}
			if list {
				return listHolds(cmd, &f)
			}
			if err := checkWhere(in.Where); err != nil {
				return err
			}
			if len(args) > 0 {
				if in.Chat = args[0]; cmd.Flags().Changed("by") {
					return hinted(usageError("--by is for --where"), "the hold of one chat is by "+control.Operator)
				}
			}
			if d, err := luabind.ParseDuration(in.For); err != nil {
				return hinted(usageError("--for: %v", err), "for example --for 2h")
			} else if d <= 0 {
				return hinted(usageError("--for: the duration of a hold must be greater than 0, got %s", in.For), "chertd release CHAT ends a hold")
			}
			if len(in.Where) > 0 {
				in.By = author(in.By)
				return selectionHold(cmd, &f, in, yes)
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				h, err := c.Hold(ctx, in)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, h, heldWords(h)...)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.For, "for", "24h", "hold the chat for this `DURATION`, such as 30m, 2h or 1d")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`REASON`, shown in status and in the log")
	cmd.Flags().BoolVar(&in.Force, "force", false, "hold a chat, or a selection, of which chertd has seen no event")
	cmd.Flags().StringArrayVar(&in.Where, "where", nil, "hold the chats that match `KEY=VALUE`: line or is_group; several must all match")
	cmd.Flags().StringVar(&in.By, "by", "", "`NAME` of the person who holds a selection (default the login name)")
	cmd.Flags().BoolVar(&list, "list", false, "list the holds in force")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask for confirmation")
	return cmd
}

// heldWords returns the lines that describe the result of a hold.
func heldWords(h control.Held) []string {
	text := fmt.Sprintf("chat %s is held until %s; ", h.Chat, minute(h.Until))
	if h.Longer {
		text = fmt.Sprintf("chat %s is already held until %s, by %s, which is longer and stays in force; ", h.Chat, minute(h.Until), h.By)
	}
	lines := []string{text + choose(h.DroppedReads == 0, "no read was waiting", many(int64(h.DroppedReads), "waiting read")+choose(h.DroppedReads == 1, " was", " were")+" dropped")}
	if h.Longer {
		lines = append(lines, fmt.Sprintf("hint: to set a shorter hold, first run: chertd release %s", diag.ShellWord(h.Chat)))
	}
	if h.InFlight {
		lines = append(lines, "warning: a read of this chat was already on its way to Chert and can't be recalled")
	}
	return lines
}

func newReleaseCommand() *cobra.Command {
	var f daemonFlags
	var in control.ReleaseRequest
	cmd := &cobra.Command{
		Use:   "release CHAT | --where KEY=VALUE | --id ID",
		Short: "End the hold of a chat, whoever set it",
		Long: `Ends the hold of a chat, whether a command or a rule set it. Reads that were
dropped during the hold are not restored; rules decide about the next message as
usual. It ends no hold of a selection that has the chat: --where or --id does, for all
its chats.`,
		Example: "  chertd release 7d1b2c9e\n  chertd release --where line=+14155550100",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			byID := cmd.Flags().Changed("id")
			given := len(args) + min(len(in.Where), 1)
			if byID {
				given++
			}
			if given != 1 {
				return hinted(usageError("give a chat, --where or --id"), "the usage is `"+cmd.UseLine()+"`")
			}
			if byID && in.ID < 1 {
				return hinted(usageError("--id: %d is not the id of a hold", in.ID), "chertd hold --list shows the ids")
			}
			if err := checkWhere(in.Where); err != nil {
				return err
			}
			if len(args) == 0 {
				in.By = author(in.By)
				return selectionRelease(cmd, &f, in)
			}
			if cmd.Flags().Changed("by") {
				return hinted(usageError("--by is for --where and --id"), "leave it out")
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Release(ctx, control.ReleaseRequest{Chat: args[0]})
				if err != nil {
					return err
				}
				text := fmt.Sprintf("chat %s was not held", r.Chat)
				switch {
				case r.Held:
					text = fmt.Sprintf("chat %s is released; it was held until %s, by %s", r.Chat, minute(r.Hold.Until), r.Hold.By)
				case len(r.StillHeld) > 0:
					text = fmt.Sprintf("chat %s had no hold of its own", r.Chat)
				}
				return tell(cmd, f.json, r, append([]string{text}, stillHeld(&f, &r)...)...)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&in.Where, "where", nil, "end the hold of the selection `KEY=VALUE`, as it was given to chertd hold")
	cmd.Flags().Int64Var(&in.ID, "id", 0, "end the hold of a selection that has this `ID`")
	cmd.Flags().StringVar(&in.By, "by", "", "`NAME` of the person who ends a selection's hold (default the login name)")
	return cmd
}
