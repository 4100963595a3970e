package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"chertd/engine/wait"
	"chertd/luabind/diag"
)

// wakes has when the next mode for a time ends of each pack.
type wakes struct {
	mu     sync.Mutex
	byPack map[string]time.Time
	news   chan struct{} // there is one
}

// timeUpRetry is the time between two attempts to end a mode for a time, if the store fails.
const timeUpRetry = 5 * time.Second

// at sets when the next mode for a time of a pack ends; zero: none does.
func (w *wakes) at(pack string, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byPack[pack].Equal(due) {
		return
	}
	if due.IsZero() {
		delete(w.byPack, pack)
	} else {
		w.byPack[pack] = due
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// next returns when the next mode for a time ends, zero: none does; and the packs of those that
// have ended by now.
func (w *wakes) next(now time.Time) (due time.Time, over []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for pack, at := range w.byPack {
		if due.IsZero() || at.Before(due) {
			due = at
		}
		if !at.After(now) {
			over = append(over, pack)
		}
	}
	return due, over
}

// endModes ends modes for a time, each when its time is up, until ctx ends.
func (m *Manager) endModes(ctx context.Context) {
	for {
		due, _ := m.wakes.next(m.c.Now())
		if !wait.Until(ctx, m.c.Now, due, m.wakes.news) {
			return
		}
		_, over := m.wakes.next(m.c.Now())
		if err := m.timeUp(ctx, over); err != nil && ctx.Err() == nil {
			m.c.Log.Error("a mode for a time could not be ended; retrying", "err", err, "hint", diag.StoreHint)
			if !wait.For(ctx, timeUpRetry) {
				return
			}
		}
	}
}

// timeUp ends the modes for a time of packs. It does not wait until pending work is dropped.
func (m *Manager) timeUp(ctx context.Context, packs []string) error {
	var errs []error
	for _, pack := range packs {
		s, err := m.command(ctx, pack)
		if errors.Is(err, ErrNoPack) {
			m.wakes.at(pack, time.Time{})
			continue
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, m.give(ctx, s, TimeUp{}, nil))
		m.swap("a mode of pack " + pack + " for a time ended")
		m.release()
	}
	return errors.Join(errs...)
}
