package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// manager keeps the engine's rules as the folder and the operators want them, rolls
// back failing packs and sends others to shadow, and carries out the commands.
type manager struct {
	eng    *Engine
	client *chert.Client
	store  store.Store
	gens   *live.Manager
	log    *slog.Logger

	intake

	version string // of the program
	since   time.Time

	// troubled are packs that are to be rolled back or sent to shadow. What finds that
	// out is on the way of events and must not wait.
	mu       sync.Mutex
	troubled map[string]trouble
	signal   chan struct{} // there is a pack among them

	blocking blocking
	commands control.Commands // those under way
}

// trouble is why a pack is to be rolled back or sent to shadow.
type trouble struct {
	failing bool       // its version on trial fails: it is rolled back
	limit   rules.Rate // that it has reached: it goes to shadow
}

// why returns what is wrong with the pack, in words.
func (t trouble) why() string {
	if t.failing {
		return "its version on trial fails"
	}
	return t.limit.Reached()
}

// troubleRetry is how long a pack that could not be helped waits for the next try.
const troubleRetry = 5 * time.Second

// cancelsAtOnce is how many chats are relieved at a time of what a pack has
// waiting: enough for shards to commit them by the hundred.
const cancelsAtOnce = 256

// newManager makes a manager and the engine that it manages, as each needs the
// other. c is the engine's; the manager observes it besides c.Observe.
func newManager(d *Daemon, c Config, st store.Store, client *chert.Client, clock *chertClock) (*manager, error) {
	m := &manager{
		client: client, store: st, log: d.Log,
		version: d.Version, since: d.Now(),
		troubled: map[string]trouble{}, signal: make(chan struct{}, 1),
		blocking: blocking{look: make(chan struct{}, 1)},
	}
	observe := c.Observe
	c.Observe = func(h Happening) {
		m.happened(h)
		if observe != nil {
			observe(h)
		}
	}
	c.missedChanged = m.blocking.lookAgain
	m.eng = New(c)
	var err error
	if m.intake, err = newIntake(d, m.eng, clock); err != nil {
		return nil, err
	}
	options := d.Rules
	options.Print = m.printed
	m.gens = live.New(live.Config{
		Dir: d.RulesDir, Options: options, Keeper: st, Gate: d.Gate,
		Now: m.eng.c.Now, Suspensions: &m.eng.suspensions, Swap: m.swap, Cancel: m.cancel, CancelRules: m.cancelRules, Log: d.Log,
	})
	return m, nil
}

// printed logs what a pack printed or logged when it was loaded.
func (m *manager) printed(pack, level, msg string, fields map[string]any) {
	attrs := []any{keyPack, pack, "while", "loading"}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, key, fields[key])
	}
	m.log.Log(context.Background(), levelOf(level), msg, attrs...)
}

// run rolls back troubled packs or sends them to shadow, until ctx ends.
func (m *manager) run(ctx context.Context) {
	retry := time.Duration(-1)
	for wait.For(ctx, retry, m.signal) {
		retry = -1
		m.mu.Lock()
		troubled := m.troubled
		m.troubled = map[string]trouble{}
		m.mu.Unlock()
		for pack, t := range troubled {
			if err := m.help(ctx, pack, t); err != nil && ctx.Err() == nil {
				m.log.Error("could not roll back a failing pack or send it to shadow; trying again", keyPack, pack, keyWhy, t.why(), keyError, err)
				m.note(pack, t)
				retry = troubleRetry
			}
		}
	}
}

// help rolls a pack back or sends it to shadow.
func (m *manager) help(ctx context.Context, pack string, t trouble) error {
	if t.failing {
		return unlessGone(m.gens.RollBackFailing(ctx, pack))
	}
	changed, err := m.gens.ToShadow(ctx, pack, t.limit)
	if changed {
		m.log.Error("pack switched to shadow mode: its actions are recorded but not carried out", keyPack, pack, keyWhy, t.limit.Reached(), "hint", modeHint(pack))
	}
	return unlessGone(err)
}

// modeHint says how a pack that chertd sent to shadow becomes live again.
func modeHint(pack string) string {
	return diag.PackCommand("mode", pack, "live") + " takes it back, or a higher limits.reads; its reads count from zero again"
}

// unlessGone is err, unless it says that there is no pack any more to be helped.
func unlessGone(err error) error {
	if errors.Is(err, live.ErrNoPack) {
		return nil
	}
	return err
}

