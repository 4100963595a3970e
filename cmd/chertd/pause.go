package main

import (
	"context"

	"github.com/spf13/cobra"

	"chertd/engine/control"
)

func newPauseCommand() *cobra.Command {
	return pauseCommand(true, "pause", "Stop all calls to Chert until resume",
		`Stops all calls to Chert, also across a restart. Events are taken in and rules
run on them as ever; what they ask for waits in the store.`,
		"calls are paused, also across a restart, until chertd resume")
}

func newResumeCommand() *cobra.Command {
	return pauseCommand(false, "resume", "Let calls to Chert go on after pause",
		`Lets calls to Chert go on after pause. What has come due meanwhile goes out at
the configured rate; reads that were superseded or vetoed do not.`,
		"calls go on")
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
				return tell(cmd, f.json, map[string]bool{"paused": on}, done)
			})
		},
	}
	f.add(cmd)
	return cmd
}
