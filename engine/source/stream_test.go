package source_test

import (
	"context"
	"fmt"
	"io"
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
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: b.sim}
	go server.Serve(p)
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	client, err := chert.New(chert.Config{BaseURL: "http://127.0.0.1:1" + chertsim.BasePath, Tenant: chertsim.DefaultTenant,
		SigningSecret: chertsim.DefaultSigningSecret, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	in := source.Intake{Tenant: chertsim.DefaultTenant, Now: time.Now, Log: log,
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
		Take: in.Take, Now: time.Now, ChertNow: time.Now, Jitter: func() float64 { return 1 }, Log: log,
		Gap: func() { b.gaps++ },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { b.stream.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		b.sim.Close()
		server.Close()
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	synctest.Wait()
	return b
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
		if fmt.Sprint(b.got) != "[e0 e2]" || len(b.quarantined) != 1 || !strings.Contains(b.quarantined[0], "longer than") {
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
