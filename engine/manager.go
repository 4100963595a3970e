package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/metrics"
	"chertd/engine/notify"
	"chertd/engine/store"
	"chertd/engine/tracing"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// manager keeps the engine's rules in line with the rules folder and with commands. It
// rolls back failing packs, sends packs at their limit to shadow, and carries out commands.
type manager struct {
	eng    *Engine
	client *chert.Client
	sender *notify.Sender
	store  store.Store
	gens   *live.Manager
	log    *slog.Logger

	intake

	tenant    string // chert.tenant
	version   string // of the program
	storePath string // file of the store; "": it is not known
	metrics   *metrics.Metrics
	traces    *tracing.Recorder // nil: off. Set before the engine runs
	since     time.Time
	settings  func(context.Context) (control.Settings, error) // reads them again; nil: nothing to read

	settingsInUse func(context.Context) (control.SettingsInUse, error) // nil: as of settings

	// demotions are requested by goroutines that handle events and must not wait. run
	// carries them out.
	mu        sync.Mutex
	demotions map[rules.Meter]demotion
	signal    chan struct{} // there is one

	blocking blocking
	tails    tails
	commands control.Commands // under way
	drains   drains
	retries  retries
	signals  signalCounts
}

// demotion is the reason to roll a pack back, or to send it or its candidate to shadow.
type demotion struct {
	failing bool       // the version on trial fails: roll it back
	limit   rules.Rate // the limit that it has reached: send it to shadow
	count   int64      // the number of the count that has reached it
}

// why returns the reason in words.
func (d demotion) why() string {
	if d.failing {
		return "its version on trial fails"
	}
	return d.limit.Reached()
}

// demotionRetry is the time between two attempts of a demotion.
const demotionRetry = 5 * time.Second

// newManager returns a manager with the engine that it manages, as each needs the
// other. c configures the engine; the manager observes it in addition to c.Observe.
func newManager(d *Daemon, c Config, st store.Store, client *chert.Client, clock *chertClock) (*manager, error) {
	m := &manager{
		client: client, store: st, log: d.Log, tenant: d.API.Tenant,
		version: d.Version, storePath: d.StorePath, since: d.Now(), settings: d.Settings, settingsInUse: d.SettingsInUse,
		demotions: map[rules.Meter]demotion{}, signal: make(chan struct{}, 1),
		blocking: blocking{check: make(chan struct{}, 1)},
		drains:   drains{stop: d.Stop, ended: make(chan struct{})},
	}
	m.metrics = metrics.New(d.Version)
	c.Store = m.metrics.Timed(c.Store)
	observe := c.Observe
	c.Observe = func(o Observation) {
		m.observed(o)
		if observe != nil {
			observe(o)
		}
	}
	m.sender = notify.New(d.Now)
	m.sender.SetTargets(d.Notify)
	if c.Notify == nil {
		c.Notify = m.sender
	}
	c.missedChanged = m.blocking.checkAgain
	if d.Traces.URL != "" {
		c.journaled = m.journaled
	}
	m.eng = New(c)
	var err error
	if m.intake, err = newIntake(d, m.eng, clock); err != nil {
		return nil, err
	}
	options := d.Rules
	options.Print = m.printed
	m.gens = live.New(live.Config{
		Dir: d.RulesDir, Options: options, Keeper: st, Gate: d.Gate,
		Now: m.eng.c.Now, Suspensions: &m.eng.suspensions, Swap: m.swap, SetLive: m.madeLive, Cancel: m.cancel, CancelRules: m.cancelRules, Log: d.Log,
	})
	return m, nil
}

// printed logs what a pack prints or logs while it is loaded.
func (m *manager) printed(pack, level, msg string, fields map[string]any) {
	attrs := []any{keyPack, pack, "while", "loading"}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, key, fields[key])
	}
	m.log.Log(context.Background(), levelOf(level), msg, attrs...)
}

// run carries out demotions until ctx ends.
func (m *manager) run(ctx context.Context) {
	retry := time.Duration(-1)
	for wait.For(ctx, retry, m.signal) {
		retry = -1
		m.mu.Lock()
		demotions := m.demotions
		m.demotions = map[rules.Meter]demotion{}
		m.mu.Unlock()
		for of, d := range demotions {
			if err := m.demote(ctx, of, d); err != nil && ctx.Err() == nil {
				m.log.Error("could not roll back a failing pack or send it to shadow; retrying", keyPack, of.Key(), keyWhy, d.why(), keyError, err, "hint", diag.PackCommand("mode", of.Pack, "off")+" stops the pack, once the store works")
				m.addDemotion(of, d)
				retry = demotionRetry
			}
		}
	}
}

