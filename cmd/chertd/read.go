package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

func newReadCommand() *cobra.Command {
	var f daemonFlags
	var in control.ReadRequest
	cmd := &cobra.Command{
		Use:   "read CHAT",
		Short: "Mark a chat as read, as a rule would",
		Long: `Requests that a chat be marked as read. The read covers the messages that the chat
has now, and goes out like any other: within the rate, once, and also after a
restart. A rule's veto for the newest message drops it, and so do a hold and a
newer message. Then the command prints why, and exits with 1.

CHAT is the id of the chat: data.chat.id of its events, or chat in the log.`,
		Example: "  chertd read 7d1b2c9e --reason \"answered by phone\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Chat, in.By = args[0], author(in.By)
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Read(ctx, in)
				if err != nil {
					return err
				}
				lines, failed := readWords(&r)
				if failed == nil || f.json {
					if err := tell(cmd, f.json, r, lines...); err != nil {
						return err
					}
				}
				return failed
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`REASON`, shown by explain and in the log")
	cmd.Flags().StringVar(&in.By, "by", "", "`NAME` of who requests it (default the login name)")
	return cmd
}

// readWords returns the lines that describe the result of a read, or the error of one that
// does not go out.
func readWords(r *control.ReadRequested) ([]string, error) {
	a := r.Read
	more := "hint: chertd explain " + diag.ShellWord(r.Event) + " shows more"
	if a == nil {
		return []string{fmt.Sprintf("chat %s: the read is requested; earlier events of the chat are handled first", r.Chat), more}, nil
	}
	switch chat.Status(a.Status) {
	case chat.Waiting:
		lines := []string{fmt.Sprintf("chat %s: the read is requested", r.Chat)}
		if a.WaitsFor != "" {
			lines[0] += "; " + localTimes(a.WaitsFor)
		}
		for _, why := range r.Waits {
			lines = append(lines, "  "+localTimes(why))
		}
		return lines, nil
	case chat.Done:
		return []string{fmt.Sprintf("chat %s is marked as read", r.Chat)}, nil
	}
	if a.Why == chat.WhyReplaced {
		return []string{fmt.Sprintf("chat %s: the read is requested; another command has requested it at the same time", r.Chat)}, nil
	}
	if a.Why == chat.WhyAlreadyRead {
		return []string{fmt.Sprintf("chat %s is read already", r.Chat)}, nil
	}
	why := a.Why
	if end := a.EndedBy; end != nil {
		why += " " + endedBy(a, end)
	}
	text := fmt.Sprintf("chat %s is not marked as read: %s", r.Chat, why)
	hint := "chertd explain " + diag.ShellWord(r.Event) + " shows more"
	switch {
	case a.Why == chat.WhyHeld && a.EndedBy != nil && isSelection(a.EndedBy.By):
		hint = "all chats of a selection are held; to end that for all of them, run: chertd release --id " + strings.TrimPrefix(a.EndedBy.By, "hold ")
	case a.Why == chat.WhyHeld:
		hint = "to end the hold, run: chertd release " + diag.ShellWord(r.Chat)
	case a.Why == chat.WhyVetoed:
		hint = "a veto beats any read, until a newer message comes; " + hint
	case a.Error != "":
		text += ": " + a.Error
	}
	return nil, hinted(fail(exitFailure, errors.New(diag.Visible(text))), hint)
}

// isSelection reports whether a name is that of the hold of a selection.
func isSelection(by string) bool {
	_, ok := chat.ParseHoldName(by)
	return ok
}
