package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// retryStep is how long one request waits for events to run again.
const retryStep = 10 * time.Second

func newRetryErrorsCommand() *cobra.Command {
	var f daemonFlags
	var in control.RetryErrorsRequest
	cmd := &cobra.Command{
		Use:   "retry-errors PACK",
		Short: "Run events again that a pack failed on or missed",
		Long: `Runs events again through a pack, once it is fixed: those on which a handler of it
failed, and those that it missed because it was broken or suspended. They run in
order, through no other pack, and newer events and commands take precedence: a read
is not made if a newer message superseded it or the chat is held. Reads that were
blocked because of these events go out, or are vetoed.

Live events are not delayed. Each event runs once: if the command, or chertd, is
interrupted, run the command again for the rest. An event whose text store.raw has
removed can't run again.`,
		Example: "  chertd retry-errors vip --dry-run\n  chertd retry-errors vip --since 7d",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d, err := luabind.ParseDuration(in.Since); err != nil {
				return hinted(usageError("--since: %v", err), "for example --since 24h")
			} else if d <= 0 {
				return hinted(usageError("--since: it must be greater than 0, got %s", in.Since), "for example --since 24h")
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := retryErrors(ctx, c, args[0], in)
				if err != nil {
					return err
				}
				if err := tell(cmd, f.json, r, rerunWords(r, in.Since)...); err != nil {
					return err
				}
				return rerunError(r)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Since, "since", "24h", "events that the pack failed on or missed within this `DURATION`")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "count the events, and run none")
	return cmd
}

// retryErrors runs events again, and waits for the end.
func retryErrors(ctx context.Context, c *control.Client, pack string, in control.RetryErrorsRequest) (control.Retried, error) {
	r, err := c.RetryErrors(ctx, pack, in)
	for err == nil && !r.Ended {
		r, err = c.ErrorsRetried(ctx, pack, retryStep)
	}
	return r, err
}

// rerunError returns the error of a command after which events have failed again, or that ended
// early.
func rerunError(r control.Retried) error {
	switch {
	case r.Error != "":
		return hinted(errors.New("not all events ran again: "+r.Error), diag.PackCommand("packs", r.Pack)+" shows the pack; repeat the command for the rest")
	case r.Failed > 0:
		return hinted(fmt.Errorf("%s failed again in pack %s", many(int64(r.Failed), "event"), r.Pack), diag.PackCommand("packs", r.Pack)+" shows why; repeat the command once the pack is fixed")
	}
	return nil
}

// rerunWords returns the lines that describe which events ran again.
func rerunWords(r control.Retried, since string) (lines []string) {
	pack := "pack " + r.Pack
	switch {
	case r.Events == 0:
		lines = append(lines, fmt.Sprintf("%s has failed on no event within %s, and missed none", pack, since))
	case r.DryRun:
		lines = append(lines, fmt.Sprintf("%s to run again through %s", many(int64(r.Events), "event"), pack))
	default:
		lines = append(lines, fmt.Sprintf("%s: %s of %s ran again, %d failed again", pack, thousands(int64(r.Ran)), many(int64(r.Events), "event"), r.Failed))
	}
	if r.WithoutText > 0 {
		lines = append(lines, fmt.Sprintf("%s can't run again: store.raw has removed %s", many(int64(r.WithoutText), "event"), choose(r.WithoutText == 1, "its text", "their texts")))
	}
	var reads []string
	for _, n := range []struct {
		n    int64
		what string
	}{{r.Released, "released"}, {r.Vetoed, "vetoed"}, {r.Dropped, "dropped"}} {
		if n.n > 0 {
			reads = append(reads, thousands(n.n)+" "+n.what)
		}
	}
	if len(reads) > 0 {
		lines = append(lines, "blocked reads: "+strings.Join(reads, ", "))
	}
	if r.Older > 0 {
		lines = append(lines, fmt.Sprintf("%s that the pack missed earlier; --since 7d includes those of a week", many(r.Older, "event")))
	}
	if r.More {
		lines = append(lines, "there are more events: repeat the command")
	}
	return lines
}
