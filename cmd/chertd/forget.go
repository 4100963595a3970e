package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// forgetShown is how many chats, and how many keys, chertd forget lists.
const forgetShown = 20

func newForgetCommand() *cobra.Command {
	var f daemonFlags
	var in control.ForgetRequest
	cmd := &cobra.Command{
		Use:   "forget CHAT|HANDLE | --line LINE",
		Short: "Remove what chertd keeps about a chat or a person",
		Long: `Removes what chertd keeps about a chat, or about a person whose phone number or email
address is given: texts of messages, what rules remember of the chat (ev.state), and
what rules logged. Pending actions and timers are dropped, and deliveries in
quarantine that name the chat or person are removed. What was removed is also
overwritten in the store's files.

Of a person, chats with that person alone are forgotten, and the person's own messages
in groups. Only messages whose texts are still kept (store.raw) name a person.

A hold is a protection: it stays without its reason, unless --holds ends it. Ids and
times of events stay: an event that comes again is not handled again. Entries of kv
that name the chat or person are listed; --kv removes them.

--line forgets that mark-read was not available on a phone line (4099): its next read
is called again.`,
		Example: "  chertd forget +14155550123 --dry-run\n  chertd forget +14155550123 --kv\n  chertd forget 7d1b2c9e",
		Args:    noneEmpty(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if byLine := cmd.Flags().Changed("line"); byLine == (len(args) == 1) || byLine && in.Line == "" {
				return hinted(usageError("give a chat or a person, or --line with a phone line"), "the usage is `"+cmd.UseLine()+"`")
			}
			in.Who = ""
			if len(args) == 1 {
				in.Who = args[0]
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Forget(ctx, in)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, r, forgottenWords(in, r)...)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Line, "line", "", "forget that mark-read was not available on this phone `LINE`")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "say what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&in.Holds, "holds", false, "end the holds of these chats as well: they may be marked as read")
	cmd.Flags().BoolVar(&in.KV, "kv", false, "remove entries of kv that name the chat or person as well")
	return cmd
}

// forgottenWords returns the lines that describe what was forgotten on a request, or would be.
func forgottenWords(in control.ForgetRequest, f control.Forgotten) (lines []string) {
	if f.Line != "" {
		return []string{
			fmt.Sprintf("the next read of line %s %s", f.Line, choose(f.DryRun, "would be called again", "is called again")),
			"hint: its reads that are dead stay so; to call again for them, run " + retryUnsupported,
		}
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	add("%s", choose(f.DryRun, "nothing is removed (--dry-run); this would be:", "forgotten:"))
	add("  chats: %s", listedIDs(f.Chats))
	if len(f.Groups) > 0 {
		add("  own messages in groups: %s", listedIDs(f.Groups))
	}
	add("  %s, %s of packs, %s dropped, %s", many(int64(f.Events), "text"), many(int64(f.States), "state"), many(int64(f.Dropped), "pending action"), many(int64(f.Timers), "timer"))
	if f.Missed > 0 {
		add("  %s that packs had missed, and that do not run any more", many(int64(f.Missed), "event"))
	}
	if f.Quarantined > 0 {
		add("  %s in quarantine", deliveries(f.Quarantined))
	}
	if f.Lists > 0 {
		add("  %s of lists and their history", choose(f.Lists == 1, "1 entry", fmt.Sprintf("%d entries", f.Lists)))
	}
	removes := f.KVRemoved || in.KV && f.DryRun
	if removes && len(f.KV) > 0 {
		add("  %s of kv", choose(len(f.KV) == 1, "1 entry", fmt.Sprintf("%d entries", len(f.KV))))
	}
	for _, id := range f.Held {
		add("chat %s %s held: chertd release %s ends that", id, choose(f.DryRun, "is", "stays"), diag.ShellWord(id))
	}
	for _, id := range f.Released {
		add("the hold of chat %s %s", id, choose(f.DryRun, "ends", "has ended"))
	}
	for _, id := range f.InFlight {
		add("warning: a call for chat %s was already on its way to Chert and can't be recalled", id)
	}
	if f.Kept > 0 {
		add("warning: %s in groups keep%s text: not handled yet, or missed by a pack; repeat the command after chertd retry-errors", many(int64(f.Kept), "message"), choose(f.Kept == 1, "s its", " their"))
	}
	if len(f.KV) > 0 && !removes {
		add("kv of packs names this chat or person; --kv removes the entries:")
		for i, kv := range f.KV {
			if i == forgetShown {
				add("  and %d more", len(f.KV)-i)
				break
			}
			add("  %s: %s", kv.Pack, kv.Key)
		}
	}
	if f.Remains != "" {
		add("warning: %s; repeat the command", f.Remains)
	}
	return lines
}

// listedIDs lists ids of chats in a line.
func listedIDs(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	text := ""
	for i, id := range slices.Clip(ids) {
		if i == forgetShown {
			return text + fmt.Sprintf(" and %d more", len(ids)-i)
		}
		text += choose(i == 0, "", ", ") + id
	}
	return text
}
