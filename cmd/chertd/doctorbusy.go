package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"chertd/engine/chert"
	"chertd/engine/wait"
)

const (
	// busyWait is the longest retry_after that a check waits for before it asks once more.
	busyWait = 5 * time.Second
	// busyUnnamed is how long it waits if Chert names no time.
	busyUnnamed = time.Second
)

// busy reports whether Chert answered that it has no room for the call now (429 or 503). That says
// nothing about the configuration.
func busy(err error) (retryAfter time.Duration, is bool) {
	e, ok := errors.AsType[*chert.Error](err)
	if !ok || e.Foreign || e.Status != http.StatusTooManyRequests && e.Status != http.StatusServiceUnavailable {
		return 0, false
	}
	if e.RetryAfter == 0 {
		return busyUnnamed, true
	}
	return e.RetryAfter, true
}

// patiently makes a call of a check. If Chert is busy and asks for a short wait, it waits and makes
// the call once more.
func patiently(ctx context.Context, call func() error) error {
	err := call()
	if pause, is := busy(err); is && pause <= busyWait && wait.For(ctx, pause) {
		return call()
	}
	return err
}

// callFailed adds the error of a call to a check: a problem if it is serious, but never if Chert is
// only busy.
func (k *checkup) callFailed(r *result, err error, serious bool) {
	message, fix := k.explain(err)
	if pause, is := busy(err); is {
		r.warn(message, "wait "+human(pause)+", and run chertd doctor again; calls of the daemon wait and are retried")
		return
	}
	if serious {
		r.problem(message, fix)
	} else {
		r.warn(message, fix)
	}
}
