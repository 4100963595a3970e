package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/rules/chat"
)

// An outage is logged once, and so is its end. Errors about one chat, and 429s, are not
// an outage.
func TestOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newCallHealth(slog.New(slog.NewTextHandler(&log, nil)), dispatch.NewGovernor(0, 0), "")
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
	if since, _ := h.outage(at); !since.IsZero() || log.Len() > 0 {
		t.Fatalf("an outage since %v: %s", since, &log)
	}
	end(nil)
	first := at.Add(time.Second)
	for range 10 {
		end(reset)
	}
	if since, last := h.outage(at); !since.Equal(first) || last != "connection reset" {
		t.Errorf("the outage is since %v with %q, want since %v", since, last, first)
	}
	if since, _ := h.outage(at.Add(outageFor)); !since.IsZero() {
		t.Errorf("an outage since %v after a time in which no call failed", since)
	}
	end(nil)
	if since, _ := h.outage(at); !since.IsZero() {
		t.Errorf("after a success there still is an outage since %v", since)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "have recovered") {
		t.Errorf("the log has %d lines, want the outage and its end:\n%s", n, &log)
	}
}

// A stop is logged with its fix by its first answer, again when its cause changes,
// and its end once.
func TestStopIsLoggedWithItsFix(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	gov := dispatch.NewGovernor(0, 0)
	h := newCallHealth(slog.New(slog.NewTextHandler(&log, nil)), gov, "https://example.com/api/v1")
	at := time.Unix(1_800_000_000, 0)
	end := func(err *chert.Error) (logged string) {
		t.Helper()
		at = at.Add(time.Minute)
		leave, wait := gov.Admit(at)
		if wait > 0 {
			t.Fatalf("the next probe waits %v", wait)
		}
		gov.Answered(at, leave, at.String(), err)
		log.Reset()
		h.ended(&dispatch.Attempt{Ended: at, Err: err})
		return log.String()
	}
	want := func(logged string, words ...string) {
		t.Helper()
		if len(words) == 0 && logged != "" || strings.Count(logged, "\n") > 1 {
			t.Errorf("logged %s, want %q", logged, words)
		}
		for _, w := range words {
			if !strings.Contains(logged, w) {
				t.Errorf("logged %s, want %q", logged, w)
			}
		}
	}
	secret := &chert.Error{Status: 401, Code: 2004, Message: "bad signature"}
	page := &chert.Error{Status: 404, Message: "Not Found", Foreign: true, Retryable: true}
	want(end(nil))
	want(end(secret), "level=ERROR", "have stopped", "signing secret", "code=2004", "hint=", "chert.signing_secret")
	want(end(secret))
	want(end(&chert.Error{Message: "reset", Retryable: true}))
	want(end(page), "level=ERROR", "have stopped", "https://example.com/api/v1 is not Chert", "http=404", "answered last at", "check the proxy")
	want(end(page))
	want(end(&chert.Error{Status: 403, Code: 2005, Message: "suspended"}), "level=ERROR", "code=2005", "support")
	want(end(&chert.Error{Status: 404, Code: 2002}), "level=INFO", "have recovered")
	want(end(nil))
	want(end(page))
	want(end(page))
	want(end(page), "level=ERROR", "is not Chert")
	want(end(nil), "level=INFO", "have recovered")
}

// Each code that stops all calls has a cause and a fix of its own.
func TestEachStopHasAFix(t *testing.T) {
	t.Parallel()
	h := newCallHealth(nil, nil, "https://example.com")
	seen := map[string]int{}
	for _, code := range chert.Codes {
		if d, _ := chert.LookUp(code); d.Scope != chert.ScopeAccount && d.Scope != chert.ScopeClock {
			continue
		}
		cause, fix := h.explain(&dispatch.Stop{Code: code})
		if cause == "" || fix == "" || seen[cause] != 0 || strings.Contains(cause, "every call") {
			t.Errorf("code %d: %q, %q; the same as %d", code, cause, fix, seen[cause])
		}
		seen[cause] = code
	}
	if len(stopCauses) != len(seen) {
		t.Errorf("%d causes for %d codes", len(stopCauses), len(seen))
	}
	for http, want := range map[int]string{302: "redirects", 404: "chert.base_url", 502: "proxy", 200: "proxy", 407: "HTTPS_PROXY"} {
		if cause, fix := h.explain(&dispatch.Stop{Foreign: true, HTTP: http}); !strings.Contains(cause, "example.com is not Chert") || !strings.Contains(fix, want) {
			t.Errorf("%d: %q, %q", http, cause, fix)
		}
	}
}

