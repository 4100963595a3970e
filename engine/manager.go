package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
)

// manager keeps the engine's rules as the folder and the operators want them,
// does what follows from how packs fare, and answers the commands.
type manager struct {
	eng   *Engine
	store store.Store
	gens  *rules.Generations
	log   *slog.Logger

	version string // of the program
	since   time.Time

	// troubled are packs that are to be rolled back or sent to shadow. What
	// finds that out is on the way of events and must not wait.
	troubled chan trouble
	reads    sync.Map // pack → *readMeter, of packs with a limit
}

// trouble is a pack that must not go on as it is; why is "" if the version on
// trial fails.
type trouble struct{ pack, why string }

func newManager(eng *Engine, st store.Store, d *Daemon) *manager {
	m := &manager{
		eng: eng, store: st, log: d.Log,
		version: d.Version, since: d.Now(),
		troubled: make(chan trouble, 64),
	}
	m.gens = rules.NewGenerations(rules.GenerationsConfig{
		Dir: d.RulesDir, Options: d.Rules, Keeper: st, Gate: d.Gate,
		Now: eng.c.Now, Swap: m.swap, Cancel: m.cancel, Log: d.Log,
	})
	return m
}

// run carries out what packs have brought on themselves, until ctx ends.
func (m *manager) run(ctx context.Context) {
	for {
		select {
		case t := <-m.troubled:
			var err error
			if t.why == "" {
				err = m.gens.RollBackFailing(ctx, t.pack)
			} else {
				m.log.Error("pack goes to shadow: its wishes are recorded and not carried out", keyPack, t.pack, keyWhy, t.why, "hint", "chertd mode "+t.pack+" default takes it back")
				_, err = m.gens.SetMode(ctx, t.pack, rules.Shadow, t.why, false)
			}
			if err != nil && ctx.Err() == nil {
				m.log.Error("a pack in trouble stays as it is", keyPack, t.pack, keyError, err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// read reads the rules folder, as the watch and commands ask.
func (m *manager) read(ctx context.Context, reason string) {
	if err := m.gens.Read(ctx, reason); err != nil && ctx.Err() == nil {
		m.log.Error("the rules could not be read to the end; what was live stays live", keyError, err)
	}
}

// swap makes a set the live one, and forgets meters of packs without a limit.
func (m *manager) swap(set *rules.Set) {
	for _, p := range set.Packs() {
		limit := p.Manifest.Reads
		if limit.N == 0 {
			m.reads.Delete(p.Name)
			continue
		}
		meter, _ := m.reads.LoadOrStore(p.Name, &readMeter{})
		meter.(*readMeter).set(limit)
	}
	m.eng.Swap(set)
}

// cancel drops what a pack has waiting, in every chat.
func (m *manager) cancel(ctx context.Context, pack, version, why string) {
	chats, err := m.store.Concerned(ctx, pack, version)
	if err == nil {
		for _, id := range chats {
			if err = m.eng.Apply(ctx, id, chat.Cancel{Pack: pack, Version: version, Why: why}); err != nil {
				break
			}
		}
	}
	if err != nil {
		m.log.Error("what the pack has waiting could not be dropped to the end", keyPack, pack, keyError, err)
		return
	}
	if len(chats) > 0 {
		m.log.Info("what the pack had waiting was dropped", keyPack, pack, keyVersion, short(version), keyWhy, why, "chats", len(chats))
	}
}

// handled is told of each event whose outcome is durable.
func (m *manager) handled(h *Handled) {
	rules := h.Decision.Rules
	for i := range rules {
		r := &rules[i]
		if slices.ContainsFunc(rules[:i], func(other store.RuleDecision) bool { return other.Pack == r.Pack }) {
			continue // a pack counts once an event
		}
		failed := slices.ContainsFunc(rules[i:], func(other store.RuleDecision) bool { return other.Pack == r.Pack && other.Error != "" })
		if m.gens.Handled(r.Pack, r.Version, failed) {
			m.trouble(trouble{pack: r.Pack})
		}
	}
	for i := range h.Actions {
		a := &h.Actions[i]
		if a.Kind != chat.Read || a.ID.Seq != h.Entry.Seq || a.Status != chat.Waiting {
			continue
		}
		meter, ok := m.reads.Load(a.Pack)
		if !ok {
			continue
		}
		// A read that takes the place of its own rule's one is no further read.
		if slices.ContainsFunc(h.Actions, func(b chat.Action) bool {
			return b.Why == chat.WhyReplaced && b.Pack == a.Pack && b.Rule == a.Rule
		}) {
			continue
		}
		if why := meter.(*readMeter).count(h.Decision.At); why != "" {
			m.trouble(trouble{a.Pack, why})
		}
	}
}

func (m *manager) trouble(t trouble) {
	select {
	case m.troubled <- t:
	default: // the queue is full of the same; it will be found out again
	}
}

// readMeter counts a pack's reads in a sliding span of time.
type readMeter struct {
	mu    sync.Mutex
	limit rules.Rate
	times []time.Time // of the last limit.N reads, a ring
	next  int
}

func (r *readMeter) set(limit rules.Rate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit != limit {
		r.limit, r.times, r.next = limit, make([]time.Time, limit.N), 0
	}
}

// count notes a read, and says why the pack must not go on if it is beyond the limit.
func (r *readMeter) count(now time.Time) (why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.times[r.next]
	r.times[r.next] = now
	r.next = (r.next + 1) % len(r.times)
	if oldest.IsZero() || now.Sub(oldest) > r.limit.Per {
		return ""
	}
	return fmt.Sprintf("more than %d reads in %s", r.limit.N, r.limit.Per)
}

// Status implements control.Daemon.
func (m *manager) Status(ctx context.Context) (control.Status, error) {
	stats, err := m.store.Stats(ctx)
	if err != nil {
		return control.Status{}, fmt.Errorf("count what the store holds: %w", err)
	}
	h := m.health()
	st := control.Status{
		Version: m.version, Since: m.since, Ready: len(h.NotReady) == 0,
		NotReady: h.NotReady, NoCalls: h.NoCalls, Notes: h.Notes, Paused: m.eng.calls.Paused(),
		Events: stats.Events, Pending: stats.Pending, Chats: stats.Chats,
		Quarantined: stats.Quarantined, Bytes: stats.Bytes, Actions: map[string]int64{},
	}
	for status, n := range stats.Actions {
		st.Actions[string(status)] = n
	}
	for _, p := range m.gens.Standings() {
		st.Packs++
		if p.NotLive != "" {
			st.NotLive++
		}
	}
	return st, nil
}

// Packs implements control.Daemon.
func (m *manager) Packs(ctx context.Context) ([]control.Pack, error) {
	var all []control.Pack
	for _, s := range m.gens.Standings() {
		p, err := m.describe(ctx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Reload implements control.Daemon.
func (m *manager) Reload(ctx context.Context) ([]control.Pack, error) {
	if err := m.gens.Read(ctx, "asked"); err != nil {
		return nil, err
	}
	return m.Packs(ctx)
}

// Remove implements control.Daemon.
func (m *manager) Remove(ctx context.Context, pack string, keepPending bool) error {
	return userError(m.gens.Remove(ctx, pack, keepPending))
}

// Rollback implements control.Daemon.
func (m *manager) Rollback(ctx context.Context, pack, version string, keep, keepPending bool) (control.Pack, error) {
	s, err := m.gens.Rollback(ctx, pack, version, keep, keepPending)
	if err != nil {
		return control.Pack{}, userError(err)
	}
	return m.describe(ctx, s)
}

// SetMode implements control.Daemon.
func (m *manager) SetMode(ctx context.Context, pack, mode string, keepPending bool) (control.Pack, error) {
	set := rules.Mode(mode)
	switch set {
	case "default":
		set = ""
	case rules.Live, rules.Shadow, rules.Off:
	default:
		return control.Pack{}, &control.UserError{Message: fmt.Sprintf("there is no mode %q", mode), Hint: "live, shadow, off or default"}
	}
	s, err := m.gens.SetMode(ctx, pack, set, "", keepPending)
	if err != nil {
		return control.Pack{}, userError(err)
	}
	return m.describe(ctx, s)
}

// flagPaused is the switch by which calls stay paused across a restart.
const flagPaused = "paused"

// Pause implements control.Daemon.
func (m *manager) Pause(ctx context.Context, on bool) error {
	if err := m.store.SetFlag(ctx, flagPaused, on); err != nil {
		return fmt.Errorf("keep that calls are paused: %w", err)
	}
	m.eng.Pause(on)
	m.log.Warn("calls were paused or resumed by command", "paused", on)
	return nil
}

// describe adds to a pack's standing what the store has counted.
func (m *manager) describe(ctx context.Context, s rules.PackStanding) (control.Pack, error) {
	p := control.Pack{
		Name: s.Name, Path: s.Path, Version: s.Version, Since: s.Since,
		Mode: string(s.Mode), ModeBy: s.ModeBy, Rules: s.Rules, Pinned: s.Pinned, Gone: s.Gone,
		NotLive: s.NotLive, Diagnostics: s.Diagnostics,
	}
	versions, err := m.store.Versions(ctx, s.Name, rules.KeptVersions)
	if err != nil {
		return p, fmt.Errorf("read the versions of pack %q: %w", s.Name, err)
	}
	for _, v := range versions {
		p.Versions = append(p.Versions, control.PackVersion{
			Version: v.Version, Since: v.Since, Last: v.Last, Events: v.Events, Failures: v.Failures, RolledBack: !v.RolledBack.IsZero(),
		})
		if v.Version == s.Version {
			p.Events, p.Failures = v.Events, v.Failures
		}
	}
	return p, nil
}

// health says how the daemon stands, in words that name the mend.
func (m *manager) health() control.Health {
	st := m.eng.Status()
	var h control.Health
	if st.Draining {
		h.NotReady = append(h.NotReady, "draining")
	}
	if st.Failing != "" {
		h.NotReady = append(h.NotReady, "the store fails: "+st.Failing)
	}
	problems, live := m.gens.Problems()
	if !live {
		h.NotReady = append(h.NotReady, "no rules are live: events are taken in and wait")
	}
	if st.Paused {
		h.NoCalls = append(h.NoCalls, "calls are paused: chertd resume lets them go on")
	}
	if s := st.Stopped; s != nil {
		h.NoCalls = append(h.NoCalls, fmt.Sprintf("Chert refuses the account (code %d: %s) since %s", s.Code, s.Message, s.Since.UTC().Format(time.RFC3339)))
	}
	for _, p := range m.gens.Standings() {
		if p.NotLive != "" {
			h.Notes = append(h.Notes, fmt.Sprintf("pack %s: an edit is not live: %s", p.Name, p.NotLive))
		}
	}
	for _, d := range problems {
		if d.Severity == luabind.SeverityError {
			h.Notes = append(h.Notes, d.String())
		}
	}
	return h
}

// userError turns what a caller got wrong into words for people.
func userError(err error) error {
	var unknown *rules.UnknownVersionError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rules.ErrNoPack):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: "chertd packs lists them"}
	case errors.Is(err, rules.ErrPresent):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "delete the files, or: chertd mode PACK off"}
	case errors.Is(err, rules.ErrNoEarlier):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "chertd packs PACK lists the versions that are kept"}
	case errors.As(err, &unknown):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: "chertd packs " + unknown.Pack + " lists the versions that are kept"}
	}
	return err
}
