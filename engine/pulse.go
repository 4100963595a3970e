package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store/sqlite"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

// Beat is the state of a running daemon, for a service manager.
type Beat struct {
	Line string // the state in one line
	// Hangs is a part of the daemon that does not answer and that a restart may cure; "": all
	// answer.
	Hangs    string
	Draining bool // the daemon stops; no Beat follows
}

const (
	// DefaultBeat is the default of Daemon.BeatEvery.
	DefaultBeat = 5 * time.Second
	// hangAfter is how long a part may not answer before a restart is worth a try. A restart
	// cures a goroutine that waits without end (a deadlock, a loop), and a write on a file
	// that the system does not complete although the disk is there again (a network file
	// system that was mounted again). It does not cure a slow disk or a failover of storage,
	// which takes up to two minutes (the timeouts of iSCSI and NFS), nor a store that answers
	// with errors, such as on a full disk: chertd retries these.
	hangAfter = 3 * time.Minute
	// maxLine bounds Beat.Line, in bytes.
	maxLine = 300
)

// part is a part of the daemon that must answer.
type part struct {
	name string
	// ask returns when the part has answered, with whatever result, or ctx has ended.
	ask func(ctx context.Context)
	// usesStore is set if the part waits while the store fails.
	usesStore bool

	answered time.Time // last; guarded by pulse.mu
}

// pulse finds out whether all parts of a daemon answer.
type pulse struct {
	every   time.Duration
	healthy func() error // of the store

	mu    sync.Mutex
	parts []*part
}

// run asks the parts and calls beat until ctx ends, once more for the end. The parts are asked
// by goroutines that it adds to asking: a part that hangs ends them late.
func (p *pulse) run(ctx context.Context, asking *sync.WaitGroup, line func() string, beat func(Beat)) {
	for _, one := range p.parts {
		one.answered = time.Now()
		asking.Go(func() {
			for ok := ctx.Err() == nil; ok; ok = wait.For(ctx, p.every) {
				one.ask(ctx)
				p.mu.Lock()
				one.answered = time.Now()
				p.mu.Unlock()
			}
		})
	}
	for ok := ctx.Err() == nil; ok; ok = wait.For(ctx, p.every) {
		beat(Beat{Line: line(), Hangs: p.hangs(time.Now())})
	}
	beat(Beat{Line: "draining: calls in flight end", Draining: true})
}

// hangs returns the part that has not answered for hangAfter; "": there is none. While the
// store fails, the parts that use it wait for it, and the time counts from its end.
func (p *pulse) hangs(now time.Time) string {
	err := p.healthy()
	stalled := errors.As(err, new(*sqlite.StalledError))
	p.mu.Lock()
	defer p.mu.Unlock()
	hangs := ""
	for _, one := range p.parts {
		if err != nil && (one.usesStore || !stalled) {
			one.answered = now
		}
		if waited := now.Sub(one.answered); waited >= hangAfter && hangs == "" {
			hangs = fmt.Sprintf("%s has not answered for %s", one.name, diag.About(waited.Round(time.Second)))
		}
	}
	return hangs
}

// pulse returns what the daemon's parts are asked by. The state of the daemon is a part, as
// it takes the locks of calls, packs and sources; its line goes to line.
func (m *manager) pulse(every time.Duration, line *atomic.Pointer[string]) *pulse {
	p := &pulse{every: every, healthy: m.store.Healthy}
	p.parts = append(p.parts, &part{name: "the writer of the store", ask: func(ctx context.Context) {
		_ = m.store.Commit(ctx, nil) // an error is an answer
	}})
	for _, s := range m.eng.shards {
		p.parts = append(p.parts, &part{name: fmt.Sprintf("shard %d, which runs rules,", s.part.Index), usesStore: true, ask: func(ctx context.Context) {
			done := make(chan error, 1)
			if s.post(ctx, request{done: done}) == nil {
				select {
				case <-done:
				case <-ctx.Done():
				}
			}
		}})
	}
	p.parts = append(p.parts, &part{name: "the state of the daemon", usesStore: true, ask: func(context.Context) {
		text := m.line()
		line.Store(&text)
	}})
	return p
}

// beats calls d.Beat until ctx ends. Wait for asking once the store is closed.
func (d *Daemon) beats(ctx context.Context, m *manager, asking *sync.WaitGroup) {
	if d.Beat == nil {
		return
	}
	every := d.BeatEvery
	if every <= 0 {
		every = DefaultBeat
	}
	first := m.line()
	var line atomic.Pointer[string]
	line.Store(&first)
	m.pulse(every, &line).run(ctx, asking, func() string { return *line.Load() }, d.Beat)
}

// line returns the state of the daemon in one line.
func (m *manager) line() string {
	h := m.health()
	parts := []string{"ready"}
	if len(h.NotReady) > 0 {
		parts[0] = "not ready: " + h.Public(h.NotReady[0])
	}
	packs, notLive := 0, 0
	for _, p := range m.gens.Standings() {
		if p.Version != "" {
			packs++
		}
		if p.NotLive != "" && !p.Unread {
			notLive++
		}
	}
	parts = append(parts, count(int64(packs), "pack")+" live")
	if notLive > 0 {
		parts = append(parts, count(int64(notLive), "edit")+" not live")
	}
	if n := len(h.Blocked); n > 0 {
		parts = append(parts, count(int64(n), "pack")+" blocking reads")
	}
	if len(h.NoCalls) > 0 {
		parts = append(parts, "no calls: "+h.Public(h.NoCalls[0]))
	}
	text := parts[0] + "; " + strings.Join(parts[1:], ", ")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + " …"
	}
	return diag.Visible(strings.Join(strings.Fields(text), " "))
}
