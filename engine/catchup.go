package engine

import (
	"context"
	"errors"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/source"
	"chertd/engine/wait"
)

// CatchUp has the settings of reading Chert's events log.
type CatchUp struct {
	Every    time.Duration // between two passes; 0: the log is not read
	Lookback time.Duration // before now, of a log that was never read
	Wait     time.Duration // how long calls wait at most for what was missed
}

// newCatchUp returns the source that reads the events log.
func (d *Daemon) newCatchUp(eng *Engine, client *dispatch.Client, clock *chertClock) *source.CatchUp {
	in := d.takeIn(eng)
	in.Lags = source.NewLags(clock.Now)
	log := eng.c.Credential + " events"
	return source.NewCatchUp(source.CatchUpConfig{
		Page: func(ctx context.Context, q chert.EventQuery) (chert.EventPage, chert.Reply, error) {
			page, reply, err := client.Events(ctx, q)
			var e *chert.Error
			if errors.As(err, &e) && eng.gov.Limited(eng.c.Now(), e) {
				eng.keepPause(eng.gov.Pause())
			}
			return page, reply, err
		},
		Pace:      eng.paceRequest,
		Cursor:    logTime(eng, log),
		SetCursor: setLogTime(eng, log),
		Least:     logTime(eng, log+" least"), SetLeast: setLogTime(eng, log+" least"),
		Started:      func(ctx context.Context) (time.Time, error) { return eng.firstStart(ctx, log+" start") },
		SetStarted:   setLogTime(eng, log+" start"),
		ChertStarted: logTime(eng, log+" chert start"), SetChertStarted: setLogTime(eng, log+" chert start"),
		Take: in.Take, Lags: in.Lags,
		BeginGap: func() { eng.BeginGap(d.CatchUp.Wait) },
		EndGap:   eng.EndGap,
		Every:    d.CatchUp.Every, Lookback: d.CatchUp.Lookback,
		Now: d.Now, Jitter: eng.c.Jitter, Log: d.Log,
	})
}

// logTime and setLogTime return functions that get and set a time that the store keeps of a log.
func logTime(e *Engine, name string) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) { return e.c.Store.LogCursor(ctx, name) }
}

func setLogTime(e *Engine, name string) func(context.Context, time.Time) error {
	return func(ctx context.Context, t time.Time) error { return e.c.Store.SetLogCursor(ctx, name, t) }
}

// firstStart returns when it was first called, by what the store keeps.
func (e *Engine) firstStart(ctx context.Context, name string) (time.Time, error) {
	at, err := e.c.Store.LogCursor(ctx, name)
	if err != nil || !at.IsZero() {
		return at, err
	}
	at = e.c.Now()
	return at, e.c.Store.SetLogCursor(ctx, name, at)
}

// newStream returns the source that takes events from Chert's stream. What it misses between
// two connections is in the events log.
func (d *Daemon) newStream(eng *Engine, client *dispatch.Client, clock *chertClock, gap func()) *source.Stream {
	in := d.takeIn(eng)
	in.Ingest, in.Lags = eng.Deliver, source.NewLags(clock.Now)
	return source.NewStream(source.StreamConfig{
		Open: client.Stream, Take: in.Take, Lags: in.Lags, Gap: gap,
		Now: d.Now, ChertNow: clock.Now, Jitter: eng.c.Jitter, Log: d.Log,
	})
}

// paceRequest waits until a request that is not a call of a chat may be made. Calls don't wait
// longer for such requests than these for calls, unless all calls wait for them. It returns
// false if ctx ends first.
func (e *Engine) paceRequest(ctx context.Context) bool {
	for {
		d, retry := e.gov.Spend(e.c.Now(), e.gaps.now() == nil)
		if !wait.For(ctx, d) {
			return false
		}
		if !retry {
			break
		}
	}
	// Chert may have asked for a pause since the request took its place.
	for {
		left := e.gov.PauseLeft(e.c.Now())
		if left <= 0 {
			return true
		}
		if !wait.For(ctx, left) {
			return false
		}
	}
}
