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
	cmd := &cobra.Command{
		Use:   "hold CHAT",
		Short: "Keep a chat unread for a time, whatever rules request",
		Long: `Keeps a chat unread for a time, also across restarts. Pending reads of the chat
are dropped, and so are reads that come due while it is held. They do not return
when the hold ends. To end it early, run chertd release CHAT; a rule can end it,
too, with chert.release.

CHAT is the id of the chat: data.chat.id of its events, or chat in the log. A hold
never shortens one that ends later: release that one first. If you extend a hold
that was set by command, it keeps its reason unless you give another.`,
		Example: "  chertd hold 7d1b2c9e --for 2h --reason \"asked for a callback\"\n  chertd hold 7d1b2c9e --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Chat = args[0]
			if d, err := luabind.ParseDuration(in.For); err != nil {
				return hinted(usageError("--for: %v", err), "for example --for 2h")
			} else if d <= 0 {
				return hinted(usageError("--for: the duration of a hold must be greater than 0, got %s", in.For), "chertd release CHAT ends a hold")
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
	cmd.Flags().BoolVar(&in.Force, "force", false, "hold a chat of which chertd has seen no event")
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
	cmd := &cobra.Command{
		Use:   "release CHAT",
		Short: "End the hold of a chat, whoever set it",
		Long: `Ends the hold of a chat, whether a command or a rule set it. Reads that were
dropped during the hold are not restored; rules decide about the next message as
usual.`,
		Example: "  chertd release 7d1b2c9e",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Release(ctx, control.ReleaseRequest{Chat: args[0]})
				if err != nil {
					return err
				}
				if !r.Held {
					return tell(cmd, f.json, r, fmt.Sprintf("chat %s was not held", r.Chat))
				}
				return tell(cmd, f.json, r, fmt.Sprintf("chat %s is released; it was held until %s, by %s", r.Chat, minute(r.Hold.Until), r.Hold.By))
			})
		},
	}
	f.add(cmd)
	return cmd
}
