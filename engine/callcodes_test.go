package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/rules/chat"
)

// callsRig is a daemon whose calls get the answers of a handler.
type callsRig struct {
	Daemon
	attempts chan error // each call, once what is said of the calls is up to date
	handled  chan struct{}
	ended    chan chat.Status
	started  chan Addresses
}

func newCallsRig(t *testing.T, h http.HandlerFunc) *callsRig {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	r := &callsRig{attempts: make(chan error, 1000), handled: make(chan struct{}, 1000), ended: make(chan chat.Status, 1000), started: make(chan Addresses, 10)}
	r.Daemon, _ = commanded(t, "reads.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	r.API.BaseURL = server.URL + "/api/v1"
	r.Started = func(a Addresses) { r.started <- a }
	r.Observe = func(h Observation) {
		switch {
		case h.Handled != nil:
			r.handled <- struct{}{}
		case h.Ended != nil:
			r.ended <- h.Ended.Status
		case h.Attempt != nil && h.Attempt.Err != nil:
			r.attempts <- h.Attempt.Err
		case h.Attempt != nil:
			r.attempts <- nil
		}
	}
	return r
}

// run runs the daemon until the end of the test, on events of chats: one each.
func (r *callsRig) run(t *testing.T, chats ...string) Addresses {
	t.Helper()
	var lines strings.Builder
	for _, c := range chats {
		fmt.Fprintf(&lines, `{"event_type": "message.received", "event_id": "%[1]s of %[2]s", "data": {"chat": {"id": %[1]q}, "message": {"id": "%[1]s of %[2]s", "direction": "inbound"}}}`+"\n", c, t.Name())
	}
	a := r.runLines(t, lines.String())
	for range chats {
		<-r.handled
	}
	return a
}

// runLines runs the daemon until the end of the test, on events as JSON lines.
func (r *callsRig) runLines(t *testing.T, lines string) Addresses {
	t.Helper()
	d := r.Daemon
	if lines != "" {
		d.Lines = strings.NewReader(lines)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-ended:
		ended <- err
		t.Fatalf("the daemon does not run: %v", err)
	case a := <-r.started:
		return a
	}
	return Addresses{}
}

func (r *callsRig) status(t *testing.T) control.Status {
	t.Helper()
	s, err := control.Dial(r.Control.Socket).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each code, from the bytes on the wire to what status and readiness say: those
// of the account stop all calls with their fix and lose none, others end the read
// they are about and stop nothing.
func TestEachCodeOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code, http int
		fix        string // "": it does not stop calls
	}{
		{2001, 404, "chert.tenant"},
		{2004, 401, "chert.signing_secret"},
		{2005, 403, "support"},
		{2007, 403, "verify"},
		{2008, 402, "raise it"},
		{2012, 401, "chert.auth"},
		{2013, 401, "clock"},
		{2002, 404, ""},
		{2010, 403, ""},
		{3003, 500, ""},
		{4099, 501, ""},
	} {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			t.Parallel()
			r := newCallsRig(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.http)
				fmt.Fprintf(w, `{"success":false,"error":{"status":%d,"code":%d,"message":"what is wrong","retryable":false},"trace_id":"t1"}`, tc.http, tc.code)
			})
			a := r.run(t, "c1")
			<-r.attempts
			if tc.fix == "" {
				if end := <-r.ended; end != chat.Dead {
					t.Errorf("the read is %s, want it dead", end)
				}
			}
			s := r.status(t)
			code, ready := readyForCalls(t, a)
			if tc.fix == "" {
				if s.Actions["dead"] == 0 || len(s.NoCalls) > 0 || s.Calls.State != control.CallsGoOut || code != 200 {
					t.Errorf("actions %v, no calls %q, %+v, ready %d; want the read dead and calls going out", s.Actions, s.NoCalls, s.Calls, code)
				}
				return
			}
			said := strings.Join(s.NoCalls, "\n")
			for _, want := range []string{fmt.Sprintf("%d, code %d: what is wrong", tc.http, tc.code), tc.fix, "since 20", "t1"} {
				if !strings.Contains(said, want) || !strings.Contains(ready, want) {
					t.Errorf("status says %q and readiness %q, want %q", said, ready, want)
				}
			}
			if s.Calls.State != control.CallsStopped || s.Calls.Code != tc.code || s.Calls.HTTP != tc.http || s.Calls.Fix == "" || s.Calls.Cause == "" ||
				s.Calls.Since.IsZero() || s.Calls.TraceID != "t1" || code != 503 || !s.Ready {
				t.Errorf("calls are %+v, ready %d", s.Calls, code)
			}
			if s.Actions["waiting"] == 0 || s.Actions["dead"] > 0 {
				t.Errorf("actions %v, want what waits kept", s.Actions)
			}
		})
	}
}

