package live

import (
	"context"
	"sync"
	"time"
)

// readLater reads the folder again after a while, unless a reading is due sooner.
func (m *Manager) readLater(after time.Duration) {
	due := time.Now().Add(after)
	if !m.again.before(due) {
		return
	}
	m.tasks.start(func(ctx context.Context) {
		if !pause(ctx, after) || !m.again.reached(due) {
			return
		}
		if err := m.Notice(ctx, Seen{Reason: "the folder was read again"}); err != nil && ctx.Err() == nil {
			m.c.Log.Error("could not finish reading the rules; live versions unchanged", "err", err)
		}
	})
}

// again is when the folder is read next without anyone asking.
type again struct {
	mu  sync.Mutex
	due time.Time // zero: not at all
}

// before makes due the time, if it is the earliest.
func (l *again) before(due time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.due.IsZero() && !due.Before(l.due) {
		return false
	}
	l.due = due
	return true
}

// reached ends the waiting for due, unless an earlier time took its place.
func (l *again) reached(due time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.due.Equal(due) {
		return false
	}
	l.due = time.Time{}
	return true
}
