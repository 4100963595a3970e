package live

import (
	"cmp"
	"time"

	"chertd/rules"
)

// unquiet is a part that waits to be told.
type unquiet struct {
	since  time.Time
	due    time.Time
	polled string // hash that a poll saw and that has yet to stay the same; "": notified
	held   bool   // it was quiet, and waits for another that nearly is
}

// stir puts the telling of a part off until it has been quiet. polled is what a
// poll saw of it, or "" if it was notified of.
func (w *watcher) stir(part, polled string) {
	now := time.Now()
	p := w.waiting[part]
	if p == nil && len(w.waiting) >= rules.MaxEntries && w.told.parts[part] == "" {
		part, p = "", w.waiting[""] // too many to wait for one by one
	}
	if p == nil {
		p = &unquiet{since: now, polled: polled}
		w.waiting[part] = p
		w.busy()
	}
	p.due = earlier(now.Add(w.opts.Quiet), p.since.Add(w.opts.MaxWait))
	w.wind()
}

// wind sets the timer to the part that is due first.
func (w *watcher) wind() {
	var first time.Time
	for _, p := range w.waiting {
		if first.IsZero() || p.due.Before(first) {
			first = p.due
		}
	}
	if first.IsZero() {
		w.timer.Stop()
		return
	}
	w.timer.Reset(max(0, time.Until(first)))
}

// busy calls Busy with what is not quiet.
func (w *watcher) busy() {
	if w.opts.Busy == nil {
		return
	}
	names := map[string]bool{}
	for part := range w.waiting {
		if part != "" {
			names[part] = true
		}
	}
	w.opts.Busy(names)
}

// settled looks at the folder after parts of it were quiet, and reports what
// changed of them if it is to be told now.
func (w *watcher) settled() (seen Seen, ok bool) {
	if w.hold(time.Now()) {
		return Seen{}, false
	}
	w.rewatch()
	now, seen := w.look()
	at := time.Now()
	ready := map[string]bool{}
	for part, p := range w.waiting {
		if at.Before(p.due) {
			continue
		}
		seen := cmp.Or(now.parts[part], "gone")
		if p.polled != "" && p.polled != seen && at.Sub(p.since) < w.opts.MaxWait {
			// No notifications come from here: quiet is what two looks agree on.
			p.polled, p.due = seen, at.Add(w.opts.Quiet)
			continue
		}
		delete(w.waiting, part)
		ready[part] = true
	}
	if len(ready) == 0 {
		return Seen{}, false
	}
	w.busy()
	var parts []string
	for _, part := range now.differing(w.told) {
		switch {
		case w.waiting[part] != nil:
		case ready[part], ready[""], part == "":
			parts = append(parts, part)
		default:
			w.stir(part, "") // its notification is still to come
		}
	}
	if len(parts) == 0 {
		seen.Reason = "the folder is no longer as it was read last"
		return seen, len(w.waiting) == 0 && w.outdated(now)
	}
	before := w.told.clone()
	w.told.take(now, parts)
	seen.Reason = w.told.changes(before)
	return seen, true
}

// hold has parts that are quiet wait, once, for others that will be within half of
// Quiet: what one checkout changes in several packs is mostly told as one.
func (w *watcher) hold(at time.Time) bool {
	until := at
	for _, p := range w.waiting {
		if p.due.After(until) && !p.due.After(at.Add(w.opts.Quiet/2)) {
			until = p.due
		}
	}
	if until.Equal(at) {
		return false
	}
	held := false
	for _, p := range w.waiting {
		switch {
		case p.due.After(at):
		case p.held:
			return false
		default:
			held = true
		}
	}
	for _, p := range w.waiting {
		if held && !p.due.After(at) {
			p.due, p.held = until, true
		}
	}
	return held
}
