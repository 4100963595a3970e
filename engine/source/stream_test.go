package source_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// pipes is a listener whose connections are in memory, and so on virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// streamBench is a Stream of a simulator. Its fields are read after synctest.Wait.
type streamBench struct {
	sim         *chertsim.Sim
	stream      *source.Stream
	opened      []time.Duration // since the beginning
	got         []string        // ids in the order in which they were new
	quarantined []string        // reasons
	gaps        int
}

func newStreamBench(t *testing.T) *streamBench {
	b := &streamBench{sim: chertsim.New(chertsim.Config{Now: time.Now})}
	b.start(t, b.sim)
	return b
}

// start starts the stream of a server.
func (b *streamBench) start(t *testing.T, handler http.Handler) {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(p)
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	client, err := chert.New(chert.Config{BaseURL: "http://127.0.0.1:1" + chertsim.BasePath, Tenant: chertsim.DefaultTenant,
		SigningSecret: chertsim.DefaultSigningSecret, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	logger := slog.New(slog.DiscardHandler)
	in := source.Intake{Tenant: chertsim.DefaultTenant, Now: time.Now, Log: logger,
		Ingest: func(_ context.Context, arrivals []turn.Arrival) (receipts []store.Receipt, err error) {
			for _, a := range arrivals {
				receipts = append(receipts, store.Receipt{Duplicate: seen[a.Event.ID]})
				if !seen[a.Event.ID] {
					seen[a.Event.ID] = true
					b.got = append(b.got, a.Event.ID)
				}
			}
			return receipts, nil
		},
		Quarantine: func(_ context.Context, q store.Quarantined) error {
			if q.Truncated {
				q.Reason = "truncated, " + q.Reason
			}
			b.quarantined = append(b.quarantined, q.Reason)
			return nil
		},
	}
	began := time.Now()
	b.stream = source.NewStream(source.StreamConfig{
		Open: func(ctx context.Context, since time.Time) (io.ReadCloser, chert.Reply, error) {
			b.opened = append(b.opened, time.Since(began))
			return client.Stream(ctx, since)
		},
		Take: in.Take, Now: time.Now, ChertNow: time.Now, Jitter: func() float64 { return 1 }, Log: logger,
		Gap: func() { b.gaps++ },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { b.stream.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if b.sim != nil {
			b.sim.Close()
		}
		server.Close()
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	synctest.Wait()
}

func (b *streamBench) fail(t *testing.T, f chertsim.FailRule) {
	t.Helper()
	f.Route = "stream"
	if err := b.sim.Fail(f); err != nil {
		t.Fatal(err)
	}
}

func TestStreamConnectsAgainImmediately(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		time.Sleep(150 * time.Second)
		synctest.Wait()
		if fmt.Sprint(b.opened) != "[0s 1m0s 2m0s]" || b.gaps != 0 {
			t.Errorf("opened at %v with %d gaps", b.opened, b.gaps)
		}
		if st := b.stream.Stats(); st.Reconnects != 2 || st.Failures != 0 || st.Connected.IsZero() {
			t.Errorf("%+v", st)
		}
	})
}

// A connection sends again what the one before has sent last: that is not a new event, and
// its age is not a lag.
func TestResentEventsHaveNoLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		time.Sleep(10 * time.Second)
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		at := time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		if st := b.stream.Stats(); st.Reconnects < 50 || !st.LastEvent.Equal(at) || st.Lag.Last > time.Second {
			t.Errorf("after an hour: %+v, want the last event at %v and no lag", st, at)
		}
	})
}

func TestSilentStreamIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		b.fail(t, chertsim.FailRule{Mode: chertsim.FailHang, Applied: true, Times: 1})
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if fmt.Sprint(b.opened) != "[0s 1m0s 1m31s]" || b.gaps != 1 {
			t.Errorf("opened at %v with %d gaps", b.opened, b.gaps)
		}
	})
}

