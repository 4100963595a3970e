package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/luabind"
)

// drainStep is how long one request waits for the daemon to stop, and goneStep how often the
// command checks that it is gone after that.
const (
	drainStep = 10 * time.Second
	goneStep  = 20 * time.Millisecond
)

func newDrainCommand() *cobra.Command {
	var f daemonFlags
	var timeout string
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Drain and stop the daemon, and wait until it has stopped",
		Long: `Drains and stops the daemon, as SIGTERM does: it takes in no more events, begins no
more calls, and stops once the calls in flight have ended. Everything else is in the
store and continues at the next start.

The command waits until the daemon has stopped, and prints what is left. It exits
with 0 then, and with 1 if the daemon has not stopped within --timeout; it continues
to drain even so. The daemon exits with 0: a service manager that restarts it
regardless of that starts it again.`,
		Example: "  chertd drain\n  chertd drain --timeout 20s --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			patience, err := luabind.ParseDuration(timeout)
			if err != nil {
				return hinted(usageError("--timeout: %v", err), "for example --timeout 60s")
			} else if patience <= 0 {
				return hinted(usageError("--timeout: it must be greater than 0, got %s", timeout), "for example --timeout 60s")
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				ctx, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				d, again, err := drain(ctx, c)
				switch {
				case err == nil:
					return tell(cmd, f.json, d, drainWords(d, again)...)
				case d.Since.IsZero(), !errors.Is(err, context.DeadlineExceeded):
					return err
				}
				if f.json {
					if err := printJSON(cmd.OutOrStdout(), d); err != nil {
						return err
					}
				}
				return hinted(fmt.Errorf("chertd has not stopped after %s: %s", timeout, choose(d.Stopped, "its work has ended, its process has not", many(int64(d.InFlight), "call")+" in flight")),
					"it continues to drain; run chertd drain again to wait, or send SIGTERM twice to stop it immediately")
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&timeout, "timeout", "60s", "wait for this `DURATION` at most")
	return cmd
}

// drain drains the daemon and waits until it has stopped, or ctx ends. It returns how far it
// came. again is set if another daemon has taken its place since.
func drain(ctx context.Context, c *control.Client) (d control.Drain, again bool, err error) {
	if d, err = c.Drain(ctx); err != nil {
		return d, false, err
	}
	already := d.Already
	for !d.Stopped {
		next, err := c.Drained(ctx, drainStep)
		switch {
		case ctx.Err() != nil:
			return d, false, ctx.Err()
		case errors.As(err, new(*control.SilentError)):
			return d, false, err
		case err != nil:
			return d, false, hinted(fmt.Errorf("chertd ended before it said what is left: %w", err), "look at the end of its log; pending work is in the store and continues at the next start")
		}
		d, d.Already = next, already
	}
	for {
		next, err := c.Drained(ctx, 0)
		switch {
		case ctx.Err() != nil:
			return d, false, ctx.Err()
		case errors.As(err, new(*control.UnreachableError)):
			return d, false, nil
		case errors.As(err, new(*control.SilentError)):
			return d, false, err
		case err != nil, !next.Since.Equal(d.Since):
			return d, true, nil
		}
		if !wait.For(ctx, goneStep) {
			return d, false, ctx.Err()
		}
	}
}

// drainWords returns the lines that describe what a daemon has left.
func drainWords(d control.Drain, again bool) (lines []string) {
	left := many(d.Pending, "event") + " pending, " + many(d.Waiting, "action") + " waiting" + choose(d.Blocked == 0, "", ", "+many(d.Blocked, "read")+" blocked")
	switch {
	case d.Unknown != "":
		left = "what is left is unknown: " + d.Unknown
	case d.Pending+d.Waiting+d.Blocked > 0:
		left += "; they are in the store, and continue after the next start"
	}
	lines = append(lines, "stopped: "+left)
	if again {
		lines = append(lines, "warning: chertd runs again: its service manager has restarted it")
	}
	return lines
}
