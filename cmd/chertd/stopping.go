package main

import (
	"log/slog"
	"time"
)

// stopSlack is how much longer than chert.timeout stopping may take. Calls in flight end
// within chert.timeout; the rest is for commands, specs and the store.
const stopSlack = 10 * time.Second

// endOverdue ends the process if it has not stopped in time, for instance because a disk
// hangs. As with kill -9, no acknowledged event is lost.
func endOverdue(ended <-chan struct{}, patience time.Duration, log *slog.Logger, exit func(code int)) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
		log.Error("chertd stopped before all work in progress had ended; it resumes at the next start",
			"waited", patience.String(), "hint", "check the disk: slow writes are the most likely cause")
		exit(exitFailure)
	}
}