func TestStreamBacksOff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule chertsim.FailRule
		want string
	}{
		"bad signature": {chertsim.FailRule{Code: 2004, Times: 7}, "[0s 1m0s 1m1s 1m3s 1m7s 1m15s 1m31s 2m1s 2m31s]"},
		"page":          {chertsim.FailRule{Mode: chertsim.FailHTML, Status: 200, Times: 1}, "[0s 1m0s 1m1s 2m1s]"},
		"rate limited":  {chertsim.FailRule{Code: 1007, RetryAfter: 40, Times: 1}, "[0s 1m0s 1m40s]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newStreamBench(t)
				b.fail(t, tt.rule)
				time.Sleep(155 * time.Second)
				synctest.Wait()
				if fmt.Sprint(b.opened) != tt.want {
					t.Errorf("opened at %v, want %s", b.opened, tt.want)
				}
			})
		})
	}
}

// Events of 1 MiB are taken in; a longer one is quarantined, and those after it are not lost.
func TestStreamTakesLargeEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		for i, size := range []int{1 << 19, 3 << 20, 10} {
			b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: strings.Repeat("x", size), EventID: fmt.Sprint("e", i)})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if fmt.Sprint(b.got) != "[e0 e2]" || len(b.quarantined) != 1 || !strings.HasPrefix(b.quarantined[0], "truncated, longer than") {
			t.Errorf("got %v, quarantined %q", b.got, b.quarantined)
		}
	})
}

// Over hundreds of connections that end in every way, each event arrives once and in order.
func TestStreamLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		random := rand.New(rand.NewPCG(1, 2))
		faults := []chertsim.FailRule{
			{Mode: chertsim.FailTruncated}, {Mode: chertsim.FailReset, Applied: true}, {Mode: chertsim.FailHang, Applied: true, Delay: 20 * time.Second},
			{Code: 3002}, {Mode: chertsim.FailReset},
		}
		var want []string
		for i := range 2000 {
			if i%8 == 0 {
				f := faults[random.IntN(len(faults))]
				if f.Code == 0 {
					f.After = random.IntN(4)
				}
				f.Times = 1
				b.fail(t, f)
			}
			want = append(want, b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello", EventID: fmt.Sprint("e", i)}).EventID)
			time.Sleep(time.Duration(random.IntN(10_000)) * time.Millisecond)
		}
		b.sim.ClearFaults()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if fmt.Sprint(b.got) != fmt.Sprint(want) || len(b.quarantined) > 0 {
			t.Errorf("%d of %d events, in order: false; quarantined %q", len(b.got), len(want), b.quarantined)
		}
		if st := b.stream.Stats(); st.Failures < 100 || st.Taken.Events != 2000 {
			t.Errorf("%+v", st)
		}
	})
}

func choose(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// hostile is a server whose streams are of a kind for five minutes, and good afterwards.
type hostile struct {
	began time.Time
	do    func(w http.ResponseWriter, send func(text string) bool, sleep func(time.Duration) bool)
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(text string) bool {
		_, err := io.WriteString(w, text)
		return err == nil && http.NewResponseController(w).Flush() == nil
	}
	sleep := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return time.Since(h.began) < 5*time.Minute
		case <-r.Context().Done():
			return false
		}
	}
	if time.Since(h.began) < 5*time.Minute {
		h.do(w, send, sleep)
		return
	}
	send(`data: {"event":"ping","event_id":"good"}` + "\n\n")
	for range 4 {
		select {
		case <-time.After(15 * time.Second):
			send(": heartbeat\n\n")
		case <-r.Context().Done():
			return
		}
	}
	send("event: close\ndata: {}\n\n")
}

