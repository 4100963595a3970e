package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chertd/rules"
)

// planner makes plans for one pack, guard, as a manager would, without running
// any of them.
type planner struct {
	t   *testing.T
	dir string
	now time.Time
	e   *Engine
	set *rules.Set
	was *plan // the newest when it was asked last
}

func newPlanner(t *testing.T) *planner {
	p := &planner{t: t, dir: t.TempDir(), now: time.Unix(1_700_000_000, 0)}
	p.e = &Engine{c: Config{Now: func() time.Time { return p.now }}, shards: []*shard{{wake: make(chan struct{}, 1)}}}
	p.e.misses = newMisses(p.e)
	p.edit(1)
	p.e.misses.loaded, p.e.misses.started = true, p.now
	return p
}

// edit gives the pack a version of its own and makes a new set.
func (p *planner) edit(version int) {
	p.t.Helper()
	for name, source := range map[string]string{"guard.lua": fmt.Sprintf("-- %d\n%s", version, guard), "other.lua": readAll} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(source), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.load()
}

func (p *planner) load() {
	p.t.Helper()
	set, diagnostics := rules.Load([]string{p.dir}, rules.Options{Shards: 1}).Set()
	if len(diagnostics) > 0 {
		p.t.Fatal(diagnostics)
	}
	p.set = set
}

func (p *planner) removed() {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.dir, "guard.lua")); err != nil {
		p.t.Fatal(err)
	}
	p.load()
}

// missed notes events that the pack has missed, and from when suspended ones are
// to be tried again.
func (p *planner) missed(again time.Duration) {
	mp := p.e.misses.pack("guard")
	mp.events++
	if again >= 0 {
		mp.again = p.now.Add(again)
	}
}

// carriedOut ends the plan that is under way.
func (p *planner) carriedOut() { p.e.misses.plan.Load().open.Store(0) }

// isNew plans again, and reports whether there is a new plan.
func (p *planner) isNew() bool {
	p.e.misses.mu.Lock()
	defer p.e.misses.mu.Unlock()
	p.e.misses.replan(p.set)
	next := p.e.misses.plan.Load()
	defer func() { p.was = next }()
	if next != p.was && p.was != nil && next.n != p.was.n+1 {
		p.t.Errorf("plan %d follows plan %d", next.n, p.was.n)
	}
	woken := false
	select {
	case <-p.e.shards[0].wake:
		woken = true
	default:
	}
	if woken != (next != p.was) {
		p.t.Errorf("the shard was woken: %t", woken)
	}
	return next != p.was
}

// There is a new plan when there is more to do than the last one did, or does,
// and no other: each one holds up all that is newer.
func TestNewPlanWhenThereIsMoreToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*planner)
		// whether there is a new plan while the one before is under way, and after.
		during, after bool
	}{
		"nothing has changed":                 {func(*planner) {}, false, false},
		"more was missed":                     {func(p *planner) { p.missed(-1) }, false, false},
		"time has passed":                     {func(p *planner) { p.now = p.now.Add(time.Hour) }, false, false},
		"suspended events are due":            {func(p *planner) { p.missed(0) }, true, true},
		"suspended events are due later":      {func(p *planner) { p.missed(1) }, false, false},
		"suspended events were due":           {func(p *planner) { p.missed(1); p.now = p.now.Add(time.Second) }, true, true},
		"another version is live":             {func(p *planner) { p.edit(2) }, true, true},
		"the same version is in a new set":    {func(p *planner) { p.load() }, true, false},
		"the pack is gone":                    {func(p *planner) { p.removed() }, true, true},
		"the last of what was missed has run": {func(p *planner) { p.e.misses.packs["guard"].events = 0 }, false, false},
	} {
		for _, over := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, over=%t", name, over), func(t *testing.T) {
				t.Parallel()
				p := newPlanner(t)
				if p.isNew() {
					t.Fatal("a plan for nothing")
				}
				p.missed(-1)
				if !p.isNew() {
					t.Fatal("no plan for what was missed")
				}
				want := c.during
				if over {
					p.carriedOut()
					want = c.after
				}
				c.change(p)
				if got := p.isNew(); got != want {
					t.Errorf("there is a new plan: %t, want %t", got, want)
				}
				if p.isNew() {
					t.Error("the same change makes two plans")
				}
			})
		}
	}
}

// What a plan has begun with stays in it if another takes its place; one that
// comes later begins an hour before itself.
func TestReplannedPlanLosesNothing(t *testing.T) {
	t.Parallel()
	for _, over := range []bool{false, true} {
		p := newPlanner(t)
		p.missed(-1)
		p.isNew()
		want := p.now.Add(-missedFor)
		p.now = p.now.Add(time.Minute)
		if over {
			p.carriedOut()
			want = p.now.Add(-missedFor)
		}
		p.missed(0)
		if !p.isNew() {
			t.Fatal("no new plan")
		}
		if got := p.was.of("guard"); got == nil || !got.since.Equal(want) || got.out {
			t.Errorf("over=%t: the plan is %+v, want it since %v", over, got, want)
		}
	}
}

// A pack that this process has never seen counts as removed some time after the
// start; one that it has seen, immediately.
func TestPackCountsAsRemovedOnceItsFolderWasSurelyRead(t *testing.T) {
	t.Parallel()
	seen := newPlanner(t)
	seen.isNew() // notes it
	seen.removed()
	seen.missed(-1)
	if !seen.isNew() || !seen.was.of("guard").out {
		t.Errorf("the plan for a pack that was removed is %+v", seen.was)
	}
	never := newPlanner(t)
	never.removed()
	never.missed(-1)
	never.now = never.now.Add(goneAfter - 1)
	if never.isNew() {
		t.Errorf("there is a plan %+v before its folder was surely read", never.was)
	}
	never.now = never.now.Add(1)
	if !never.isNew() || !never.was.of("guard").out {
		t.Errorf("the plan for a pack that has been gone for long is %+v", never.was)
	}
}