// A long pause is logged once, with its end.
func TestPauseIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	gov := dispatch.NewGovernor(0, 0)
	h := newCallHealth(slog.New(slog.NewTextHandler(&log, nil)), gov, "")
	at := time.Unix(1_800_000_000, 0)
	for _, asked := range []time.Duration{time.Second, time.Minute, time.Minute, 30 * time.Second} {
		err := &chert.Error{Status: 429, Code: 1007, Message: "slow down", Retryable: true, RetryAfter: asked}
		gov.Answered(at, dispatch.Permit{}, "c1", err)
		h.ended(&dispatch.Attempt{Ended: at, Err: err})
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "until=2027-01-15T08:01:00Z") {
		t.Errorf("logged %s, want the minute's pause once", got)
	}
}

// What fails for some alone, while Chert answers others, is a note: no outage, no
// stop, and without base_url in its text.
func TestFailuresOfSomeAloneAreANote(t *testing.T) {
	t.Parallel()
	page := &chert.Error{Status: 403, Message: "blocked", Foreign: true, Retryable: true}
	timeout := &chert.Error{Message: "timeout", Retryable: true, Unknown: true}
	for name, tc := range map[string]struct {
		err  *chert.Error
		note string
	}{
		"a page for some chats":   {page, "chats (4, such as bad0)"},
		"a line that hangs":       {timeout, `line "+1"`},
		"a line that fails":       {&chert.Error{Status: 502, Code: 4001, Retryable: true}, `line "+1"`},
		"a page for a whole line": {page, "not from Chert"},
	} {
		gov := dispatch.NewGovernor(0, 0)
		h := newCallHealth(slog.New(slog.DiscardHandler), gov, "https://example.com/api/v1")
		at := time.Unix(1_800_000_000, 0)
		end := func(id, line string, err *chert.Error) {
			at = at.Add(time.Second)
			gov.Answered(at, dispatch.Permit{}, id, err)
			h.ended(&dispatch.Attempt{Call: chat.Call{Chat: id, Line: line}, Ended: at, Err: err})
		}
		bad := func() {
			for i := range 4 {
				end(fmt.Sprint("bad", i), "+1", tc.err)
			}
		}
		bad()
		if since, _ := h.outage(at); since.IsZero() {
			t.Errorf("%s: nothing is answered, and there is no outage", name)
		}
		end("good", "+2", nil)
		for range 5 {
			bad()
		}
		if since, last := h.outage(at); !since.IsZero() || gov.Stopped() != nil {
			t.Errorf("%s: an outage since %v (%s), stopped %+v", name, since, last, gov.Stopped())
		}
		if notes := strings.Join(h.notes(at), "; "); !strings.Contains(notes, tc.note) || strings.Contains(notes, "base_url") {
			t.Errorf("%s: notes are %q", name, notes)
		}
		for i := range 4 {
			end(fmt.Sprint("bad", i), "+1", nil)
		}
		if notes := h.notes(at); len(notes) != 0 {
			t.Errorf("%s: all is well again, and the notes are %q", name, notes)
		}
		for range 3 {
			end("good", "+2", timeout)
		}
		if since, _ := h.outage(at); since.IsZero() {
			t.Errorf("%s: the line that worked fails, and there is no outage", name)
		}
	}
	h := newCallHealth(nil, nil, "https://example.com")
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	if cause, fix := h.explain(&dispatch.Stop{Foreign: true, HTTP: 403, Answered: at}); !strings.Contains(cause, "12:00:00Z") || strings.Contains(fix, "base_url") {
		t.Errorf("Chert has answered, and the fix is %q, %q", cause, fix)
	}
}

// A delivery that fails on one line is not an outage while another line worked lately, also
// if that has no calls now. Without an answer it is: that is not about the line.
func TestOneLineIsNotAnOutage(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newCallHealth(slog.New(slog.NewTextHandler(&log, nil)), dispatch.NewGovernor(0, 0), "")
	at := time.Unix(1_800_000_000, 0)
	end := func(line string, err *chert.Error) {
		at = at.Add(time.Second)
		h.ended(&dispatch.Attempt{Call: chat.Call{Line: line}, Ended: at, Err: err})
	}
	failed := &chert.Error{Status: 502, Code: chert.CodeDeliveryFailed, Retryable: true}
	end("B", nil)
	for range 20 {
		end("A", failed)
	}
	if since, _ := h.outage(at); !since.IsZero() || strings.Contains(log.String(), "are failing") {
		t.Errorf("an outage since %v: %s", since, &log)
	}
	for range 3 {
		end("A", &chert.Error{Message: "no answer", Retryable: true})
	}
	if since, _ := h.outage(at); since.IsZero() {
		t.Error("no outage without answers")
	}
	h = newCallHealth(slog.New(slog.DiscardHandler), dispatch.NewGovernor(0, 0), "")
	end("B", nil)
	at = at.Add(workedFor)
	for range 3 {
		end("A", failed)
	}
	if since, _ := h.outage(at); since.IsZero() {
		t.Error("no outage where the other line worked long ago")
	}
}
