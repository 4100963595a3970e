package engine

import (
	"log/slog"
	"sync"
	"time"

	"chertd/engine/dispatch"
)

// failingCalls is how many calls in a row must fail, for reasons that concern
// no single chat, before it is called an outage.
const failingCalls = 3

// callHealth tells when calls stop going through, and when they do again.
type callHealth struct {
	log *slog.Logger

	mu     sync.Mutex
	failed int // in a row
	since  time.Time
	last   string
	told   bool
}

// ended notes how an attempt ended. What Chert refuses for a chat, or asks to
// wait, is an answer: calls go through.
func (h *callHealth) ended(a *dispatch.Attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := a.Err; e != nil && e.Retryable && e.RetryAfter == 0 {
		if h.failed == 0 {
			h.since = a.Ended
		}
		h.failed++
		h.last = e.Error()
		if h.failed == failingCalls {
			h.told = true
			h.log.Warn("calls to Chert fail; they are tried again, with longer and longer waits, for a day", keyError, h.last)
		}
		return
	}
	if h.told {
		h.log.Info("calls to Chert go through again", "failed", h.failed, "since", h.since.UTC().Format(time.RFC3339))
	}
	h.failed, h.told = 0, false
}

// outage returns since when calls fail, and how; the zero time if they don't.
func (h *callHealth) outage() (since time.Time, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed < failingCalls {
		return time.Time{}, ""
	}
	return h.since, h.last
}
