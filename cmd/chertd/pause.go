package main

import (
	"context"
	"fmt"

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
		Use: name, Short: short, Long: long, Example: "  chertd " + name,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if err := c.Pause(ctx, on); err != nil {
					return err
				}
				result := struct {
					Paused bool `json:"paused"`
					callsWait
				}{Paused: on}
				if !on {
					result.callsWait = callsWaitFor(ctx, c)
				}
				return tell(cmd, f.json, result, append([]string{done}, result.lines("they still wait")...)...)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// callsWait is why calls wait, of a command after which they may be made.
type callsWait struct {
	State string   `json:"calls_state,omitempty"` // as calls.state of the status; "": the daemon did not answer
	Waits []string `json:"waits,omitempty"`       // the reasons for people; none: calls are made
}

// callsWaitFor asks the daemon why calls wait. The command itself was done, so an error
// counts as no answer.
func callsWaitFor(ctx context.Context, c *control.Client) callsWait {
	s, err := c.Status(ctx)
	if err != nil {
		return callsWait{}
	}
	w := callsWait{State: s.Calls.State, Waits: s.NoCalls}
	for _, l := range s.Calls.Lines {
		of := choose(l.Line == "", "chats whose phone line is not known", "line "+l.Line)
		w.Waits = append(w.Waits, fmt.Sprintf("calls of %s have stopped since %s, because they fail: %s", of, minute(l.Since), l.Error))
	}
	return w
}

// lines returns each reason after what.
func (w *callsWait) lines(what string) (lines []string) {
	for _, why := range w.Waits {
		lines = append(lines, what+": "+localTimes(why))
	}
	return lines
}
