package engine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/turn"
)

// A part that does not answer is reported after hangAfter, and no longer once it answers. A
// store that fails excuses all but its writer, which only a disk that does not answer leaves
// without an excuse.
func TestPulseReportsPartsThatHang(t *testing.T) {
	t.Parallel()
	writes, fails := error(&sqlite.StalledError{For: time.Minute}), errors.New("disk full")
	for _, test := range []struct {
		name      string
		usesStore bool
		store     error
		hangs     time.Duration // how long the part does not answer
		want      time.Duration // when it is reported first; 0: never
	}{
		{name: "answers", hangs: 0},
		{name: "slow", hangs: hangAfter - 10*time.Second},
		{name: "hangs", hangs: hangAfter + time.Minute, want: hangAfter},
		{name: "hangs in a write", store: writes, hangs: hangAfter + time.Minute, want: hangAfter},
		{name: "waits for the store", usesStore: true, store: writes, hangs: time.Hour},
		{name: "waits for a full disk", store: fails, hangs: time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ends := time.NewTimer(test.hangs)
				p := &pulse{every: 5 * time.Second, healthy: func() error { return test.store }, parts: []*part{{
					name: "it", usesStore: test.usesStore,
					ask: func(ctx context.Context) {
						if time.Since(began) < test.hangs {
							<-ends.C
						}
					},
				}}}
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour)
				defer stop()
				var asking sync.WaitGroup
				var first time.Duration
				beats, last := 0, Beat{}
				p.run(ctx, &asking, func() string { return "ready" }, func(b Beat) {
					beats, last = beats+1, b
					if b.Hangs != "" && first == 0 {
						first = time.Since(began)
					}
					if b.Hangs != "" && time.Since(began) > test.hangs+5*time.Second {
						t.Errorf("after it has answered again: %s", b.Hangs)
					}
				})
				asking.Wait()
				if first < test.want || first > test.want+5*time.Second || test.want == 0 && first != 0 {
					t.Errorf("reported after %s, want %s", first, test.want)
				}
				if beats < 1440 || !last.Draining {
					t.Errorf("%d beats in two hours, the last %+v", beats, last)
				}
			})
		})
	}
}

// hangingStore is a store whose writer stops answering.
type hangingStore struct {
	store.Store
	hangs   atomic.Bool
	release chan struct{}
}

func (s *hangingStore) Commit(ctx context.Context, batch []turn.Transition) error {
	if s.hangs.Load() {
		<-s.release
	}
	return s.Store.Commit(ctx, batch)
}

// A daemon reports a store that hangs for long, and not one that hangs for a short time.
func TestDaemonReportsStoreThatHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"read.lua": delayed, "broken.lua": "chert.on("} {
		if err := os.WriteFile(filepath.Join(dir, "rules", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		real, err := sqlite.Open(context.Background(), filepath.Join(dir, "chertd.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		st := &hangingStore{Store: real, release: make(chan struct{})}
		var mu sync.Mutex
		var all []Beat
		last := func() Beat {
			mu.Lock()
			defer mu.Unlock()
			if len(all) == 0 {
				return Beat{}
			}
			return all[len(all)-1]
		}
		d := Daemon{
			API:      chert.Config{BaseURL: "http://127.0.0.1:1" + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
			Webhook:  Webhook{Listen: "in process", Path: "/hook", Secrets: []string{chertsim.DefaultWebhookSecret}},
			RulesDir: filepath.Join(dir, "rules"), Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Beat: func(b Beat) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, b)
			},
		}
		m, paused, err := d.prepare(context.Background(), st)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.serve(ctx, m, paused, nil, Addresses{}, func() {}) }()
		time.Sleep(time.Hour)
		if b := last(); b.Hangs != "" || b.Line != "ready; 1 pack live, 1 edit not live, 1 pack blocking reads" {
			t.Errorf("an hour after the start: %+v", b)
		}
		st.hangs.Store(true)
		time.Sleep(hangAfter - time.Minute)
		if b := last(); b.Hangs != "" {
			t.Errorf("after a short while: %+v", b)
		}
		time.Sleep(2 * time.Minute)
		if b := last(); !strings.HasPrefix(b.Hangs, "the writer of the store has not answered for ") {
			t.Errorf("after a long while: %+v", b)
		}
		st.hangs.Store(false)
		close(st.release)
		time.Sleep(time.Minute)
		if b := last(); b.Hangs != "" {
			t.Errorf("once it answers again: %+v", b)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if b := last(); !b.Draining {
			t.Errorf("the last: %+v", b)
		}
		if err := real.Close(); err != nil {
			t.Error(err)
		}
	})
}
