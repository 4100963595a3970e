package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/luabind/diag"
)

func newSignalCommand() *cobra.Command {
	var f daemonFlags
	var in control.SignalRequest
	var data string
	cmd := &cobra.Command{
		Use:   "signal NAME --chat CHAT",
		Short: "Tell the rules what has happened outside: a human replied, a bot took over",
		Long: `Sends a signal: an event "signal:NAME" of a chat, to which rules subscribe. It is on
disk before the command succeeds, is handled once, and in the order of the chat's
events. It makes no chat unread and makes no call: rules decide what it leads to.

With --id, a signal that is sent again changes nothing. Give the id of what has
happened, such as that of the reply in your helpdesk, and repeat the command until
it succeeds. Programs use POST /api/v1/signals instead: see docs/http-api.md.

CHAT is the id of the chat: data.chat.id of its events, or chat in the log.`,
		Example: "  chertd signal human_replied --chat 7d1b2c9e\n  chertd signal human_replied --chat 7d1b2c9e --id reply-4711 --data '{\"agent\": \"Ann\"}'\n  chertd signal bot_took_over --chat 7d1b2c9e --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted(usageError("signal needs one name, got %d", len(args)), "for example: chertd signal human_replied --chat CHAT")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			if !cmd.Flags().Changed("chat") {
				return hinted(usageError("--chat is missing: a signal is about a chat"), "chertd signal "+diag.ShellWord(in.Name)+" --chat CHAT; CHAT is data.chat.id of its events, or chat in the log")
			}
			if cmd.Flags().Changed("id") && in.ID == "" {
				return hinted(usageError("--id is empty"), "without --id, each signal counts")
			}
			if data != "" || cmd.Flags().Changed("data") {
				if !json.Valid([]byte(data)) {
					return hinted(usageError("--data: it is not JSON%s", whereNotJSON(data)), `in quotes, for example --data '{"agent": "Ann"}' or --data '"text"'`)
				}
				in.Data = json.RawMessage(data)
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				s, err := c.Signal(ctx, in)
				if err != nil {
					return err
				}
				if err := tell(cmd, f.json, s, signalWords(&s)...); err != nil {
					return err
				}
				return warnUnheard(cmd.ErrOrStderr(), &s)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Chat, "chat", "", "`CHAT` that the signal is about")
	cmd.Flags().StringVar(&in.ID, "id", "", "`ID` of what has happened: a signal with this id counts once (default: a new one)")
	cmd.Flags().StringVar(&data, "data", "", "`JSON` value for the rules: ev.signal.data")
	cmd.Flags().BoolVar(&in.Force, "force", false, "send it to a chat of which chertd has seen no event")
	return cmd
}

// whereNotJSON returns where a text stops being JSON.
func whereNotJSON(text string) string {
	err := json.Unmarshal([]byte(text), new(any))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return ": " + syntax.Error()
	}
	return ""
}

// signalWords returns the lines that describe the answer to a signal.
func signalWords(s *control.Signaled) []string {
	if s.Duplicate {
		return []string{fmt.Sprintf("signal %s was accepted before; this one changes nothing", s.ID)}
	}
	return []string{
		fmt.Sprintf("signal %s is accepted for chat %s, with id %s; %s", s.Name, s.Chat, s.ID,
			choose(s.Rules == 1, "1 live rule subscribes to it", many(int64(s.Rules), "live rule")+" subscribe to it")),
		"hint: chertd explain " + diag.ShellWord(s.Event) + " shows what it led to",
	}
}

// warnUnheard warns of a signal to which no rule subscribes.
func warnUnheard(w io.Writer, s *control.Signaled) error {
	if s.Rules > 0 {
		return nil
	}
	typ := event.SignalPrefix + s.Name
	warning := "no rule subscribes to " + typ
	if s.Shadow > 0 {
		warning = "only rules in shadow subscribe to " + typ + ": what they request has no effect"
	}
	if len(s.Near) > 0 {
		var names []string
		for _, name := range s.Near {
			names = append(names, event.SignalPrefix+name)
		}
		warning += "; did you mean " + strings.Join(names, " or ") + "?"
	}
	hint := "chert.on(" + strconv.Quote(typ) + ", function(ev) … end) subscribes to it; chertd packs lists the packs and their modes"
	_, err := fmt.Fprintf(w, "chertd: warning: %s\n  hint: %s\n", diag.Visible(warning), diag.Visible(hint))
	return err
}
