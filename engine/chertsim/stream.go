package chertsim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"sort"
	"time"
)

// The stream's documented times.
const (
	streamHeartbeat = 15 * time.Second
	streamLife      = 60 * time.Second
)

// StreamForm is the form of the data lines of the stream.
type StreamForm string

// Forms of data lines. A client must accept all.
const (
	BothForms    StreamForm = "" // in turn, by the position of the event in the log
	RowForm      StreamForm = "row"
	EnvelopeForm StreamForm = "envelope"
)

// stream answers GET /events/stream: with the events recorded strictly after since, and
// then with further events until its 60 s are over. Without since it begins with the
// next event. A fault breaks it after some events.
func (s *Sim) stream(c *call, fault *FailRule) {
	var since time.Time
	if text := c.r.URL.Query().Get("since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			s.answer(c, nil, problem(1002, "since must be an ISO 8601 time"))
			return
		}
		since = at
	}
	s.mu.Lock()
	position := s.log.last()
	if !since.IsZero() {
		position = s.log.lastUntil(since)
	}
	s.mu.Unlock()

	w, flush := c.w, http.NewResponseController(c.w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)

	heartbeat := time.NewTicker(streamHeartbeat)
	defer heartbeat.Stop()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	left := -1 // events until the fault; negative: there is none
	if fault != nil {
		left = fault.After
	}
	for {
		s.mu.Lock()
		lines, last := s.streamLines(position)
		more := s.log.more()
		s.mu.Unlock()
		position = last
		for _, line := range lines {
			if left == 0 {
				s.breakStream(c, fault, line)
			}
			if _, err := w.Write(line); err != nil {
				return
			}
			left--
		}
		if left == 0 && fault.Mode != FailTruncated {
			s.breakStream(c, fault, nil)
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-heartbeat.C:
			if _, err := w.Write([]byte(": heartbeat\n\n")); err != nil {
				return
			}
		case <-end.C:
			w.Write([]byte("event: close\ndata: {}\n\n"))
			return
		case <-c.r.Context().Done():
			return
		case <-s.life.Done():
			return
		}
	}
}

// breakStream breaks a stream before its next line. It does not return.
func (s *Sim) breakStream(c *call, fault *FailRule, next []byte) {
	switch fault.Mode {
	case FailTruncated:
		c.w.Write(next[:len(next)/2])
	case FailReset:
		reset(c.w)
		panic(http.ErrAbortHandler)
	}
	http.NewResponseController(c.w).Flush()
	if fault.Mode == FailHang {
		s.pause(c, cmp.Or(fault.Delay, time.Hour))
	}
	panic(http.ErrAbortHandler)
}

// streamLines returns the data lines of the rows after a position, and the position after
// them. Sim.mu is held.
func (s *Sim) streamLines(position string) (lines [][]byte, last string) {
	for _, r := range s.log.after(position) {
		position = r.ID
		row := r.snapshot().wire()
		var value any = row
		if s.cfg.StreamForm == EnvelopeForm || s.cfg.StreamForm == BothForms && r.place%2 == 0 {
			value = row.Payload
		}
		body, err := json.Marshal(value)
		if err != nil {
			continue // wire leaves nothing that can't be marshalled
		}
		lines = append(lines, append(append([]byte("data: "), body...), "\n\n"...))
	}
	return lines, position
}

// lastUntil returns the id of the newest row that is not after t, or "".
func (l *eventLog) lastUntil(t time.Time) string {
	i := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].CreatedAt.After(t) })
	if i == 0 {
		return ""
	}
	return l.rows[i-1].ID
}
