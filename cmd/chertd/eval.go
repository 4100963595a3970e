package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/event"
	esource "chertd/engine/source"
	"chertd/rules"
)

// maxEventFile bounds a file given to eval, well above what the webhook takes.
const maxEventFile = 16 << 20

func newEvalCommand() *cobra.Command {
	var format, at, stateFile string
	var source ruleSource
	cmd := &cobra.Command{
		Use:   "eval [-c FILE] EVENT.json [PATH ...]",
		Short: "Show what the rules would do with one event, and why",
		Long: `Runs the rules on one event. Prints which rules ran and which did not, which actions
they requested, and what the outcome would be. No API call is made, and nothing is
stored.

EVENT.json contains the body of a webhook, a row of the events log, or a signal
({"name": "human_replied", "chat": "c1", "data": {}}); - reads standard input. PATH is a
rules directory, a pack or a .lua file.

If you give -c FILE, or no PATH and ./chertd.yaml exists, the rules run with the
settings, modes, grants and time zone of that configuration. Without a PATH they
come from rules.dir of the configuration; without a configuration, from ./rules.
No secrets are needed.

The rules start with an empty store. To supply stored data (ev.state, kv, holds,
pending reads, timers), use --state FILE; docs/rules.md describes its format.

Exits with 1 if a rule fails or the rules do not load.`,
		Example: "  chertd eval event.json\n  chertd eval - examples < event.json\n  chertd eval event.json rules/vip --at 2026-01-05T09:30:00Z\n  chertd eval event.json --state state.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hinted(usageError("eval needs a file with an event"), "run `chertd eval EVENT.json`, or use - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return hinted(usageError("--at %q: expected a time", at), "like 2026-01-05T09:30:00Z")
				}
				now = t
			}
			ev, err := readEvent(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := source.use(args[1:]); err != nil {
				return err
			}
			if source.config != nil {
				if why := esource.OtherTenant(&ev, source.config.Chert.Tenant); why != "" {
					return hinted(fmt.Errorf("read the event from %s: %s", eventPlace(args[0]), why),
						"`chertd run` would quarantine this one; `chertd eval EVENT.json PATH` without -c takes events of any tenant")
				}
			}
			set, diags := rules.Load(source.paths, source.options).Set()
			if diags.Errors() {
				return fail(exitFailure, diags)
			}
			if err := printDiagnostics(io.Discard, cmd.ErrOrStderr(), "pretty", diags); err != nil {
				return err
			}
			now = now.Truncate(time.Millisecond)
			before := &stored{}
			if stateFile != "" {
				if before, diags, err = readState(stateFile, set, len(args) > 1, now); err != nil {
					return err
				}
				if diags.Errors() {
					return fail(exitFailure, diags)
				}
				if err := printDiagnostics(io.Discard, cmd.ErrOrStderr(), "pretty", diags); err != nil {
					return err
				}
			}
			e, err := evaluate(cmd.Context(), set, &ev, now, before)
			if err != nil {
				return fail(exitFailure, err)
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), e)
			} else {
				err = e.print(cmd.OutOrStdout())
			}
			if err == nil && e.Failed {
				err = errSilent
			}
			return err
		},
	}
	formatFlag(cmd, &format, "pretty", "json")
	source.flags(cmd)
	cmd.Flags().StringVar(&stateFile, "state", "", "`FILE` with the stored data that the rules start with (default none)")
	cmd.Flags().StringVar(&at, "at", "", "`TIME` at which the event is handled, RFC 3339 (default now)")
	return cmd
}

// readEvent reads one event in any form Chert delivers; - is standard input.
func readEvent(path string, stdin io.Reader) (event.Event, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return event.Event{}, hinted(fmt.Errorf("read the event: %w", err), "a file with the body of a webhook, a row of the events log or a signal; `chertd new NAME` makes rules/NAME/event.json")
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, maxEventFile+1))
	if err != nil {
		return event.Event{}, fmt.Errorf("read the event: %w", err)
	}
	if len(body) > maxEventFile {
		return event.Event{}, fmt.Errorf("read the event: %s is larger than %d MiB", eventPlace(path), maxEventFile>>20)
	}
	ev, err := decodeRecorded(body)
	if err != nil {
		return event.Event{}, hinted(fmt.Errorf("read the event from %s: %w", eventPlace(path), err), choose(event.IsSignal(body),
			"a signal has name, chat, and if you want id, at and data", "the body of a webhook or a row of the events log; `chertd run` would quarantine this one"))
	}
	if name, ok := strings.CutPrefix(ev.Type, event.SignalPrefix); ok && ev.Signal() == "" {
		return event.Event{}, hinted(fmt.Errorf("read the event from %s: Chert sends no signals, and no rule on %q runs on such an event", eventPlace(path), ev.Type),
			fmt.Sprintf(`write the signal itself: {"name": %s, "chat": %s}`, strconv.Quote(name), strconv.Quote(cmp.Or(ev.ChatID(), "c1"))))
	}
	return ev, nil
}

// decodeRecorded decodes an event of a file: in any form in which Chert delivers it, or a
// signal.
func decodeRecorded(body []byte) (event.Event, error) {
	if event.IsSignal(body) {
		return event.DecodeSignal(body)
	}
	ev, err := event.Decode(body, event.Hints{})
	ev.Source = event.SourceFile
	return ev, err
}

func eventPlace(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}
