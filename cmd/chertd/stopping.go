package main

import (
	"log/slog"
	"time"
)

// stopSlack is how long stopping may take beyond chert.timeout, in which every
// call in flight ends: commands, specs and the store have it.
const stopSlack = 10 * time.Second

// endOverdue ends the process if it has not ended in time: when a disk hangs, for
// instance. Nothing acknowledged is lost by that, as by a kill -9.
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
