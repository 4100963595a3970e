package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/engine/wait"
	"chertd/rules/chat"
)

// CatchUpConfig has the settings of a CatchUp. All fields are needed but Lags, Lookback and Jitter.
type CatchUpConfig struct {
	// Page reads a page of the events log.
	Page func(context.Context, chert.EventQuery) (chert.EventPage, chert.Reply, error)
	// Pace waits until a request may be made under the rate of all calls. It returns false
	// if ctx ends first.
	Pace func(context.Context) bool
	// Cursor returns the time up to which the log is journaled; zero: it was never read.
	Cursor    func(context.Context) (time.Time, error)
	SetCursor func(context.Context, time.Time) error
	// Least returns the time up to which rows are never wanted, by Chert's clock: before the
	// first start and the lookback. Zero: it was not stored.
	Least    func(context.Context) (time.Time, error)
	SetLeast func(context.Context, time.Time) error
	// Started returns when the log was to be read for the first time, by Now. It stays the
	// same across restarts, unless SetStarted changes it because the clock was set back.
	Started    func(context.Context) (time.Time, error)
	SetStarted func(context.Context, time.Time) error
	// ChertStarted returns the same by Chert's clock. Zero: it was not stored.
	ChertStarted    func(context.Context) (time.Time, error)
	SetChertStarted func(context.Context, time.Time) error
	// Take stores deliveries in their order. Its error is that of the context.
	Take func(context.Context, []Delivery) (Taken, error)
	Lags *Lags // of Take; nil: the lag is not measured

	// BeginGap is called when events may have been missed, and EndGap when all of them are
	// journaled. EndGap returns once what waited for that may continue.
	BeginGap func()
	EndGap   func(context.Context)

	Every    time.Duration // between two passes
	Lookback time.Duration // before now, of a log that was never read
	Now      func() time.Time
	Jitter   func() float64 // in [0, 1); default 0.5
	Log      *slog.Logger
}

// CatchUp reads Chert's events log, which has every event, whether its delivery succeeded
// or not. It passes through the log at the start, after each gap, and at intervals: back
// from the newest row to the cursor, and then applies the rows oldest first.
type CatchUp struct {
	cfg  CatchUpConfig
	wake chan struct{}

	applied map[string]time.Time // created_at of rows that the next pass will read again, by id
	wide    time.Time            // when the last wide pass was complete; zero: none since the start
	looked  time.Time            // the clock when it was looked at last, without a log that was read
	ran     time.Time            // when that was

	mu    sync.Mutex
	gap   bool // events may have been missed since the last pass began
	open  bool // BeginGap was called, and EndGap was not since
	stats CatchUpStats
}

// CatchUpStats tells how far the events log is read.
type CatchUpStats struct {
	Passed  time.Time // end of the last complete pass; zero: there was none since the start
	Read    time.Time // created_at of the newest row that is journaled; zero: none
	Passing bool
	Ahead   int // rows that were read in this pass and are not journaled yet

	Rows        int64 // journaled, of those that were read
	Found       int64 // of them, events that had not come in by another source
	Quarantined int64

	Lag Lag // of the events that had not come in by another source

	Failed string       // why the last pass failed; "": it did not
	Cause  *chert.Error // of Failed; nil: it was not a request that failed
	// NoLog is set if what answers at base_url has no events log. Calls don't wait for it.
	NoLog bool
}

const (
	// logOverlap is how much older than the cursor the rows are that a pass reads again.
	// Their times have whole seconds, and rows that several servers write may become
	// visible in another order. Rows that are known are recognized by their event_id.
	logOverlap = 30 * time.Second
	// wideOverlap is how much older the rows are that a pass reads again once in wideEvery,
	// and soon after the start: a row may become visible that late if Chert has trouble.
	wideOverlap = time.Hour
	wideEvery   = time.Hour
	// widePages is how many pages of them are read at most, from the newest: 10,000 rows.
	widePages = 50
	// logPage is how many rows are read at a time: the most that Chert allows.
	logPage = 200
	// maxApplied is how many rows are remembered as applied. Further ones are taken in
	// again, as duplicates.
	maxApplied = 100_000
	// passGap is the shortest time between two passes. While deliveries are answered 503,
	// each of them asks for one.
	passGap = time.Second
	// catchUpRetryMax is the longest wait after a pass that failed.
	catchUpRetryMax = 30 * time.Second
	// noLogAfter is how many answers in a row must say that there is no such route.
	noLogAfter = 3
)

// NewCatchUp returns a CatchUp. It does nothing before Run.
func NewCatchUp(cfg CatchUpConfig) *CatchUp {
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 0.5 }
	}
	return &CatchUp{
		cfg: cfg, wake: make(chan struct{}, 1), applied: map[string]time.Time{}, gap: true, open: true,
		looked: cfg.Now().Round(0), ran: time.Now(),
	}
}

