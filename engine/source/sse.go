package source

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	sse "github.com/tmaxmax/go-sse"
)

const (
	// maxEvent bounds an event of the stream as it is on the wire, in bytes: its data has a
	// prefix on each line, so it may be longer than a delivery.
	maxEvent = 2 * maxDelivery
	// eventSlack is what trimEvents adds to an event that it truncates.
	eventSlack = 16
)

// readEvents calls yield with each event of a stream until the stream ends or yield returns
// false. An event without its blank line at the end is dropped: it is not complete.
func readEvents(r io.Reader, yield func(name, data string) bool) error {
	for e, err := range sse.Read(&trimEvents{r: r, lineStart: true}, &sse.ReadConfig{MaxEventSize: maxEvent + eventSlack}) {
		if err != nil {
			return err
		}
		if !yield(e.Type, e.Data) {
			return nil
		}
	}
	return nil
}

// trimEvents reads a stream of events without its comments and superfluous blank lines, and
// truncates events longer than maxEvent. go-sse ends at an event that is too long, so those
// after it would be lost, and counts blank lines and comments as part of the next event.
type trimEvents struct {
	r io.Reader

	lineStart bool // the next byte begins a line
	comment   bool // the line is a comment
	cr        bool // the last byte was a carriage return
	n         int  // bytes of the event so far
	cut       bool // the rest of the event is dropped

	in  [4 << 10]byte
	out bytes.Buffer
	err error
}

// Read implements io.Reader.
func (t *trimEvents) Read(p []byte) (int, error) {
	for t.out.Len() == 0 {
		if t.err != nil {
			return 0, t.err
		}
		n, err := t.r.Read(t.in[:])
		t.err = err
		t.out.Reset()
		for _, b := range t.in[:n] {
			t.take(b)
		}
	}
	return t.out.Read(p)
}

// take takes the next byte. All line ends are written as \n.
func (t *trimEvents) take(b byte) {
	if b == '\n' && t.cr {
		t.cr = false
		return // of \r\n
	}
	if t.cr = b == '\r'; t.cr {
		b = '\n'
	}
	switch {
	case b != '\n':
		if t.lineStart {
			t.lineStart, t.comment = false, b == ':'
		}
		switch {
		case t.comment, t.cut:
		case t.n >= maxEvent:
			t.cut = true
			t.out.WriteByte('\n')
		default:
			t.out.WriteByte(b)
			t.n++
		}
	case t.lineStart: // a blank line ends the event
		if t.n > 0 {
			t.out.WriteByte('\n')
		}
		t.n, t.cut = 0, false
	default:
		if !t.comment && !t.cut {
			t.out.WriteByte('\n')
			t.n++
		}
		t.lineStart, t.comment = true, false
	}
}

// createdAt returns when an event was created: created_at of a row, or else the timestamp of
// an envelope; zero if it has neither.
func createdAt(data string) time.Time {
	var w struct {
		CreatedAt json.RawMessage `json:"created_at"`
		Timestamp json.RawMessage `json:"timestamp"`
	}
	if json.Unmarshal([]byte(data), &w) != nil {
		return time.Time{} // Take quarantines it
	}
	for _, raw := range []json.RawMessage{w.CreatedAt, w.Timestamp} {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			continue
		}
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
