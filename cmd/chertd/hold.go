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
		Short: "Keep a chat unread for a time, whatever rules ask",
		Long: `Keeps a chat unread for a time, also across a restart: reads that wait are
dropped, and so are those that come due while the chat is held. They do not
return. chertd release CHAT ends the hold; so may a rule, by chert.release.

CHAT is the id of the chat: data.chat.id of its events, chat in the log. A hold
never shortens one in force that ends later: release it first. One that makes a
command's hold longer keeps its reason, unless it gives another.`,
		Example: "  chertd hold 7d1b2c9e --for 2h --reason \"asked for a callback\"\n  chertd hold 7d1b2c9e --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Chat = args[0]
			if d, err := luabind.ParseDuration(in.For); err != nil {
				return hinted(usageError("--for: %v", err), "for example --for 2h")
			} else if d <= 0 {
				return hinted(usageError("--for: a hold of %s ends when it begins", in.For), "chertd release CHAT ends a hold")
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
	cmd.Flags().StringVar(&in.For, "for", "24h", "how `LONG` the chat is held: 30m, 2h, 1d")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why, for people: status and the log show it")
	cmd.Flags().BoolVar(&in.Force, "force", false, "hold the chat though chertd has seen no event of it")
	return cmd
}

// heldWords says how a hold went, line by line.
func heldWords(h control.Held) []string {
	text := fmt.Sprintf("chat %s is held until %s; ", h.Chat, minute(h.Until))
	if h.Longer {
		text = fmt.Sprintf("chat %s is held already, until %s, by %s: that is longer, and stays; ", h.Chat, minute(h.Until), h.By)
	}
	lines := []string{text + choose(h.DroppedReads == 0, "no read was waiting", many(int64(h.DroppedReads), "waiting read")+choose(h.DroppedReads == 1, " was", " were")+" dropped")}
	if h.Longer {
		lines = append(lines, fmt.Sprintf("hint: chertd release %s ends it, and then a shorter one can be set", diag.ShellWord(h.Chat)))
	}
	if h.InFlight {
		lines = append(lines, "warning: a read of it was on its way to Chert, and can't be recalled")
	}
	return lines
}

func newReleaseCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "release CHAT",
		Short: "End the hold of a chat, whoever set it",
		Long: `Ends the hold of a chat, whether a command or a rule set it. Reads that the hold
has dropped do not return; the next message is read as rules ask.`,
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
