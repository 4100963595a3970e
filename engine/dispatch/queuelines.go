package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"chertd/engine/store"
)

// add adds a line and returns it, or nil if there are too many; then it stays in the
// store. It is called with mu held.
func (q *Queue) add(name string) *line {
	if len(q.lines) >= maxLines && !q.evict() {
		q.skipped = true
		if q.missing == nil {
			q.missing = new(string)
		}
		return nil
	}
	// If all lines of the store are known, a new one has nothing there.
	known := q.missing == nil && !q.reading
	horizon := func() *store.Due {
		if known {
			return nil
		}
		return &store.Due{}
	}
	fetch := func(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
		return q.calls.CallsDue(ctx, name, after, limit)
	}
	l := &line{
		name:  name,
		all:   newAgenda(fetch, q.share, horizon()),
		fresh: newAgenda(fetch, q.share, horizon()),
	}
	l.all.group, l.fresh.group = q.group, q.group
	l.fresh.except = func(d store.Due) bool { return d.Retry }
	q.lines[name] = l
	q.linesChanged()
	return l
}

func (q *Queue) linesChanged() {
	q.stale = true
	q.known.Store(int64(len(q.lines)))
}

// share returns how many entries one agenda may keep.
func (q *Queue) share() int { return max(q.capacity/max(int(q.known.Load()), 1), minCapacity) }

// evict drops a line that has no calls and reports whether there was one.
func (q *Queue) evict() bool {
	for name, l := range q.lines {
		if l.all.Len() == 0 && l.all.complete() {
			delete(q.lines, name)
			q.linesChanged()
			return true
		}
	}
	return false
}

// read adds the lines that are in the store only, as far as there is room, and lists
// all lines in order.
func (q *Queue) read(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.missing != nil {
		if len(q.lines) >= maxLines {
			q.evict()
		}
		if room := maxLines - len(q.lines); room > 0 {
			from := *q.missing
			q.missing, q.reading = nil, true
			q.mu.Unlock()
			names, err := q.calls.CallLines(ctx, from, room)
			q.mu.Lock()
			if err != nil {
				q.missing, q.reading = &from, false
				return fmt.Errorf("read the phone lines with calls that are due: %w", err)
			}
			switch {
			case len(names) == room:
				next := names[room-1] + "\x00"
				q.missing = &next
			case q.skipped:
				q.missing, q.skipped = new(string), false
			}
			for _, name := range names {
				if q.lines[name] == nil {
					q.add(name)
				}
			}
			q.reading = false
		}
	}
	if !q.stale {
		return nil
	}
	q.stale = false
	q.order = q.order[:0]
	for _, l := range q.lines {
		q.order = append(q.order, l)
	}
	slices.SortFunc(q.order, func(a, b *line) int { return cmp.Compare(a.name, b.name) })
	return nil
}