// inTrouble leaves a pack to run. It does not wait.
func (m *manager) inTrouble(pack string, t trouble) {
	m.note(pack, t)
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

func (m *manager) note(pack string, t trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.troubled[pack] = t
}

// change applies changed settings one by one: a rejected one keeps its previous value.
func (m *manager) change(ctx context.Context, c Changes, servers []*server) {
	m.eng.gov.SetCeiling(c.Rate, c.Burst)
	errs := []error{m.client.SetSigningSecret(c.SigningSecret)}
	m.eng.calls.ProbeNow()
	for _, s := range servers {
		if s.change != nil {
			errs = append(errs, s.change(c))
		}
	}
	if err := errors.Join(errs...); err != nil {
		m.log.Error("setting change rejected; the previous value stays", keyError, err)
	}
	c.Rules.Print = m.printed
	if err := m.gens.Reconfigure(ctx, c.Rules, c.Gate); err != nil && ctx.Err() == nil {
		m.log.Error("could not finish reading the rules; live versions unchanged", keyError, err)
	}
}

// swap makes a set the live one. The count of a pack's reads starts again when
// the pack is live after it was not, which is an operator's doing, and when its
// limit is raised.
func (m *manager) swap(set *rules.Set) {
	before := m.eng.Rules()
	for _, p := range set.Packs() {
		again := m.eng.reads.limit(p.Name, p.Manifest.Reads)
		if before.Pack(p.Name) != nil && before.Mode(p.Name) != rules.Live && set.Mode(p.Name) == rules.Live {
			again = true
		}
		if again {
			m.countAgain(context.Background(), p.Name)
		}
	}
	m.eng.Swap(set)
	m.blocking.lookAgain()
}

// countAgain starts the count of a pack's reads again. If that can't be kept, a
// restart counts what was before, too: fewer calls than there might be.
func (m *manager) countAgain(ctx context.Context, pack string) {
	if err := m.eng.reads.forget(ctx, m.store, pack, m.eng.c.Now()); err != nil {
		m.log.Error("the count of reads starts again until the next restart only", keyPack, pack, keyError, err)
	}
}

// cancel drops what a pack has waiting, in every chat. Events that were run
// before the last swap are waited for: what they asked is dropped, too.
func (m *manager) cancel(ctx context.Context, pack, version, why string) (live.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: pack, Version: version}, why)
}

// cancelRules drops the reads of rules that a pack does not have any more.
func (m *manager) cancelRules(ctx context.Context, pack string, names []string, why string) (live.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: pack, Rules: names}, why)
}

func (m *manager) drop(ctx context.Context, in chat.Cancel, why string) (live.Dropped, error) {
	pack, version := in.Pack, in.Version
	if err := m.eng.settle(ctx); err != nil {
		return live.Dropped{}, err
	}
	chats, err := m.store.Concerned(ctx, pack, version)
	if err != nil || len(chats) == 0 {
		return live.Dropped{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var counting sync.Mutex // guards dropped
	var dropped live.Dropped
	var all sync.WaitGroup
	for range min(cancelsAtOnce, len(chats)) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(chats) {
					return
				}
				one := &live.Dropped{}
				if err := m.eng.apply(ctx, request{chat: chats[i], input: in, dropped: one}); err != nil {
					stop(err)
					return
				}
				counting.Lock()
				dropped.Add(*one)
				counting.Unlock()
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return dropped, err
	}
	what := "pending work of the pack was dropped"
	if in.Rules != nil {
		what = "pending reads of deleted rules were dropped"
	}
	m.log.Info(what, keyPack, pack, keyVersion, short(version), keyWhy, why, "chats", len(chats), "reads", dropped.Reads, "timers", dropped.Timers, "postponed", dropped.Postponed)
	return dropped, nil
}

// happened handles what the engine reports.
func (m *manager) happened(h Happening) {
	switch {
	case h.Handled != nil:
		m.handled(h.Handled)
	case h.Limited != nil:
		m.inTrouble(h.Limited.Pack, trouble{limit: h.Limited.Limit})
	}
}

// handled counts each event whose outcome is durable for its packs.
func (m *manager) handled(h *Handled) {
	said := h.Decision.Rules
	set := m.eng.Rules()
	for i := range said {
		r := &said[i]
		if slices.ContainsFunc(said[:i], func(other turn.RuleDecision) bool { return other.Pack == r.Pack }) {
			continue // a pack counts once an event
		}
		failed := slices.ContainsFunc(said[i:], func(other turn.RuleDecision) bool {
			return other.Pack == r.Pack && other.Failed()
		})
		for _, other := range said[i:] {
			if other.Pack == r.Pack && other.Error != "" {
				m.blocking.failed(r.Pack, other.Error)
				break
			}
		}
		if r.Rule == "" {
			continue // no version of it was live
		}
		if set.Mode(r.Pack) == rules.Live && m.gens.Handled(r.Pack, r.Version, failed) {
			m.inTrouble(r.Pack, trouble{failing: true})
		}
	}
}
