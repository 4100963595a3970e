package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
)

// tasks are goroutines that outlive the call that started them.
type tasks struct {
	ctx     context.Context // ends when all are stopped
	cancel  context.CancelFunc
	mu      sync.Mutex // held to start one, and to stop all
	running sync.WaitGroup
}

// start runs f in a goroutine of its own. After stop it calls f directly, with a context
// that has ended.
func (t *tasks) start(f func(ctx context.Context)) {
	t.mu.Lock()
	stopped := t.ctx.Err() != nil
	if !stopped {
		t.running.Go(func() { f(t.ctx) })
	}
	t.mu.Unlock()
	if stopped {
		f(t.ctx)
	}
}

// stop cancels all tasks and waits for them.
func (t *tasks) stop() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.running.Wait()
}

// readLater reads the folder again after a while, unless a reading is due sooner.
func (m *Manager) readLater(after time.Duration) {
	due := time.Now().Add(after)
	for {
		sooner := m.again.Load()
		if sooner != nil && !due.Before(*sooner) {
			return
		}
		if m.again.CompareAndSwap(sooner, &due) {
			break
		}
	}
	m.tasks.start(func(ctx context.Context) {
		if wait.For(ctx, max(0, after)) && m.again.CompareAndSwap(&due, nil) {
			m.noticeOrLog(ctx, Seen{Reason: "the folder was read again"})
		}
	})
}

// until waits until a time of the manager's clock, and reports whether ctx is live.
func (m *Manager) until(ctx context.Context, due time.Time) bool {
	return wait.For(ctx, max(0, due.Sub(m.c.Now())))
}

// Dropped counts the pending work of a pack that was dropped.
type Dropped struct {
	Reads     int `json:"reads"`
	Timers    int `json:"timers"`
	Calls     int `json:"calls,omitempty"`     // other than reads
	Postponed int `json:"postponed,omitempty"` // chats whose reads no longer wait because the pack postponed them
}

// Add adds the counts of o.
func (d *Dropped) Add(more Dropped) {
	d.Reads += more.Reads
	d.Timers += more.Timers
	d.Calls += more.Calls
	d.Postponed += more.Postponed
}

// dropEnd is a running drop.
type dropEnd struct {
	done chan struct{} // closed at its end
	what Dropped       // complete once done is closed
}

// dropping keeps the running drops. A pack does not change until its own are done:
// requests that it makes once it is live again must not be dropped with the others.
type dropping struct {
	mu     sync.Mutex
	byPack map[string]*dropEnd // the last one
}

const (
	dropRetry    = 100 * time.Millisecond
	dropRetryMax = 5 * time.Second
)

// drop starts a drop, which waits for the running ones of the pack. It is tried again
// until it succeeds or the manager stops.
func (m *Manager) drop(d Drop) *dropEnd {
	end := &dropEnd{done: make(chan struct{})}
	before := m.dropping.begin(d.Pack, end)
	m.tasks.start(func(ctx context.Context) {
		defer m.dropping.end(d.Pack, end)
		if before != nil {
			<-before.done
		}
		for delay := dropRetry; ctx.Err() == nil; delay = min(2*delay, dropRetryMax) {
			err := m.cancel(ctx, d, &end.what)
			if err == nil {
				return
			}
			if delay == dropRetry && ctx.Err() == nil {
				m.c.Log.Error("the pending work of a pack could not be dropped completely; trying again", "pack", d.Pack, "err", err, "hint", diag.StoreHint)
			}
			wait.For(ctx, delay)
		}
	})
	return end
}

// begin adds a drop, and returns the pack's drop before it, if one is running.
func (d *dropping) begin(pack string, end *dropEnd) (before *dropEnd) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byPack == nil {
		d.byPack = map[string]*dropEnd{}
	}
	before, d.byPack[pack] = d.byPack[pack], end
	return before
}

func (d *dropping) end(pack string, end *dropEnd) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byPack[pack] == end {
		delete(d.byPack, pack)
	}
	close(end.done)
}

// cancel cancels the pending work of a drop, and counts it. If it fails, the count keeps
// what was cancelled before.
func (m *Manager) cancel(ctx context.Context, d Drop, count *Dropped) error {
	if d.Why == DropRuleDeleted {
		return m.cancelRules(ctx, d, count)
	}
	if !d.KeepPending {
		what, err := m.c.Cancel(ctx, d)
		count.Add(what)
		if err != nil {
			return err
		}
	}
	if !d.Forget {
		return nil
	}
	if err := m.c.Keeper.SetPendingKept(ctx, d.Pack, "", false); err != nil {
		return err
	}
	if d.Rest.blank() {
		return m.c.Keeper.ForgetPack(ctx, d.Pack)
	}
	return m.c.Keeper.SetPackState(ctx, d.Rest)
}

func (m *Manager) cancelRules(ctx context.Context, d Drop, count *Dropped) error {
	v := m.view.Load()
	for i, live := range v.live {
		if live == nil || live.Name != d.Pack {
			continue
		}
		names := []string{}
		for _, p := range []*rules.Pack{live, v.beside[i]} {
			if p == nil {
				continue
			}
			for _, r := range p.Rules {
				names = append(names, r.Name)
			}
		}
		what, err := m.c.CancelRules(ctx, d, names)
		count.Add(what)
		if err != nil {
			return err
		}
	}
	return m.c.Keeper.SetRulesDeleted(ctx, d.Pack, false)
}

// await waits until nothing of a pack is being dropped.
func (d *dropping) await(ctx context.Context, pack string) error {
	for {
		d.mu.Lock()
		last := d.byPack[pack]
		d.mu.Unlock()
		if last == nil {
			return nil
		}
		if _, err := awaitDrops(ctx, []*dropEnd{last}); err != nil {
			return err
		}
	}
}

// awaitDrops waits for the end of all drops, and counts what they dropped.
func awaitDrops(ctx context.Context, all []*dropEnd) (total Dropped, err error) {
	for _, d := range all {
		select {
		case <-d.done:
			total.Add(d.what)
		case <-ctx.Done():
			return total, ctx.Err()
		}
	}
	return total, nil
}

// noteDrop schedules a drop for when the set is swapped.
func (m *Manager) noteDrop(d Drop) {
	same := func(o Drop) bool {
		return o.Pack == d.Pack && o.Version == d.Version && o.Rule == d.Rule && o.Outside == d.Outside && !o.Forget && !d.Forget && (o.Why == DropRuleDeleted) == (d.Why == DropRuleDeleted)
	}
	if !slices.ContainsFunc(m.drops, same) {
		m.drops = append(m.drops, d)
	}
}
