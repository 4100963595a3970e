package engine

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A phone line whose calls fail is shown, logged once and kept over a restart, while the
// calls of another line go out. After it, all of its chats are read.
func TestStoppedLineIsShownAndKept(t *testing.T) {
	t.Parallel()
	const down, well = "+14155550100", "+14155550199"
	var broken atomic.Bool
	broken.Store(true)
	rig := newCallsRig(t, func(w http.ResponseWriter, r *http.Request) {
		id := strings.Split(r.URL.Path, "/")[4]
		if broken.Load() && strings.HasPrefix(id, "down") {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, `{"success": false, "error": {"status": 502, "code": 4001, "message": "delivery \u001b failed", "retryable": true}, "trace_id": "t1"}`)
			return
		}
		fmt.Fprintf(w, `{"chat_id": %q, "status": "read"}`, id)
	})
	var mu sync.Mutex
	var log bytes.Buffer
	rig.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	logged := func(words string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), words)
	}
	var lines strings.Builder
	for i := range 5 {
		for name, line := range map[string]string{"down": down, "well": well} {
			fmt.Fprintf(&lines, `{"event_type": "message.received", "event_id": "%[1]s %[2]d", "data": {"chat": {"id": "%[1]s%[2]d", "owner_handle": {"handle": %[3]q}}, "message": {"id": "%[1]s %[2]d", "direction": "inbound"}}}`+"\n", name, i, line)
		}
	}
	const stopped = "calls of a phone line fail and have stopped"

	t.Run("fails", func(t *testing.T) {
		a := rig.runLines(t, lines.String())
		for read, failed := 0, 0; read < 5 || failed < 5; {
			if err := <-rig.attempts; err != nil {
				failed++
			} else {
				read++
			}
		}
		s := rig.status(t)
		if len(s.Calls.Lines) != 1 || s.Calls.Lines[0].Line != down || s.Calls.Lines[0].Code != 4001 || s.Calls.Lines[0].TraceID != "t1" {
			t.Errorf("status has the stopped lines %+v, want %s with 4001", s.Calls.Lines, down)
		}
		if n := len(s.Notes); n != 1 || !strings.Contains(s.Notes[0], down) || strings.Contains(s.Notes[0], well) {
			t.Errorf("notes are %q, want one about %s", s.Notes, down)
		}
		// Chert's answer may quote what was sent, and names a chat. Anyone may read the probe's.
		if probe := probed(t, a); !strings.Contains(probe, down) || strings.Contains(probe, "failed") || strings.Contains(probe, "down") {
			t.Errorf("a probe is answered %s", probe)
		}
		if n := logged(stopped); n != 1 {
			t.Errorf("the stop was logged %d times", n)
		}
	})
	t.Run("is kept", func(t *testing.T) {
		broken.Store(false)
		rig.runLines(t, "")
		for range 5 {
			if err := <-rig.attempts; err != nil {
				t.Errorf("a call failed: %v", err)
			}
		}
		if s := rig.status(t); len(s.Calls.Lines) > 0 || len(s.Notes) > 0 {
			t.Errorf("after all reads %+v have stopped; notes %q", s.Calls.Lines, s.Notes)
		}
		if n := logged(stopped); n != 2 {
			t.Errorf("the stop was logged %d times, want it again at the start", n)
		}
		if n := logged("calls of a phone line resume"); n != 1 {
			t.Errorf("the end was logged %d times", n)
		}
	})
}

// lockedWriter is a writer for several goroutines.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