// demote rolls a pack back, or sends it or its candidate to shadow.
func (m *manager) demote(ctx context.Context, of rules.Meter, d demotion) error {
	pack := of.Pack
	if d.failing {
		return ignoreNoPack(m.gens.RollBackFailing(ctx, pack))
	}
	stands := func() bool { return m.eng.reads.current(of, d.count) }
	if of.Candidate {
		return ignoreNoPack(m.gens.CandidateToShadow(ctx, pack, d.limit, stands))
	}
	changed, err := m.gens.ToShadow(ctx, pack, d.limit, stands)
	if changed {
		m.log.Error("pack switched to shadow mode: its actions are recorded but not carried out", keyPack, pack, keyWhy, d.limit.Reached(), "hint", modeHint(pack))
	}
	return ignoreNoPack(err)
}

// modeHint returns how a pack that chertd sent to shadow becomes live again.
func modeHint(pack string) string {
	return diag.PackCommand("mode", pack, "live") + " makes it live again, and so does a higher limits.reads; the count then starts from zero"
}

// ignoreNoPack returns nil if the pack does not exist any more, and err otherwise.
func ignoreNoPack(err error) error {
	if errors.Is(err, live.ErrNoPack) {
		return nil
	}
	return err
}

// requestDemotion requests that run demotes a pack, or its candidate. It does not wait.
func (m *manager) requestDemotion(of rules.Meter, d demotion) {
	m.addDemotion(of, d)
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

func (m *manager) addDemotion(of rules.Meter, d demotion) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.demotions[of].count > d.count && !d.failing {
		return // of a count that has ended since
	}
	m.demotions[of] = d
}

// change applies changed settings one by one: a rejected one keeps its previous value.
func (m *manager) change(ctx context.Context, c Changes, servers []*server) {
	m.eng.changeRate(c.Rate, c.Burst, c.Adaptive)
	m.eng.setRetention(c.Retention)
	m.sender.SetTargets(c.Notify)
	errs := []error{m.client.SetSigningSecret(c.SigningSecret)}
	m.eng.calls.ProbeNow()
	for _, s := range servers {
		if s.change != nil {
			errs = append(errs, s.change(c))
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		m.log.Error("setting change rejected; the previous value stays", keyError, err, "hint", "correct the setting, then run: chertd reload --settings")
	}
	c.Rules.Print = m.printed
	if err := m.gens.Reconfigure(ctx, c.Rules, c.Gate); err != nil && ctx.Err() == nil {
		m.log.Error("could not finish reading the rules; live versions unchanged", keyError, err, "hint", diag.StoreHint)
	}
	if c.Applied != nil {
		c.Applied(err) // not earlier: the caller lists the packs next
	}
}

// swap makes a set the live one. It resets the read count of a pack that was not live
// before, which only a command does, of a candidate that begins, and of one whose limit was
// raised.
func (m *manager) swap(set *rules.Set) {
	before := m.eng.Rules()
	for _, p := range set.Packs() {
		of := rules.Meter{Pack: p.Name}
		raised := m.eng.reads.limit(of, p.Manifest.Reads)
		switch {
		case before.Pack(p.Name) != nil && before.Mode(p.Name) != rules.Live && set.Mode(p.Name) == rules.Live:
			m.resetReadCount(of)
		case raised:
			m.beginReadCount(of)
		}
		m.limitCandidate(before.Candidate(p.Name), set.Candidate(p.Name), before != nil)
	}
	m.eng.Swap(set)
	m.blocking.checkAgain()
}

// limitCandidate sets the limit of reads of a candidate. before is the one that ran until
// now; either is nil if there is none. known is whether that is known: it is not at the
// start, when the count of the process before continues.
func (m *manager) limitCandidate(before, now *rules.Pack, known bool) {
	if now == nil {
		return // what it has pending may still be called for, and counts as the pack's
	}
	of := rules.Meter{Pack: now.Name, Candidate: true}
	raised := m.eng.reads.limit(of, now.Manifest.Reads)
	switch {
	case known && (before == nil || before.Version != now.Version):
		m.resetReadCount(of)
	case raised:
		m.beginReadCount(of)
	}
}

// madeLive resets the count of the reads of what a command makes live: of the candidate if it
// is live in a share then, and of the pack otherwise.
func (m *manager) madeLive(pack string, candidate bool) {
	m.resetReadCount(rules.Meter{Pack: pack, Candidate: candidate})
}

// resetReadCount resets a count of reads to zero. It must not be called once calls may have
// been made that are to count.
func (m *manager) resetReadCount(of rules.Meter) {
	m.eng.reads.forget(of)
	m.beginReadCount(of)
}

// beginReadCount stores that a count of reads begins. If the store fails, the earlier reads
// count again after a restart: that permits fewer calls, never more.
func (m *manager) beginReadCount(of rules.Meter) {
	if err := m.eng.reads.begin(context.Background(), m.store, of); err != nil {
		m.log.Error("could not store that the count of reads was reset; after a restart the earlier reads count again", keyPack, of.Key(), keyError, err, "hint", diag.StoreHint)
	}
}

// cancel drops the pending work of a pack in the chats of a drop. It first waits for the
// events that ran before the last swap, and drops their requests, too.
func (m *manager) cancel(ctx context.Context, d live.Drop) (live.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: d.Pack, Version: d.Version, Rule: d.Rule, Cause: d.Cause()}, d.Outside, string(d.Why))
}

