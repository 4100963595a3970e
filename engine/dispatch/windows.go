package dispatch

import (
	"math"
	"time"
)

// windows is what is known about a limit that counts requests from one boundary to the
// next, a minute later. It refuses until the next boundary, so that a boundary lies between
// the last refused request of a moment and the end of the moment's last pause.
type windows struct {
	now   span    // since a window began, or the last moment ended
	early float64 // by how many seconds it may have begun before that
	seen  bool    // boundaries were seen: moments end at them
}

// next begins the next window if it is time. It is called before request n+1 goes out.
func (w *windows) next(now time.Time, n int64) {
	if !w.seen {
		return
	}
	if k := math.Floor(now.Sub(w.now.from).Seconds() / window); k >= 1 {
		w.now = span{from: w.now.from.Add(time.Duration(k) * window * time.Second), n: n}
	}
}

// usedUp returns until when no request is worth a try after those of a moment. With whole,
// that is the next boundary. Otherwise it is the middle of the time until then: if requests
// are accepted there, there are no such windows any more.
func (w *windows) usedUp(m *moment, whole bool) time.Time {
	next := w.now.from.Add(window * time.Second)
	left := next.Sub(m.tried).Seconds()
	switch {
	case left < 0 && w.seen: // the boundary is a bit later
		return m.tried.Add(max(m.tried.Sub(next), minPause))
	case left < 0 || left > window-nearly: // the window has just begun
		return time.Time{}
	case !whole && left > nearly:
		next = next.Add(time.Duration(-left / 2 * float64(time.Second)))
	}
	return next.Add(windowSlack)
}

// counted returns how many requests the window has accepted before a moment, per second of
// its length, if that is known. Those in the time in which it may have begun are estimated.
func (w *windows) counted(m *moment) (perSecond float64, known bool) {
	calls := float64(m.n - 1 - w.now.n - w.now.void)
	return (calls + m.pace*w.early/2) / window, w.now.set() && calls >= 1 && w.early <= 2*nearly
}

// end notes that a moment ended between early seconds before a time and that time. It
// reports whether a boundary was expected there. One that was only near by chance does not
// count: boundaries are seen when two moments ended at them, so that the third is measured.
func (w *windows) end(m *moment, at time.Time, early float64) bool {
	next := windows{now: span{from: at, n: m.n, void: int64(m.count - 1)}, early: early}
	if w.now.set() {
		since := at.Sub(w.now.from).Seconds()
		k := math.Round(since / window)
		late := since - k*window // by how much later than expected
		least, most := max(-early, -late-w.early), min(0, -late)
		if k >= 1 && least < most+jitter {
			next.now.from = at.Add(time.Duration(most * float64(time.Second)))
			next.early = max(most-least, 0)
			next.seen = w.seen || early <= narrow && w.early <= narrow
		}
	}
	known := w.seen && next.seen
	*w = next
	return known
}
