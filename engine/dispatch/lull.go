package dispatch

import (
	"slices"
	"sync"
	"time"

	"chertd/engine/store"
)

// lull is the time at the end of a stop in which calls have come due since its last probe that
// failed. Chert may have returned at any moment of it.
type lull struct {
	from time.Time // when that probe failed; zero: there was none
	to   time.Time // when the stop ended; zero: it has not
}

// has reports whether a call that is due at a time has come due in the lull.
func (l lull) has(due time.Time) bool {
	return !l.from.IsZero() && !due.Before(l.from) && (l.to.IsZero() || due.Before(l.to))
}

// later returns the one of two lulls that calls have waited for last.
func later(a, b lull) lull {
	switch {
	case a.from.IsZero():
		return b
	case b.from.IsZero():
		return a
	case a.to.IsZero() != b.to.IsZero():
		if b.to.IsZero() {
			return b
		}
		return a
	case a.to.IsZero():
		if b.from.After(a.from) {
			return b
		}
		return a
	case b.to.After(a.to):
		return b
	}
	return a
}

// recents are the calls of a line that are not fresh any more, and have come due in a lull. It
// may be used by many goroutines.
type recents struct {
	mu   sync.Mutex
	at   map[string]time.Time // by chat
	list []store.Due          // in order; some are not in at any more
}

// add adds a call that is not fresh any more. Of more than most it forgets the oldest.
func (r *recents) add(due store.Due, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.at[due.Chat]; ok && was.Equal(due.At) {
		return
	}
	if r.at == nil {
		r.at = map[string]time.Time{}
	}
	r.at[due.Chat] = due.At
	i, _ := slices.BinarySearchFunc(r.list, due, compare)
	r.list = slices.Insert(r.list, i, due)
	for len(r.list) > most {
		r.dropFirst()
	}
}

// remove removes the call of a chat, and reports whether there was one.
func (r *recents) remove(chat string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.at[chat]
	delete(r.at, chat)
	return ok
}

func (r *recents) has(chat string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.at[chat]
	return ok
}

// prune removes the calls that were due before a time.
func (r *recents) prune(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.list) > 0 && r.list[0].At.Before(before) {
		r.dropFirst()
	}
}

// newest returns the call that has come due last, of the groups for which room is true.
func (r *recents) newest(room func(group int) bool, group func(chat string) int) (store.Due, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(due store.Due) bool { return !r.current(due) })
	for _, due := range slices.Backward(r.list) {
		if room(group(due.Chat)) {
			return due, true
		}
	}
	return store.Due{}, false
}

func (r *recents) dropFirst() {
	if r.current(r.list[0]) {
		delete(r.at, r.list[0].Chat)
	}
	r.list = slices.Delete(r.list, 0, 1)
}

// current reports whether an entry of the list still counts.
func (r *recents) current(due store.Due) bool {
	at, ok := r.at[due.Chat]
	return ok && at.Equal(due.At)
}