// Whatever a server sends instead of events, chertd keeps little of it, does not connect more
// often than it backs off, and takes in the events that follow.
func TestHostileStreamsAreLeft(t *testing.T) {
	t.Parallel()
	type (
		send  = func(string) bool
		sleep = func(time.Duration) bool
	)
	again := func(every time.Duration, text string) func(http.ResponseWriter, send, sleep) {
		return func(_ http.ResponseWriter, send send, sleep sleep) {
			for send(text) && sleep(every) {
			}
		}
	}
	once := func(text string) func(http.ResponseWriter, send, sleep) {
		return func(_ http.ResponseWriter, send send, _ sleep) { send(text) }
	}
	answer := func(status int, header ...string) func(http.ResponseWriter, send, sleep) {
		return func(w http.ResponseWriter, send send, _ sleep) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				send("<html>data: {}")
			}
		}
	}
	ping := func(n int) string { return fmt.Sprintf(`{"event":"ping","event_id":"e%d"}`, n) }
	for name, test := range map[string]struct {
		do   func(http.ResponseWriter, send, sleep)
		most int // connections in five minutes
		got  string
	}{
		"a line without end":      {again(500*time.Millisecond, strings.Repeat("x", 4<<10)), 4, "good"},
		"a data line without end": {again(500*time.Millisecond, "data: "+strings.Repeat("x", 4<<10)), 4, "good"},
		"a byte every 20 seconds": {again(20*time.Second, "d"), 4, "good"},
		"comments without end":    {again(200*time.Millisecond, ": "+strings.Repeat("x", 1<<10)+"\n"), 2, "good"},
		"blank lines without end": {again(200*time.Millisecond, "\r\n\n\r"), 2, "good"},
		"zeros":                   {again(time.Second, "\x00\x00\n\n"), 2, "good"},
		"fields without data":     {again(time.Second, "id: 1\nretry: 1\nevent: x\n\n"), 2, "good"},
		"closed when it opens":    {once("event: close\ndata: {}\n\n"), 16, "good"},
		"closed each second": {func(_ http.ResponseWriter, send send, sleep sleep) {
			sleep(1100 * time.Millisecond)
			send("event: close\n\n")
		}, 22, "good"},
		"an event, and the end":    {once("data: " + ping(1) + "\n\n"), 16, "e1 good"},
		"half an event":            {once("data: " + ping(1) + "\n"), 16, "good"},
		"error events":             {once("event: error\ndata: x\n\n"), 16, "good"},
		"retry immediately":        {once("retry: 0\n\n"), 16, "good"},
		"nothing":                  {once(""), 16, "good"},
		"204":                      {answer(204), 16, "good"},
		"a redirect":               {answer(302, "Location", "/elsewhere"), 16, "good"},
		"a page":                   {answer(200, "Content-Type", "text/html"), 16, "good"},
		"gzip that is none":        {answer(200, "Content-Encoding", "gzip"), 16, "good"},
		"a 503 with a Retry-After": {answer(503, "Retry-After", "120", "Content-Type", "text/html"), 4, "good"},
		"an event in pieces": {func(_ http.ResponseWriter, send send, sleep sleep) {
			for _, c := range "data: " + ping(1) + "\r\n\r\n" {
				send(string(c))
				sleep(time.Second)
			}
			for sleep(15*time.Second) && send(":\n") {
			}
		}, 2, "e1 good"},
		"long events": {func(_ http.ResponseWriter, send send, sleep sleep) {
			for n := range 2 {
				send("data: " + strings.Repeat("x", 3<<20) + "\n\ndata: " + ping(n) + "\n\n")
			}
			for sleep(15*time.Second) && send(":\n") {
			}
		}, 2, "e0 e1 good"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &streamBench{}
				b.start(t, &hostile{time.Now(), test.do})
				time.Sleep(8 * time.Minute)
				synctest.Wait()
				n := 0
				for _, at := range b.opened {
					if at < 5*time.Minute {
						n++
					}
				}
				// A line that does not end is left before five minutes are over.
				if least := choose(strings.HasPrefix(name, "a line") || strings.HasPrefix(name, "a data line") || strings.HasPrefix(name, "a byte"), 2, 1); n > test.most || n < least {
					t.Errorf("%d connections in five minutes, want at most %d: %v", n, test.most, b.opened)
				}
				if got := strings.Join(b.got, " "); got != test.got {
					t.Errorf("took in %q, want %q", got, test.got)
				}
				for _, reason := range b.quarantined {
					if !strings.Contains(reason, "longer than") {
						t.Errorf("quarantined: %s", reason)
					}
				}
			})
		})
	}
}