// Gap notes that events may have been missed, and lets a pass begin now. What waits for a
// pass does not wait longer because of a further gap: while the store is full for hours, calls
// go out after the first wait.
func (c *CatchUp) Gap() {
	c.mu.Lock()
	c.gap = true
	begins := !c.open
	c.open = true
	c.mu.Unlock()
	if begins {
		c.cfg.BeginGap()
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Stats returns how far the log is read.
func (c *CatchUp) Stats() CatchUpStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	if c.cfg.Lags != nil {
		s.Lag = c.cfg.Lags.Stats()
	}
	return s
}

func (c *CatchUp) note(change func(*CatchUpStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// beginPass notes that what was missed before is in this pass.
func (c *CatchUp) beginPass() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gap = false
}

// endGap ends the gap, if there is one, unless events may have been missed since the pass
// began.
func (c *CatchUp) endGap(ctx context.Context) {
	c.mu.Lock()
	ends := c.open && !c.gap
	c.mu.Unlock()
	if !ends {
		return
	}
	c.cfg.EndGap(ctx)
	c.mu.Lock()
	c.open = c.gap // another one may have begun meanwhile
	begins := c.open
	c.mu.Unlock()
	if begins {
		c.cfg.BeginGap()
	}
}

// Run passes through the log until ctx ends. It begins in a gap.
func (c *CatchUp) Run(ctx context.Context) {
	failures, none := 0, 0
	last := c.cfg.Now() // when a pass was complete
	for {
		c.beginPass()
		before := c.Stats()
		err := c.pass(ctx)
		if ctx.Err() != nil {
			return
		}
		if noRoute(err) {
			none++
		} else {
			none = 0
		}
		rest := c.cfg.Every
		if err != nil {
			failures++
			rest = c.failed(err, failures, none)
		} else {
			c.passed(failures, before)
			failures, last = 0, c.cfg.Now()
		}
		if err == nil || none >= noLogAfter {
			c.endGap(ctx)
		}
		began := c.cfg.Now()
		if !wait.For(ctx, rest, c.wake) {
			return
		}
		if early := passGap - c.cfg.Now().Sub(began); early > 0 && !wait.For(ctx, min(early, passGap)) {
			return
		}
		// A machine that was suspended, or an outage of the log: what was delivered meanwhile
		// may have been missed.
		if c.cfg.Now().Sub(last) > 2*c.cfg.Every+catchUpRetryMax && none < noLogAfter {
			c.Gap()
		}
	}
}

// passed notes a complete pass, after passes that failed. before is how it was.
func (c *CatchUp) passed(failures int, before CatchUpStats) {
	now, s := c.cfg.Now(), c.Stats()
	switch found := s.Found - before.Found; {
	case found > 0:
		c.cfg.Log.Info("missed events caught up from the events log", "events", found, "rows", s.Rows-before.Rows, "failures", failures)
	case failures > 0:
		c.cfg.Log.Info("events log read again", "failures", failures)
	}
	c.note(func(s *CatchUpStats) { s.Passed, s.Failed, s.Cause, s.NoLog = now, "", nil, false })
}

// failed notes a pass that failed, and returns how long to wait.
func (c *CatchUp) failed(err error, failures, none int) time.Duration {
	var e *chert.Error
	errors.As(err, &e)
	c.note(func(s *CatchUpStats) { s.Failed, s.Cause, s.NoLog = err.Error(), e, none >= noLogAfter })
	switch {
	case none == noLogAfter:
		c.cfg.Log.Error("there is no events log at chert.base_url; calls do not wait for it, and events that the webhook misses are lost",
			"err", err, "hint", "check chert.base_url; or turn the log off: sources.catchup.enabled: false")
	case failures == 1 && none == 0:
		c.cfg.Log.Warn("could not read the events log; retrying", "err", err)
	}
	rest := min(chat.Backoff(failures, c.cfg.Jitter()), catchUpRetryMax, c.cfg.Every)
	if e != nil {
		rest = max(rest, min(e.RetryAfter, time.Hour))
	}
	return rest
}

// noRoute reports whether an error says that what answers has no events log. Chert itself
// would answer with its envelope.
func noRoute(err error) bool {
	var e *chert.Error
	return errors.As(err, &e) && e.Foreign &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented)
}

// pass reads the log back to the cursor, and applies what it has found.
func (c *CatchUp) pass(ctx context.Context) error {
	c.note(func(s *CatchUpStats) { s.Passing, s.Ahead = true, 0 })
	defer c.note(func(s *CatchUpStats) { s.Passing, s.Ahead = false, 0 })
	cursor, err := c.cfg.Cursor(ctx)
	if err == nil && cursor.IsZero() {
		cursor, err = c.begin(ctx)
	}
	if err != nil {
		return err
	}
	w := walk{since: cursor.Add(-logOverlap)}
	wide, err := c.widen(ctx, &w)
	if err != nil {
		return err
	}
	if err := c.back(ctx, &w); err != nil {
		return err
	}
	if w.until.Before(w.since) {
		// Chert's clock was set back: the rows of the last minutes are before this walk.
		since, err := c.notBeforeLeast(ctx, w.until.Add(-wideOverlap))
		if err != nil {
			return err
		}
		w = walk{since: since, needed: w.since}
		if err := c.back(ctx, &w); err != nil {
			return err
		}
	}
	if err := c.forward(ctx, &w, cursor); err != nil {
		return err
	}
	if wide {
		c.wide = c.cfg.Now()
	}
	return nil
}

// widen makes a walk a wide one, if it is time for that. Nothing waits for what a wide walk
// finds, so none is made while calls wait for the pass.
func (c *CatchUp) widen(ctx context.Context, w *walk) (bool, error) {
	c.mu.Lock()
	open := c.open
	c.mu.Unlock()
	if since := c.cfg.Now().Sub(c.wide); open || since >= 0 && since < wideEvery {
		return false, nil
	}
	since, err := c.notBeforeLeast(ctx, w.since.Add(logOverlap-wideOverlap))
	if err != nil {
		return false, err
	}
	w.needed, w.since = w.since, since
	return true, nil
}

// notBeforeLeast returns a time, or the one up to which rows are never wanted if that is later.
func (c *CatchUp) notBeforeLeast(ctx context.Context, t time.Time) (time.Time, error) {
	least, err := c.cfg.Least(ctx)
	if t.Before(least) {
		t = least
	}
	return t, err
}

func (c *CatchUp) page(ctx context.Context, q chert.EventQuery) (chert.EventPage, chert.Reply, error) {
	if !c.cfg.Pace(ctx) {
		return chert.EventPage{}, chert.Reply{}, ctx.Err()
	}
	return c.cfg.Page(ctx, q)
}

// back reads the log from its newest row back to where w begins. A page of long events may be
// longer than an answer may be; then it is read in parts.
func (c *CatchUp) back(ctx context.Context, w *walk) error {
	q := chert.EventQuery{Since: w.since, Limit: logPage}
	for {
		page, reply, err := c.page(ctx, q)
		if errors.Is(err, chert.ErrTooLong) && q.Limit > 1 {
			q.Limit = max(1, q.Limit/8)
			continue
		}
		if err != nil {
			return err
		}
		if w.until.IsZero() {
			if w.until = reply.Date; w.until.IsZero() {
				w.until = c.cfg.Now()
			}
		}
		if err := w.add(q.Cursor, q.Limit, page); err != nil {
			return err
		}
		c.note(func(s *CatchUpStats) { s.Ahead = w.rows })
		if w.complete {
			return nil
		}
		q.Cursor, q.Limit = page.Next, min(2*q.Limit, logPage)
	}
}

// forward applies the rows of a walk, oldest first. The cursor follows.
func (c *CatchUp) forward(ctx context.Context, w *walk, cursor time.Time) error {
	for {
		p, ok := w.oldest()
		if !ok {
			maps.DeleteFunc(c.applied, func(_ string, created time.Time) bool {
				return !created.IsZero() && !created.After(cursor.Add(-logOverlap))
			})
			return nil
		}
		if p.rows == nil && p.n > 0 {
			page, _, err := c.page(ctx, chert.EventQuery{Since: w.since, Limit: p.limit, Cursor: p.cursor})
			if err != nil {
				return err
			}
			p.rows = page.Rows
		}
		newest, err := c.apply(ctx, p.rows)
		if err != nil {
			return err
		}
		if newest.After(w.until) { // no row that comes later may be older than the cursor
			newest = w.until
		}
		if newest.After(cursor) {
			cursor = newest
			if err := c.cfg.SetCursor(ctx, cursor); err != nil {
				return err // it says what was being stored
			}
		}
		c.note(func(s *CatchUpStats) {
			s.Ahead -= min(p.n, s.Ahead)
			if newest.After(s.Read) {
				s.Read = newest
			}
		})
	}
}

// keyOf returns what a row is recognized by: its ids, or a hash of it.
func keyOf(r *chert.Row) string {
	if r.ID != "" {
		return r.ID + "\x00" + r.EventID
	}
	sum := sha256.Sum256(r.Raw)
	return string(sum[:])
}

// placeOf returns what people find a row by.
func placeOf(r *chert.Row) string {
	switch {
	case r.ID != "":
		return fmt.Sprintf("row %q", clip(r.ID))
	case r.EventID != "":
		return fmt.Sprintf("row of event %q", clip(r.EventID))
	}
	return "a row without id"
}

// apply takes in the rows of a page, oldest first, and returns when the newest was created.
func (c *CatchUp) apply(ctx context.Context, rows []chert.Row) (newest time.Time, err error) {
	deliveries := make([]Delivery, 0, len(rows))
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		if r.CreatedAt.After(newest) {
			newest = r.CreatedAt
		}
		if _, known := c.applied[keyOf(r)]; known {
			continue
		}
		deliveries = append(deliveries, Delivery{Body: r.Raw, Source: event.SourceCatchup, Received: c.cfg.Now(), Place: placeOf(r)})
	}
	taken, err := c.cfg.Take(ctx, deliveries)
	for i := range rows {
		if r := &rows[i]; err == nil && len(c.applied) < maxApplied {
			c.applied[keyOf(r)] = r.CreatedAt
		}
	}
	c.note(func(s *CatchUpStats) {
		s.Rows += int64(taken.Events + taken.Known + taken.Quarantined)
		s.Found += int64(taken.Events)
		s.Quarantined += int64(taken.Quarantined)
	})
	return newest, err
}
