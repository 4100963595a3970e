package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
)

// An outage is told once, and its end; answers that concern one chat, or ask to
// wait, are none.
func TestOutageIsTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := callHealth{log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Unix(1_800_000_000, 0)
	end := func(err *chert.Error) {
		at = at.Add(time.Second)
		h.ended(&dispatch.Attempt{Ended: at, Err: err})
	}
	reset := &chert.Error{Message: "connection reset", Retryable: true}
	for range 5 {
		end(&chert.Error{Status: 404, Code: 2002})
		end(&chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: time.Second})
		end(reset)
	}
	if since, _ := h.outage(); !since.IsZero() || log.Len() > 0 {
		t.Fatalf("an outage since %v: %s", since, &log)
	}
	end(nil)
	first := at.Add(time.Second)
	for range 10 {
		end(reset)
	}
	if since, last := h.outage(); !since.Equal(first) || last != "connection reset" {
		t.Errorf("the outage is since %v with %q, want since %v", since, last, first)
	}
	end(nil)
	if since, _ := h.outage(); !since.IsZero() {
		t.Errorf("after a success there still is an outage since %v", since)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "go through again") {
		t.Errorf("the log has %d lines, want the outage and its end:\n%s", n, &log)
	}
}
