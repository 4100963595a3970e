package source

import (
	"cmp"
	"context"
	"errors"
	"time"

	"chertd/engine/chert"
)

const (
	// clockBack is the least by which a clock is set back. Less is what a clock is off that is
	// being corrected little by little.
	clockBack = 10 * time.Millisecond
	// firstBack is how far Chert's clock may be set back after the first start.
	firstBack = 24 * time.Hour
)

// begin returns the cursor of a log that was never read, and stores it: the first start, by
// Chert's clock, and so that a pass begins at the lookback. If the newest row is older, a pass
// begins right after it, or a day earlier than the lookback: what is newer than that row has
// come since the start, even if Chert's clock is set back.
func (c *CatchUp) begin(ctx context.Context) (time.Time, error) {
	started, err := c.firstStart(ctx)
	if err != nil {
		return time.Time{}, err
	}
	page, reply, err := c.page(ctx, chert.EventQuery{Limit: 1})
	date := reply.Date
	if e := (*chert.Error)(nil); errors.As(err, &e) && !e.Foreign {
		date = e.Date // Chert refuses this request, and its clock may be set until the next one
	}
	first, clockErr := c.chertStart(ctx, date, started)
	if err := cmp.Or(err, clockErr); err != nil {
		return time.Time{}, err
	}
	newest := time.Time{}
	for i := range page.Rows {
		newest = page.Rows[i].CreatedAt
	}
	if first.IsZero() {
		now := c.cfg.Now()
		if newest.After(now) {
			now = newest
		}
		first = c.startBefore(now, started)
	}
	// Rows created within the second of Date may be older or newer.
	least := first.Add(-c.cfg.Lookback - time.Second)
	if timeless := len(page.Rows) > 0 && newest.IsZero(); newest.Before(least) && !timeless {
		if least = least.Add(-firstBack); newest.After(least) {
			least = newest
		}
	}
	if err := c.cfg.SetLeast(ctx, least); err != nil {
		return time.Time{}, err
	}
	cursor := least.Add(logOverlap)
	return cursor, c.cfg.SetCursor(ctx, cursor)
}

// chertStart returns the first start by Chert's clock, as the first Date of Chert's shows it, which
// is zero without one; zero: none has come yet.
func (c *CatchUp) chertStart(ctx context.Context, date, started time.Time) (time.Time, error) {
	first, err := c.cfg.ChertStarted(ctx)
	if err != nil || !first.IsZero() || date.IsZero() {
		return first, err
	}
	first = c.startBefore(date, started)
	return first, c.cfg.SetChertStarted(ctx, first)
}

// startBefore returns the first start by a clock that shows now.
func (c *CatchUp) startBefore(now, started time.Time) time.Time {
	return now.Add(-max(0, c.cfg.Now().Sub(started)))
}

// firstStart returns the first start by the clock as it is now. If the clock was set back since, it
// began earlier by that clock. Of a clock that is set forward the daemon can't tell that the machine
// was not suspended.
func (c *CatchUp) firstStart(ctx context.Context) (time.Time, error) {
	started, err := c.cfg.Started(ctx)
	if err != nil {
		return started, err
	}
	now, ran := c.cfg.Now().Round(0), time.Now() // time.Now runs on whatever the clock is set to
	back := ran.Sub(c.ran) - now.Sub(c.looked)
	if back < clockBack {
		return started, nil
	}
	started = started.Add(-back)
	if err := c.cfg.SetStarted(ctx, started); err != nil {
		return started, err
	}
	c.looked, c.ran = now, ran
	return started, nil
}
