package main

import (
	"context"

	"github.com/spf13/cobra"

	"chertd/engine/control"
)

func newPauseCommand() *cobra.Command {
	return pauseCommand(true, "pause", "Stop all calls to Chert until resume",
		`Stops all calls to Chert, also across restarts. chertd keeps accepting events and
running rules on them; their actions wait in the store.`,
		"calls are paused, also across restarts; to resume them, run: chertd resume")
}

func newResumeCommand() *cobra.Command {
	return pauseCommand(false, "resume", "Resume calls to Chert after pause",
		`Resumes calls to Chert after pause. Actions that came due while calls were paused
go out at the configured rate, except reads that were superseded or vetoed.`,
		"calls are resumed")
}

func pauseCommand(on bool, name, short, long, done string) *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if err := c.Pause(ctx, on); err != nil {
					return err
				}
				lines := []string{done}
				if !on && !f.json {
					lines = append(lines, callsHeld(ctx, c, "they still wait")...)
				}
				return tell(cmd, f.json, map[string]bool{"paused": on}, lines...)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// callsHeld returns why calls are not made now, each reason after what; none: they are made, or it
// is not known.
func callsHeld(ctx context.Context, c *control.Client, what string) (lines []string) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil // the command itself was done
	}
	for _, why := range s.NoCalls {
		lines = append(lines, what+": "+why)
	}
	return lines
}
