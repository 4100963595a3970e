package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/luabind"
	"chertd/luabind/diag"
)

const (
	// retryTogether is how many events are run again before others get their turn.
	retryTogether = 16
	// retryRest is how long to wait after them, as a multiple of the time that they took:
	// live events come first, and have most of the processor and of the disk.
	retryRest = 3
	// maxRetried is how many events one command runs again at most. The rest takes another.
	maxRetried = 100_000
	// retryGivesUp is how many events must fail again for the command to give up, if most do:
	// the pack is not fixed, and failures count towards the suspension of its rules.
	retryGivesUp = 5
)

// retries runs events again through a pack, one command at a time.
type retries struct {
	mu      sync.Mutex
	last    *control.Retried // of the command under way, or the last one; nil: there was none
	changed chan struct{}    // closed when last changes
	running sync.WaitGroup
	stop    context.CancelFunc // ends the one under way; nil: none was started
}

// update changes what is known of the command under way.
func (r *retries) update(change func(*control.Retried)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := *r.last
	change(&next)
	r.last = &next
	close(r.changed)
	r.changed = make(chan struct{})
}

// end ends the command under way, and waits for that. Call it when no command begins any
// more.
func (r *retries) end() {
	r.mu.Lock()
	stop := r.stop
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	r.running.Wait()
}

// status returns the command under way; nil: there is none.
func (r *retries) status() *control.Retried {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || r.last.Ended {
		return nil
	}
	last := *r.last
	return &last
}

