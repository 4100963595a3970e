package live

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"chertd/rules"
)

// drop is what a pack, or one version of it, has waiting, and is not to be
// carried out any more.
type drop struct {
	pack, version, why string
	rules              bool // only reads of rules that the pack does not have any more

	forget bool      // then the pack is forgotten, but for
	said   PackState // what an operator said of it
	keep   bool      // nothing is dropped: it is only forgotten
}

// Dropped counts what a pack had waiting and what was dropped.
type Dropped struct {
	Reads     int `json:"reads"`
	Timers    int `json:"timers"`
	Calls     int `json:"calls,omitempty"`     // other than reads
	Postponed int `json:"postponed,omitempty"` // chats of which no reads wait any more for what it had postponed
}

// Add adds what else was dropped.
func (d *Dropped) Add(more Dropped) {
	d.Reads += more.Reads
	d.Timers += more.Timers
	d.Calls += more.Calls
	d.Postponed += more.Postponed
}

// dropEnd is a drop under way.
type dropEnd struct {
	done chan struct{} // closed at its end
	what Dropped       // by then
}

// dropping are the drops under way. A pack is not touched until its own are
// done: what it asks once it is live again must not go with the rest.
type dropping struct {
	mu     sync.Mutex
	byPack map[string]chan struct{} // the last one's, closed at its end
}

const (
	dropRetry    = 100 * time.Millisecond
	dropRetryMax = 5 * time.Second
)

// drop begins one, after those of the pack that are under way. It is tried until
// it succeeds; it ends then, or when all is stopped.
func (g *Generations) drop(d drop) *dropEnd {
	end := &dropEnd{done: make(chan struct{})}
	g.dropping.mu.Lock()
	before := g.dropping.byPack[d.pack]
	if g.dropping.byPack == nil {
		g.dropping.byPack = map[string]chan struct{}{}
	}
	g.dropping.byPack[d.pack] = end.done
	g.dropping.mu.Unlock()
	ended := func() {
		g.dropping.mu.Lock()
		defer g.dropping.mu.Unlock()
		if g.dropping.byPack[d.pack] == end.done {
			delete(g.dropping.byPack, d.pack)
		}
		close(end.done)
	}
	started := g.tasks.start(func(ctx context.Context) {
		defer ended()
		if before != nil {
			<-before
		}
		for wait, failed := dropRetry, false; ; wait = min(2*wait, dropRetryMax) {
			err := g.carryOut(ctx, d, &end.what)
			if err == nil || ctx.Err() != nil {
				return
			}
			if !failed {
				g.c.Log.Error("what a pack has waiting could not be dropped to the end; trying again", "pack", d.pack, "err", err)
			}
			failed = true
			if !pause(ctx, wait) {
				return
			}
		}
	})
	if started == nil {
		ended()
	}
	return end
}

// carryOut drops what is to be dropped, and counts it. What a try that failed in
// between has dropped stays counted.
func (g *Generations) carryOut(ctx context.Context, d drop, count *Dropped) error {
	if d.rules {
		return g.carryOutRules(ctx, d, count)
	}
	if !d.keep {
		what, err := g.c.Cancel(ctx, d.pack, d.version, d.why)
		count.Add(what)
		if err != nil {
			return err
		}
	}
	if !d.forget {
		return nil
	}
	if err := g.c.Keeper.SetFlag(ctx, keptFlag(d.pack, ""), false); err != nil {
		return err
	}
	if d.said == (PackState{Pack: d.pack}) {
		return g.c.Keeper.ForgetPack(ctx, d.pack)
	}
	return g.c.Keeper.SetPackState(ctx, d.said)
}

func (g *Generations) carryOutRules(ctx context.Context, d drop, count *Dropped) error {
	for _, live := range g.view.Load().live {
		if live == nil || live.Name != d.pack || g.c.CancelRules == nil {
			continue
		}
		names := []string{}
		for _, r := range live.Rules {
			names = append(names, r.Name)
		}
		what, err := g.c.CancelRules(ctx, d.pack, names, d.why)
		count.Add(what)
		if err != nil {
			return err
		}
	}
	return g.c.Keeper.SetFlag(ctx, rulesGoneFlag(d.pack), false)
}

// leftOver notes what had to be dropped when the process last ran, or has to be
// since: it may have ended before that was done.
func (g *Generations) leftOver() {
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		s := g.packs[name]
		if mode, _ := g.mode(s); mode != rules.Live && !s.kept {
			g.drops = append(g.drops, drop{pack: name, why: string(mode)})
			continue
		}
		for _, version := range slices.Sorted(maps.Keys(s.back)) {
			g.drops = append(g.drops, drop{pack: name, version: version, why: "rolled back"})
		}
		if s.rulesGone {
			g.drops = append(g.drops, drop{pack: name, why: "rule deleted", rules: true})
		}
	}
}

// await waits until nothing of a pack is being dropped.
func (d *dropping) await(ctx context.Context, pack string) error {
	for {
		d.mu.Lock()
		done := d.byPack[pack]
		d.mu.Unlock()
		if done == nil {
			return nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait waits for the end of all drops, and counts what they dropped.
func wait(ctx context.Context, all []*dropEnd) (total Dropped, err error) {
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

// dropOff notes what is to be dropped of packs that were live in a set and are
// in another mode now, whoever set it.
func (g *Generations) dropOff(before *rules.Set, modes map[string]rules.Mode) {
	if before == nil {
		return
	}
	for name := range before.Known() {
		mode := before.Mode(name)
		now, there := modes[name]
		if !there || mode != rules.Live || now == rules.Live || g.packs[name].kept {
			continue
		}
		if !slices.ContainsFunc(g.drops, func(d drop) bool { return d.pack == name && d.version == "" }) {
			g.drops = append(g.drops, drop{pack: name, why: string(now)})
		}
	}
}

// dropRules notes that reads of rules are to be dropped which a pack will not have
// any more once another version of it is live: now or, if the process ends before
// that is done, at the next start. A version that was live when the process last
// ran, and was not loaded since, may have had any rules.
func (g *Generations) dropRules(s *standing, to *rules.Pack) {
	pack, was := s.state.Pack, s.live
	switch {
	case g.c.CancelRules == nil || slices.ContainsFunc(g.drops, func(d drop) bool { return d.pack == pack && d.rules }):
		return
	case was == nil && (s.state.Live == "" || s.state.Live == to.Version):
		return
	case was != nil && (was == to || s.keptOf == was.Version || !was.LosesRules(to)):
		return
	}
	if err := g.c.Keeper.SetFlag(context.Background(), rulesGoneFlag(pack), true); err != nil {
		g.c.Log.Warn("should the process end now, reads of rules that were deleted go out all the same", "pack", pack, "err", err)
	}
	g.drops = append(g.drops, drop{pack: pack, why: "rule deleted", rules: true})
}
