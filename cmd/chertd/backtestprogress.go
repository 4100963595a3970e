package main

import (
	"fmt"
	"io"
	"time"

	"chertd/luabind/diag"
)

// progress is a line on a terminal that a long command rewrites. On anything else it is
// silent.
type progress struct {
	screen *screen // nil: silent
	next   time.Time
	drawn  bool
}

// progressEvery is how often the line is rewritten.
const progressEvery = 200 * time.Millisecond

func newProgress(w io.Writer) *progress {
	s, ok := w.(*screen)
	if !ok || !s.terminal() {
		return &progress{}
	}
	return &progress{screen: s}
}

// show shows how far a comparison is.
func (p *progress) show(events int, part float64, at time.Time) {
	if now := time.Now(); p.screen != nil && now.After(p.next) {
		p.next, p.drawn = now.Add(progressEvery), true
		p.screen.redraw(fmt.Sprintf("%3.0f%%  %s, at %s", 100*min(part, 1), many(int64(events), "event"), minute(at)))
	}
}

// end removes the line. If it was drawn, how long it took stays instead.
func (p *progress) end(events int, took time.Duration) {
	if p.drawn {
		p.screen.redraw("")
		fmt.Fprintf(p.screen, "%s in %s\n", many(int64(events), "event"), diag.About(took))
	}
}

// redraw replaces the line on which the cursor is.
func (s *screen) redraw(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.w, "\r%s\x1b[K", diag.Visible(text))
}
