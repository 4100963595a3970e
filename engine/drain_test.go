package engine

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/store/sqlite"
)

// While calls in flight end, deliveries are answered 503, probes and status are
// answered and say that the daemon stops, commands are refused, and no other call
// begins. Then the daemon ends.
func TestDrainingAnswersUntilCallsHaveEnded(t *testing.T) {
	t.Parallel()
	called, release := make(chan string, 10), make(chan struct{})
	chert := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"chat_id": "c1", "status": "read"}`))
	}))
	defer chert.Close()
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	d, _ := commanded(t, "read.lua", `chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id)
  chert.mark_read("other")
end)
`)
	d.API.BaseURL, d.API.Timeout = chert.URL+"/api/v1", time.Minute
	d.Webhook = Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}, MaxBody: 1 << 20, Tolerance: time.Minute}
	d.Concurrency = 1 // the other read waits for the place
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d.Started = func(a Addresses) { started <- a }
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { ended <- d.Run(ctx) }()
	a := <-started
	<-called
	stop()
	c := control.Dial(d.Control.Socket)
	var s control.Status
	var err error
	for deadline := time.Now().Add(10 * time.Second); !s.Draining && time.Now().Before(deadline); {
		if s, err = c.Status(context.Background()); err != nil {
			t.Fatalf("while it drains the status is %v", err)
		}
	}
	if !s.Draining || s.Ready || s.InFlight != 1 || s.Calls.State != control.CallsDrain || len(s.NoCalls) == 0 || !strings.Contains(strings.Join(s.NotReady, " "), "draining") {
		t.Errorf("while it drains the status is %+v", s)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, test := range []struct {
		method, url, body string
		code              int
		says              string
	}{
		{"GET", "http://" + a.Control + "/-/healthy", "", 200, "healthy"},
		{"GET", "http://" + a.Control + "/-/ready", "", 503, "draining"},
	} {
		r, err := http.NewRequestWithContext(context.Background(), test.method, test.url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1000)
		n, _ := resp.Body.Read(text)
		resp.Body.Close()
		if resp.StatusCode != test.code || !strings.Contains(string(text[:n]), test.says) {
			t.Errorf("%s: %s %s, want %d with %q", test.url, resp.Status, text[:n], test.code, test.says)
		}
	}
	body, ts := `{"event_type": "message.received", "event_id": "late", "data": {"chat": {"id": "c1"}}}`, strconv.FormatInt(time.Now().Unix(), 10)
	r, err := http.NewRequestWithContext(context.Background(), "POST", a.Webhook, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Webhook-Signature", "t="+ts+",v1="+sign(benchHook, ts, []byte(body)))
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a delivery is answered %s", resp.Status)
	}
	_, err = c.SetMode(context.Background(), "read", control.ModeRequest{Mode: "off"})
	if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Status != 503 || user.Hint == "" || !strings.Contains(user.Message, "chertd mode read was not done: chertd is stopping") {
		t.Errorf("a command is answered %v", err)
	}
	select {
	case err := <-ended:
		t.Errorf("it has ended with a call in flight: %v", err)
	default:
	}
	letGo()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(called); n > 0 {
		t.Errorf("%d calls began after it was to stop", n)
	}
	if _, err := c.Status(context.Background()); err == nil {
		t.Error("it has ended, and the socket answers")
	}
}

// A command that drains the daemon is answered immediately, again when it is repeated, and
// learns what is left once the calls in flight have ended and the store is closed.
func TestDrainedByCommand(t *testing.T) {
	t.Parallel()
	called, release := make(chan string, 10), make(chan struct{})
	chert := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"chat_id": "c1", "status": "read"}`))
	}))
	defer chert.Close()
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	d, _ := commanded(t, "read.lua", `chert.rule({ name = "read", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id)
  chert.mark_read("other", { after = "1h" })
end })
`)
	d.API.BaseURL, d.API.Timeout = chert.URL+"/api/v1", time.Minute
	first, err := bufio.NewReader(d.Lines).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	d.Lines = strings.NewReader(first)
	handled := make(chan *Handled, 10)
	d.Observe = func(o Observation) {
		if o.Handled != nil {
			handled <- o.Handled
		}
	}
	ended, started := make(chan error, 1), make(chan Addresses, 1)
	d.Started = func(a Addresses) { started <- a }
	go func() { ended <- d.Run(context.Background()) }()
	<-started
	<-called
	<-handled // the message
	<-handled // its request for the other chat
	c, ctx := control.Dial(d.Control.Socket), t.Context()
	_, err = c.Drained(ctx, 0)
	if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Status != 409 || user.Hint == "" {
		t.Errorf("before it drains: %v", err)
	}
	if e := (*control.UserError)(nil); !errors.As(drainedFor(ctx, c, control.MaxWait+1), &e) || e.Status != 400 {
		t.Error("it waits longer than it may")
	}
	for _, already := range []bool{false, true} {
		if got, err := c.Drain(ctx); err != nil || got.Already != already || got.InFlight != 1 || got.Stopped || got.Since.IsZero() {
			t.Errorf("drained: %+v, %v; want already %t and a call in flight", got, err, already)
		}
	}
	if got, err := c.Drained(ctx, 0); err != nil || got.Stopped || got.InFlight != 1 {
		t.Errorf("with a call in flight it has drained: %+v, %v", got, err)
	}
	type answer struct {
		control.Drain
		err error
	}
	waiting := make(chan answer, 1)
	go func() {
		got, err := c.Drained(ctx, control.MaxWait)
		waiting <- answer{got, err}
	}()
	letGo()
	if got := <-waiting; got.err != nil || !got.Stopped || got.InFlight != 0 || got.Pending != 0 || got.Waiting != 1 || got.Unknown != "" {
		t.Errorf("it has drained: %+v, %v; want a waiting action", got.Drain, got.err)
	}
	st, err := sqlite.Open(ctx, d.StorePath, sqlite.Options{})
	if err != nil {
		t.Fatalf("when it says that it has stopped, its store is in use: %v", err)
	}
	defer st.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// drainedFor returns the error of waiting for that time.
func drainedFor(ctx context.Context, c *control.Client, wait time.Duration) error {
	_, err := c.Drained(ctx, wait)
	return err
}

// The command that drains the daemon gets the result, also if the daemon stops between two of
// its requests.
func TestDrainCommandGetsItsResult(t *testing.T) {
	t.Parallel()
	d, _ := commanded(t, "read.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d.Started = func(a Addresses) { started <- a }
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	d.Stop = stop
	go func() { ended <- d.Run(ctx) }()
	<-started
	c := control.Dial(d.Control.Socket)
	if _, err := c.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	for { // until the daemon has closed its store
		st, err := sqlite.Open(context.Background(), d.StorePath, sqlite.Options{})
		if err == nil {
			st.Close()
			break
		}
	}
	if r, err := c.Drained(context.Background(), 0); err != nil || !r.Stopped {
		t.Errorf("the result is %+v, %v", r, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
