package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
)

// TestStartOnAFullDisk: a daemon whose store can't be opened for want of room is
// there: it answers deliveries 503 and says why it is not ready. Once there is
// room it is ready, without a restart.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	d, _ := commanded(t, "later.lua", delayed)
	d.Webhook = Webhook{Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{"whsec"}, Tolerance: time.Minute, MaxBody: 1 << 20, MaxHeader: 64 << 10}
	var log lockedBuffer
	d.Log = slog.New(slog.NewTextHandler(&log, nil))
	full := &sqlite.NoRoomError{Path: d.StorePath, Err: errors.New("database or disk is full")}
	var tries atomic.Int64
	asked := make(chan struct{})
	d.open = func() (store.Store, error) {
		if tries.Add(1) == 1 {
			return nil, full
		}
		<-asked
		return sqlite.Open(context.Background(), d.StorePath, sqlite.Options{Log: d.Log})
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(method, url string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	d.refusing = func(a Addresses) {
		go func() {
			defer close(asked)
			if code, body := get("POST", a.Webhook); code != 503 || !strings.Contains(body, "try again") {
				t.Errorf("a delivery is answered %d %s", code, body)
			}
			if code, body := get("GET", "http://"+a.Control+"/-/ready"); code != 503 || !strings.Contains(body, "make room on the disk of "+filepath.Dir(d.StorePath)) {
				t.Errorf("ready is answered %d %s", code, body)
			}
			if code, _ := get("GET", "http://"+a.Control+"/-/healthy"); code != 200 {
				t.Errorf("healthy is answered %d", code)
			}
		}()
	}
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d.Started = func(a Addresses) { started <- a }
	d.Observe = nil
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	go func() { ended <- d.Run(ctx) }()
	var a Addresses
	select {
	case a = <-started:
	case err := <-ended:
		ended <- err
		t.Fatalf("the daemon does not run: %v", err)
	}
	if code, body := get("GET", "http://"+a.Control+"/-/ready"); code != 200 {
		t.Errorf("there is room, but ready is answered %d %s", code, body)
	}
	if code, _ := get("POST", a.Webhook); code != 401 {
		t.Errorf("there is room, but a delivery without a signature is answered %d", code)
	}
	if got := log.String(); !strings.Contains(got, "its disk is full: no events are taken in") || !strings.Contains(got, "there is room again") {
		t.Errorf("logged %s", got)
	}
}

// TestFullDiskEndsWithTheDaemon: a daemon that waits for room stops on request, and
// returns any other error of the store.
func TestFullDiskEndsWithTheDaemon(t *testing.T) {
	t.Parallel()
	full := &sqlite.NoRoomError{Path: "x", Err: errors.New("full")}
	broken := errors.New("I/O error")
	for name, test := range map[string]struct {
		then error // of the second attempt; nil: the daemon is stopped before
		want error
	}{"stopped": {nil, nil}, "another error": {broken, broken}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tries := 0
			d := Daemon{
				API: chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
				Log: slog.New(slog.DiscardHandler), Now: time.Now,
				open: func() (store.Store, error) {
					if tries++; tries > 1 && test.then != nil {
						return nil, test.then
					}
					return nil, full
				},
				refusing: func(Addresses) {
					if test.then == nil {
						cancel()
					}
				},
			}
			if err := d.Run(ctx); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("ended with %v, want %v", err, test.want)
			}
		})
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// unhealthy is a store that can't keep what it is given, as long as ill is set.
type unhealthy struct {
	store.Store
	ill atomic.Bool
}

func (s *unhealthy) Healthy() error {
	if s.ill.Load() {
		return &sqlite.LostError{Path: "chertd.db", What: "it is gone"}
	}
	return s.Store.Healthy()
}

// TestNoCallsThatCanNotBeRecorded: while the store is not healthy no call goes
// out, and the daemon is not ready and says what to do; afterwards the call does.
func TestNoCallsThatCanNotBeRecorded(t *testing.T) {
	t.Parallel()
	st := &unhealthy{}
	st.ill.Store(true)
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}}
	c.changed.L = &c.mu
	c.write("read.lua", readAll)
	c.wrap = func(inner store.Store) store.Store { st.Store = inner; return st }
	c.start()
	c.handle("c1", "e1", "x")
	c.expectActions("while the store is not healthy", "c1", "read waiting")
	if h := c.m.health(); len(h.NotReady) != 1 || !strings.Contains(h.NotReady[0], "it is gone; put the file back") {
		t.Errorf("not ready: %q", h.NotReady)
	}
	if n := c.reads(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	st.ill.Store(false)
	c.wait("the read", func() bool { return c.called("c1") == 1 })
	if h := c.m.health(); len(h.NotReady) != 0 {
		t.Errorf("not ready afterwards: %q", h.NotReady)
	}
}
