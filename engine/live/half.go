package live

import (
	"time"

	"chertd/luabind/diag"
)

const (
	// mostSettles bounds how long a file that keeps changing and keeps looking half
	// written can delay its edit, in multiples of PackConfig.Settle.
	mostSettles = 5
	// openLook is how soon a file that a program has open for writing is looked at
	// again: no notification comes when it is closed.
	openLook = 100 * time.Millisecond
)

// Settled reports whether an edit is what was live or pinned before. Then it is not
// checked for half-written files.
func (s *Standing) Settled(e *Edit) bool {
	return s.Pinned != "" && s.PinnedOver == e.Version && !s.PinStays && !s.PinnedWithoutFiles ||
		e.Version == s.Live && (!s.Version.Runs() || s.Version.Specs == e.Specs)
}

// givesTime reports whether files look half written, and are left to whoever is
// writing them.
func (t *step) givesTime(e *Edit, waited bool) bool {
	s := &t.s
	next, wait, look := s.Half.give(e.Half, e.Content, s.Config.Settle, waited, t.now)
	if !wait {
		return false
	}
	if s.Half.Began.IsZero() {
		t.out.Log = append(t.out.Log, halfLine(e.Half, s.Config.Settle, "pack", s.Pack))
	}
	s.Half, t.out.LookAgain = next, t.now.Add(look)
	t.giveUp()
	s.Tried = nil
	s.Verdict = Verdict{Kind: HalfWritten, Time: s.Config.Settle, Diagnostics: diag.List{{File: e.Half.File, Severity: diag.SeverityWarning, Message: e.Half.Why}}}
	return true
}

// give reports whether files that look half written still have time, since when they
// do, and how soon they are to be looked at again.
func (h Half) give(sign HalfSign, key string, settle time.Duration, waited bool, now time.Time) (next Half, wait bool, look time.Duration) {
	if sign == (HalfSign{}) || h.Key == key && (waited || !now.Before(h.Due)) {
		return Half{}, false, 0
	}
	if h.Began.IsZero() {
		h.Began = now
	}
	if h.Key != key {
		h.Key, h.Due = key, earlier(now.Add(settle), h.Began.Add(mostSettles*settle))
	}
	look = settle
	if sign.Open {
		look = openLook
	}
	return h, true, min(look, max(h.Due.Sub(now), time.Millisecond))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
