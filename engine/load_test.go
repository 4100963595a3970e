package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
)

// loaded is a whole daemon on loopback, with a simulated Chert that sends it
// events at a steady rate and keeps books on what becomes of each.
type loaded struct {
	t    testing.TB
	dir  string // the rules folder
	sim  *chertsim.Sim
	book *ledger
	news *news
	ask  *control.Client

	context context.Context // of the daemon
	stops   []func()        // in the order they are to be called
	once    sync.Once
}

// newLoaded starts the daemon on rule files given by name, and no load yet.
func newLoaded(t testing.TB, o rules.Options, files map[string]string) *loaded {
	t.Helper()
	l := &loaded{t: t, dir: filepath.Join(t.TempDir(), "rules"), book: newLedger(), news: &news{}}
	l.news.changed.L = &l.news.mu
	for name, text := range files {
		l.write(name, text)
	}
	l.sim = chertsim.New(chertsim.Config{Workers: 64, AllowLoopback: true, Keep: 1000, Backoff: 50 * time.Millisecond})
	l.sim.Watch(l.book.chert)
	ctx, cancel := context.WithCancel(context.Background())
	l.context = ctx
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d := Daemon{
		StorePath: filepath.Join(filepath.Dir(l.dir), "chertd.db"),
		API: chert.Config{BaseURL: serve(t, l.sim) + chertsim.BasePath, Tenant: chertsim.DefaultTenant,
			SigningSecret: chertsim.DefaultSigningSecret, MaxConns: 64, Timeout: 10 * time.Second},
		Concurrency: 64,
		Control:     Control{Socket: filepath.Join(filepath.Dir(l.dir), "s")},
		Webhook:     Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{chertsim.DefaultWebhookSecret}, MaxBody: 1 << 20},
		RulesDir:    l.dir, Rules: o, Watch: true,
		Log:     slog.New(l.news),
		Observe: l.book.daemon,
		Started: func(a Addresses) { started <- a },
	}
	go func() { ended <- d.Run(ctx) }()
	l.stops = append(l.stops, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended: %v", err)
		}
	}, l.sim.Close)
	t.Cleanup(l.stop)
	select {
	case a := <-started:
		l.ask = control.Dial(a.Socket)
		if _, err := l.sim.Subscribe(a.Webhook, chertsim.DefaultWebhookSecret); err != nil {
			t.Fatal(err)
		}
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	l.news.wait(t, "the first rules", 0, func(h headline) bool { return h.live })
	return l
}

// stop ends the load, the daemon and the simulator, in this order.
func (l *loaded) stop() {
	l.once.Do(func() {
		for _, stop := range l.stops {
			stop()
		}
	})
}

// load has events arrive until the function it returns is called, which waits
// for the last of them to be handled and read. With backlog 0 the world does not
// care how busy the daemon is: what is late is made up for. Otherwise it waits
// while so many events are not handled, so that the test ends on any machine.
func (l *loaded) load(rate float64, chats, backlog int) (stop func()) {
	ctx, cancel := context.WithCancel(l.context)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if backlog == 0 {
			l.sim.Load(ctx, chertsim.LoadConfig{Rate: rate, Chats: chats})
		} else {
			l.gentleLoad(ctx, rate, chats, backlog)
		}
	}()
	end := sync.OnceFunc(func() { cancel(); l.book.changed.Broadcast(); <-ended })
	l.stops = slices.Insert(l.stops, 0, end)
	return func() {
		l.t.Helper()
		end()
		l.book.await(l.t, "all that arrived to be handled and read", time.Minute, l.book.allRead)
	}
}

func (l *loaded) gentleLoad(ctx context.Context, rate float64, chats, backlog int) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		l.book.reached(time.Minute, func() bool { return len(l.book.open) < backlog || ctx.Err() != nil })
		i := n % chats
		l.sim.Receive(chertsim.Incoming{Chat: fmt.Sprint("load-", i), From: fmt.Sprintf("+1212%07d", i), Text: fmt.Sprint("message ", n)})
	}
}

// write replaces a rule file in one step, as editors do.
func (l *loaded) write(name, text string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		l.t.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		l.t.Fatal(err)
	}
}

// headline is a line of the daemon's log about what is live.
type headline struct {
	at   time.Time
	live bool   // a set went live; else something did not, or was rolled back
	text string // with all its attributes
}

// news is the daemon's log, of which the headlines are kept.
type news struct {
	mu      sync.Mutex
	changed sync.Cond
	lines   []headline
}

func (n *news) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (n *news) WithAttrs([]slog.Attr) slog.Handler               { return n }
func (n *news) WithGroup(string) slog.Handler                    { return n }

func (n *news) Handle(_ context.Context, r slog.Record) error {
	live := r.Message == live.LiveMessage
	if !live && !strings.HasPrefix(r.Message, "an edit is not live") && r.Message != "rolled back" &&
		!strings.HasPrefix(r.Message, "rule suspended") && !strings.HasPrefix(r.Message, "the store fails") {
		return nil
	}
	h := headline{at: time.Now(), live: live, text: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		h.text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	n.mu.Lock()
	n.lines = append(n.lines, h)
	n.mu.Unlock()
	n.changed.Broadcast()
	return nil
}

// count returns how many headlines there are: a place to wait on from.
func (n *news) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.lines)
}

// since returns the headlines from a place on.
func (n *news) since(from int) []headline {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines[from:])
}

// wait waits for a headline from a place on.
func (n *news) wait(t testing.TB, what string, from int, wanted func(headline) bool) headline {
	t.Helper()
	const most = 30 * time.Second
	began := time.Now()
	timeout := time.AfterFunc(most, n.changed.Broadcast)
	defer timeout.Stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := from; ; i++ {
		for i >= len(n.lines) {
			if time.Since(began) > most {
				t.Fatalf("waited in vain for %s; the log said %v", what, n.lines[from:])
			}
			n.changed.Wait()
		}
		if wanted(n.lines[i]) {
			return n.lines[i]
		}
	}
}
