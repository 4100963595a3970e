package console_test

import (
	"context"
	"fmt"
	"testing"

	"chertd/engine/control"
)

// TestStoryHasNoGap: events that leave the newest ones while the page is open, as more come, can still be
// shown; and what is shown of older ones is renewed, too.
func TestStoryHasNoGap(t *testing.T) {
	t.Parallel()
	d := newFake()
	events := func(n int, text string) []control.ExplainedEvent {
		all := make([]control.ExplainedEvent, n)
		for i := range all {
			all[i] = d.explained.Events[0]
			all[i].Seq, all[i].ID, all[i].Text = int64(i+1), fmt.Sprint("evt-", i+1), text
		}
		return all
	}
	fifteen, many := events(15, "as it was"), events(45, "as it is now")
	d.explained.Events = fifteen
	p := console(t, d)
	p.visit("#/chat/7d1b2c9e", "Why was it read, or not?")
	p.until(`document.querySelectorAll(".story > li").length === 15 && !document.querySelector('[data-key="older"]')`)
	d.set(func() { d.explained.Events = many })
	p.click("#explain-all") // reads it again
	p.until(`document.querySelectorAll(".story > li").length === 20 && document.querySelector('[data-key="older"]') !== null`)
	p.click(`[data-key="older"]`)
	p.until(`document.querySelectorAll(".story > li").length === 40`)
	p.click(`[data-key="older"]`)
	p.until(`document.querySelectorAll(".story > li").length === 45 && !document.querySelector('[data-key="older"]') && !document.querySelector(".story").innerText.includes("as it was")`)
}

// TestResumeNamesWhatStillStopsCalls: calls that are resumed may be stopped by something else.
func TestResumeNamesWhatStillStopsCalls(t *testing.T) {
	t.Parallel()
	d := stoppedDaemon{newFake()}
	d.status.Paused, d.status.Calls.State = true, control.CallsPaused
	p := console(t, d)
	p.visit("#/calls", "Calls")
	p.click(`[data-key="resume"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Calls are resumed. Now: Calls have stopped.")
}

// stoppedDaemon is a daemon whose calls an error of the account has stopped, whether they are paused or not.
type stoppedDaemon struct{ *fake }

func (d stoppedDaemon) Pause(_ context.Context, on bool) error {
	d.set(func() { d.status.Paused, d.status.Calls.State = on, control.CallsStopped })
	return nil
}
