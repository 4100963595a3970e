package source

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// sseEvent is an event of a stream, as the specification of Server-Sent Events defines it.
type sseEvent struct{ name, data string }

// specified returns the events of a stream that has ended, by the algorithm of the
// specification. Events without data are left out: they carry nothing. A byte order mark is
// also ignored behind blank lines and comments, which are gone when go-sse looks for it.
func specified(text string) (events []sseEvent) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for strings.HasPrefix(text, "\n") || strings.HasPrefix(text, ":") {
		_, text, _ = strings.Cut(text, "\n")
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var e sseEvent
	lines := strings.Split(text, "\n")
	for _, line := range lines[:len(lines)-1] { // the last one has no end
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if e.data != "" {
				e.data = strings.TrimSuffix(e.data, "\n")
				events = append(events, e)
			}
			e = sseEvent{}
		case field == "event":
			e.name = value
		case field == "data":
			e.data += value + "\n"
		}
	}
	return events
}

// events returns the events that readEvents finds.
func eventsOf(t *testing.T, r io.Reader) (events []sseEvent) {
	t.Helper()
	err := readEvents(r, func(name, data string) bool {
		if len(data) > maxEvent {
			t.Fatalf("data of %d bytes", len(data))
		}
		events = append(events, sseEvent{name, data})
		return true
	})
	if err != nil {
		t.Fatalf("the stream ends with %v", err)
	}
	return events
}

// Whatever a stream sends and however it is cut into pieces, its events are those that the
// specification defines, and an event after it arrives.
func FuzzStream(f *testing.F) {
	for _, text := range []string{
		"data: {}\n\n", "event: close\ndata: {}\n\n", ": heartbeat\n\n", "data: a\r\ndata: b\r\n\r\n", "data:a\rdata:b\r\r",
		"\ufeffdata: x\n\n", "id: 1\nretry: 5\ndata: x\n\n", "id: \x00\ndata: \x00\n\n", "data\n\n", "data: x", "\r\n\n\r:\r\n\n\ndata: y\n\n",
		"event: a\nevent: b\ndata: x\n\n", "retry: 99999999999999999999\ndata: x\n\n", " data: x\n\n", "data:  x\n\n", "event\ndata: x\n\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		withData := func(list []sseEvent) (out []sseEvent) {
			for _, e := range list {
				if e.data != "" {
					out = append(out, e)
				}
			}
			return out
		}
		text := string(in) + "\n\ndata: last\n\n"
		got, want := withData(eventsOf(t, strings.NewReader(text))), withData(specified(text))
		if len(got) != len(want) {
			t.Fatalf("%d events %q, want %d: %q", len(got), got, len(want), want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("event %d is %q, want %q", i, got[i], want[i])
			}
		}
		if pieces := withData(eventsOf(t, iotest.OneByteReader(bytes.NewReader([]byte(text))))); len(pieces) != len(got) {
			t.Fatalf("byte by byte %d events, want %d", len(pieces), len(got))
		}
		// An event that is not complete is dropped.
		if cut := withData(eventsOf(t, strings.NewReader(text[:len(text)-1]))); len(cut) != len(want)-1 {
			t.Fatalf("%d events of a stream that was cut off, want %d", len(cut), len(want)-1)
		}
	})
}