// RetryErrors implements control.Daemon.
func (m *manager) RetryErrors(ctx context.Context, pack string, in control.RetryErrorsRequest) (control.Retried, error) {
	length := control.DefaultRetrySince
	if in.Since != "" {
		d, err := luabind.ParseDuration(in.Since)
		if err == nil && d <= 0 {
			err = fmt.Errorf("it must be greater than 0, got %s", in.Since)
		}
		if err != nil {
			return control.Retried{}, &control.UserError{Message: "since: " + err.Error(), Hint: "for example 24h or 7d"}
		}
		length = d
	}
	if err := m.retriable(pack); err != nil {
		return control.Retried{}, err
	}
	r := &m.retries
	if under := r.status(); under != nil {
		return control.Retried{}, &control.UserError{
			Status:  http.StatusConflict,
			Message: fmt.Sprintf("chertd runs events again through pack %s already: %d of %d", under.Pack, under.Done, under.Events),
			Hint:    "repeat the command once that has ended; chertd status shows its progress",
		}
	}
	began := m.eng.c.Now()
	all, older, more, err := m.eng.lapses(ctx, pack, began.Add(-length), maxRetried)
	if err != nil {
		return control.Retried{}, err
	}
	result := control.Retried{Pack: pack, Began: began, Events: len(all), Older: older, More: more, DryRun: in.DryRun, Ended: in.DryRun || len(all) == 0}
	if result.Ended {
		return result, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil && !r.last.Ended {
		return control.Retried{}, &control.UserError{Status: http.StatusConflict, Message: "another retry-errors has just begun", Hint: "repeat the command once that has ended"}
	}
	working, stop := context.WithCancel(context.Background())
	r.last, r.stop, r.changed = &result, stop, make(chan struct{})
	m.log.Info("events run again by command", keyPack, pack, "events", len(all))
	r.running.Go(func() {
		defer stop()
		m.retryAll(working, pack, all)
	})
	return result, nil
}

// retriable refuses a pack that can't run events now.
func (m *manager) retriable(pack string) error {
	set := m.eng.Rules()
	if set == nil || !set.Has(pack) {
		return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no pack %q", pack), Hint: "chertd packs lists them"}
	}
	version, out := set.Serving(pack)
	switch {
	case out:
		return &control.UserError{
			Status: http.StatusConflict, Message: fmt.Sprintf("pack %s is in mode %s: events run again only through a live pack", pack, set.Mode(pack)),
			Hint: diag.PackCommand("mode", pack, "live") + " makes it live",
		}
	case version == "":
		return &control.UserError{
			Status: http.StatusConflict, Message: fmt.Sprintf("no version of pack %s is live: it does not load", pack),
			Hint: diag.PackCommand("packs", pack) + " shows what is wrong",
		}
	case m.eng.suspensions.Suspends(set, pack, m.eng.c.Now()):
		return &control.UserError{
			Status: http.StatusConflict, Message: fmt.Sprintf("a rule of pack %s is suspended: it fails again and again", pack),
			Hint: diag.PackCommand("packs", pack) + " shows why; an edit that fixes it ends the suspension",
		}
	}
	return nil
}

// retryAll runs lapses again in their order, some at a time.
func (m *manager) retryAll(ctx context.Context, pack string, all []lapse) {
	var err error
	suspended := 0
	for len(all) > 0 && err == nil {
		some := all[:min(len(all), retryTogether)]
		all = all[len(some):]
		began := time.Now()
		var more int
		if more, err = m.retrySome(ctx, pack, some); err != nil {
			break
		}
		suspended += more
		if last := m.retries.status(); last.Failed >= retryGivesUp && last.Failed > last.Ran {
			err = errNotFixed
			if last.Failed-suspended < retryGivesUp {
				err = errSuspended
			}
			break
		}
		if len(all) > 0 && !wait.For(ctx, retryRest*time.Since(began)) {
			err = errStopping
		}
	}
	var last control.Retried
	m.retries.update(func(r *control.Retried) {
		r.Ended = true
		if err != nil {
			r.Error = err.Error()
		}
		last = *r
	})
	attrs := []any{keyPack, pack, "ran", last.Ran, "failed", last.Failed, "without_text", last.WithoutText, "reads_released", last.Released, "reads_vetoed", last.Vetoed, "reads_dropped", last.Dropped}
	if err != nil {
		m.log.Warn("running events again ended early; repeat the command for the rest", append(attrs, keyError, err, "left", last.Events-last.Done)...)
		return
	}
	m.log.Info("events have run again", attrs...)
}

var (
	errNotFixed = errors.New("most events fail again: the pack is not fixed")
	// errSuspended says nothing about the pack's files: they may be fixed already.
	errSuspended = errors.New("most events did not run: rules of the pack are suspended, and run again when that ends")
	errNotLive   = errors.New("the pack is not live any more")
)

// retrySome runs lapses again, and returns once that is durable.
// suspended is how many did not run because rules of the pack are suspended.
func (m *manager) retrySome(ctx context.Context, pack string, some []lapse) (suspended int, err error) {
	requests, done := make([]*retry, len(some)), make(chan error, len(some))
	posted := 0
	for i := range some {
		requests[i] = &retry{pack: pack, lapse: some[i]}
		if err = m.eng.shardOf(some[i].key).post(ctx, request{chat: some[i].key, retry: requests[i], done: done}); err != nil {
			break
		}
		posted++
	}
	for range posted { // shards answer each request, also when they end
		if e := <-done; e != nil && err == nil {
			err = e
		}
	}
	if err != nil {
		return 0, err
	}
	m.retries.update(func(r *control.Retried) {
		for _, x := range requests {
			r.Done++
			switch x.result {
			case lapseRan:
				r.Ran++
			case lapseFailed:
				r.Failed++
			case lapseSuspended:
				r.Failed++
				suspended++
			case lapseNoText:
				r.WithoutText++
			case lapseRefused:
				err = errNotLive
				r.Done--
			}
			r.Released += x.reads.released
			r.Vetoed += x.reads.vetoed
			r.Dropped += x.reads.dropped
		}
	})
	return suspended, err
}

// ErrorsRetried implements control.Daemon.
func (m *manager) ErrorsRetried(ctx context.Context, pack string, patience time.Duration) (control.Retried, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		m.retries.mu.Lock()
		last, changed := m.retries.last, m.retries.changed
		m.retries.mu.Unlock()
		if last == nil || last.Pack != pack {
			return control.Retried{}, &control.UserError{
				Status: http.StatusNotFound, Message: fmt.Sprintf("no retry-errors of pack %s has been started", pack), Hint: diag.PackCommand("retry-errors", pack) + " starts one",
			}
		}
		if last.Ended {
			return *last, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return *last, nil
		case <-ctx.Done():
			return control.Retried{}, ctx.Err()
		}
	}
}