// cancelRules drops the pending reads of rules that a pack does not have any more.
func (m *manager) cancelRules(ctx context.Context, d live.Drop, names []string) (live.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: d.Pack, Rules: names, Cause: d.Cause()}, 0, string(d.Why))
}

// drop drops pending work of a pack in all chats but those of a share.
func (m *manager) drop(ctx context.Context, in chat.Cancel, outside rules.Share, why string) (live.Dropped, error) {
	pack, version := in.Pack, in.Version
	if err := m.eng.waitDurable(ctx); err != nil {
		return live.Dropped{}, err
	}
	chats, err := m.store.Concerned(ctx, pack, version)
	if outside != 0 {
		chats = slices.DeleteFunc(chats, func(id string) bool { return outside.Has(pack, id) })
	}
	if err != nil || len(chats) == 0 {
		return live.Dropped{}, err
	}
	var counting sync.Mutex // guards dropped
	var dropped live.Dropped
	err = eachChat(ctx, len(chats), func(ctx context.Context, i int) error {
		one := &live.Dropped{}
		if err := m.eng.apply(ctx, request{chat: chats[i], input: in, dropped: one}); err != nil {
			return err
		}
		counting.Lock()
		defer counting.Unlock()
		dropped.Add(*one)
		return nil
	})
	if err != nil {
		return dropped, err
	}
	what, rule := "pending work of the pack was dropped", []any(nil)
	if in.Rule != "" {
		what, rule = "pending work of a rule was dropped", []any{"rule", in.Rule}
	}
	if in.Rules != nil {
		what = "pending reads of deleted rules were dropped"
	}
	m.log.Info(what, append(rule, keyPack, pack, keyVersion, short(version), keyWhy, why, "chats", len(chats), "reads", dropped.Reads, "timers", dropped.Timers, "postponed", dropped.Postponed)...)
	return dropped, nil
}

// observed handles an observation of the engine.
func (m *manager) observed(o Observation) {
	m.tails.observed(o)
	if m.traces != nil {
		m.traced(o)
	}
	switch {
	case o.Handled != nil:
		m.handled(o.Handled)
		m.metrics.Handled(o.Handled.Entry, o.Handled.Decision, o.Handled.Actions, m.eng.c.Now())
	case o.Rerun != nil:
		m.metrics.Rerun(o.Rerun.Decision, o.Rerun.Actions)
	case o.Attempt != nil:
		m.metrics.Called(o.Attempt)
	case o.Ended != nil:
		m.metrics.Ended(o.Ended)
	case o.Limited != nil:
		m.requestDemotion(o.Limited.Meter, demotion{limit: o.Limited.Limit, count: o.Limited.count})
	}
}

// handled counts an event whose outcome is durable for each of its packs, and requests
// the rollback of those whose version on trial fails.
func (m *manager) handled(h *Handled) {
	all := h.Decision.Rules
	set := m.eng.Rules()
	for i := range all {
		r := &all[i]
		same := func(other turn.RuleDecision) bool { return other.Pack == r.Pack && !other.Candidate }
		if r.Candidate || slices.ContainsFunc(all[:i], same) {
			continue // a pack counts once per event, and a candidate in shadow not at all
		}
		failed := slices.ContainsFunc(all[i:], func(other turn.RuleDecision) bool {
			return same(other) && other.Failed()
		})
		for _, other := range all[i:] {
			if same(other) && other.Error != "" {
				m.blocking.failed(r.Pack, other.Error)
				break
			}
		}
		if r.Rule == "" {
			continue // no version of the pack was live
		}
		if set.Mode(r.Pack) == rules.Live && m.gens.Handled(r.Pack, r.Version, failed) {
			m.requestDemotion(rules.Meter{Pack: r.Pack}, demotion{failing: true})
		}
	}
}