// A changed signing secret is tried without waiting for the next probe.
func TestChangedSecretIsTriedImmediately(t *testing.T) {
	t.Parallel()
	const fixed = "fedcba9876543210fedcba9876543210"
	var calls atomic.Int32
	r := newCallsRig(t, func(w http.ResponseWriter, req *http.Request) {
		timestamp := strings.Split(req.Header.Get("X-Chert-Signature"), ",")[1]
		if req.Header.Get("X-Chert-Signature") != chert.NewKey(fixed).Signature(timestamp, nil) {
			calls.Add(1)
			w.WriteHeader(401)
			io.WriteString(w, `{"success":false,"error":{"status":401,"code":2004,"message":"bad signature","retryable":false}}`)
			return
		}
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	})
	reload := make(chan Changes)
	r.Reload = reload
	r.run(t, "c1")
	if err := <-r.attempts; err == nil {
		t.Fatal("the wrong secret was accepted")
	}
	reload <- Changes{Rules: r.Rules, SigningSecret: fixed}
	for range 10 {
		if err := <-r.attempts; err == nil {
			if s := r.status(t); s.Calls.State != control.CallsGoOut || s.Calls.LastConfirmed.IsZero() || s.Actions["dead"] > 0 || len(s.NoCalls) > 0 {
				t.Errorf("status %+v", s)
			}
			return
		}
	}
	t.Errorf("%d calls were refused, want one with the right secret", calls.Load())
}

// A pause that a 429 asks for is kept across a restart, for this account alone.
func TestPauseOutlivesARestart(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	r := newCallsRig(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "1800")
		w.WriteHeader(429)
		io.WriteString(w, `{"success":false,"error":{"status":429,"code":1007,"message":"slow down","retryable":true,"retry_after":"  900 "}}`)
	})
	t.Run("first", func(t *testing.T) {
		a := r.run(t, "c1")
		<-r.attempts
		r.pauses(t, a)
	})
	before := calls.Load()
	t.Run("after the restart", func(t *testing.T) {
		r.pauses(t, r.run(t, "c2", "c3"))
		if n := calls.Load(); n != before {
			t.Errorf("%d calls were made after the restart", n-before)
		}
	})
	t.Run("another tenant", func(t *testing.T) {
		r.API.Tenant = "other"
		r.run(t, "c4")
		<-r.attempts
		if n := calls.Load(); n == before {
			t.Error("another account's calls wait, too")
		}
	})
}

// Pages of a proxy stop all calls once several chats received one, and end no
// read; one probe at a time finds Chert again, and all reads are made.
func TestPagesOfAProxyEndNoRead(t *testing.T) {
	t.Parallel()
	var fixed atomic.Bool
	var calls atomic.Int32
	r := newCallsRig(t, func(w http.ResponseWriter, req *http.Request) {
		if calls.Add(1); fixed.Load() {
			io.WriteString(w, `{"chat_id":"c","status":"read"}`)
			return
		}
		http.NotFound(w, req)
	})
	r.Concurrency = 2
	var chats []string
	for i := range 40 {
		chats = append(chats, fmt.Sprint("c", i))
	}
	a := r.run(t, chats...)
	for range 4 { // three, and one that was in flight
		<-r.attempts
	}
	s := r.status(t)
	code, ready := readyForCalls(t, a)
	if s.Calls.State != control.CallsStopped || s.Calls.HTTP != 404 || s.Calls.Code != 0 || s.Calls.Since.IsZero() || s.Actions["waiting"] != 40 || s.Actions["dead"] != 0 {
		t.Errorf("calls are %+v and actions %v, want them stopped and all reads waiting", s.Calls, s.Actions)
	}
	for _, want := range []string{r.API.BaseURL + " is not Chert", "404: Not Found", "text/plain", "check chert.base_url", "since 20"} {
		if !strings.Contains(ready, want) || code != 503 {
			t.Errorf("ready for calls: %d %s, want %q", code, ready, want)
		}
	}
	if n := calls.Load(); n > 6 {
		t.Errorf("%d calls were made, want a few and then a probe a second at most", n)
	}
	fixed.Store(true)
	for range 40 {
		if end := <-r.ended; end != chat.Done {
			t.Errorf("a read ended as %s", end)
		}
	}
	if s := r.status(t); s.Calls.State != control.CallsGoOut || len(s.NoCalls) > 0 {
		t.Errorf("after all reads were made calls are %+v, %q", s.Calls, s.NoCalls)
	}
}

// pauses checks that a half hour's pause is shown.
func (r *callsRig) pauses(t *testing.T, a Addresses) {
	t.Helper()
	s := r.status(t)
	left := s.Calls.Until.Sub(s.Calls.Since)
	if s.Calls.State != control.CallsWait || left.Minutes() != 30 || !strings.Contains(s.Calls.Answer, "slow down") || s.Actions["waiting"] == 0 {
		t.Errorf("calls are %+v (%v) and actions %v, want a pause of half an hour", s.Calls, left, s.Actions)
	}
	code, ready := readyForCalls(t, a)
	if end := s.Calls.Until.UTC().Format("2006-01-02T15:04:05"); code != 503 || !strings.Contains(ready, "until "+end) || !strings.Contains(strings.Join(s.NoCalls, ""), "until "+end) {
		t.Errorf("ready for calls: %d %s, no calls %q; want the end %s", code, ready, s.NoCalls, end)
	}
}

// readiness asks /-/ready?calls.
func readiness(t *testing.T, a Addresses) *http.Response {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + a.Control + "/-/ready?calls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// probed returns what /-/ready?calls answers.
func probed(t *testing.T, a Addresses) string {
	t.Helper()
	text, err := io.ReadAll(readiness(t, a).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readyForCalls asks whether calls can be made, and why not.
func readyForCalls(t *testing.T, a Addresses) (status int, why string) {
	t.Helper()
	resp := readiness(t, a)
	var body struct {
		Why []string `json:"why"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.Join(body.Why, "\n")
}
