package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
)

// manager keeps the engine's rules as the folder and the operators want them,
// does what follows from how packs fare, and answers the commands.
type manager struct {
	eng    *Engine
	client *chert.Client
	store  store.Store
	gens   *rules.Generations
	log    *slog.Logger

	intake

	version string // of the program
	since   time.Time
	paused  bool // calls were, when the process last ran

	// troubled are packs that are to be rolled back or sent to shadow, and why
	// ("": the version on trial fails). What finds that out is on the way of
	// events and must not wait.
	mu       sync.Mutex
	troubled map[string]string
	trouble  chan struct{} // signalled when there is one

	blocking blocking
	commands control.Commands // those under way
}

// troubleRetry is how long a pack that could not be helped waits for the next try.
const troubleRetry = 5 * time.Second

// cancelsAtOnce is how many chats are relieved at a time of what a pack has
// waiting: enough for shards to commit them by the hundred.
const cancelsAtOnce = 256

func newManager(eng *Engine, st store.Store, d *Daemon) *manager {
	m := &manager{
		eng: eng, store: st, log: d.Log, intake: intake{clock: NewClock(d.Now)},
		version: d.Version, since: d.Now(),
		troubled: map[string]string{}, trouble: make(chan struct{}, 1),
	}
	m.blocking.look = make(chan struct{}, 1)
	eng.misses.tell = m.blocking.lookAgain
	d.Rules.Print = m.printed
	m.gens = rules.NewGenerations(rules.GenerationsConfig{
		Dir: d.RulesDir, Options: d.Rules, Keeper: st, Gate: d.Gate,
		Now: eng.c.Now, Conduct: &eng.conduct, Swap: m.swap, Cancel: m.cancel, CancelRules: m.cancelRules, Log: d.Log,
	})
	return m
}

// printed logs what a pack printed or logged when it was loaded.
func (m *manager) printed(pack, level, msg string, fields map[string]any) {
	attrs := []any{keyPack, pack, "while", "loading"}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, key, fields[key])
	}
	m.log.Log(context.Background(), levelOf(level), msg, attrs...)
}

// run carries out what packs have brought on themselves, until ctx ends.
func (m *manager) run(ctx context.Context) {
	wait := time.Duration(-1)
	for sleep(ctx, wait, m.trouble) {
		wait = -1
		m.mu.Lock()
		troubled := m.troubled
		m.troubled = map[string]string{}
		m.mu.Unlock()
		for pack, why := range troubled {
			if err := m.help(ctx, pack, why); err != nil && ctx.Err() == nil {
				m.log.Error("a pack in trouble stays as it is; trying again", keyPack, pack, keyWhy, why, keyError, err)
				m.note(pack, why)
				wait = troubleRetry
			}
		}
	}
}

// help rolls a pack back, or sends it to shadow.
func (m *manager) help(ctx context.Context, pack, why string) error {
	if why == "" {
		return unlessGone(m.gens.RollBackFailing(ctx, pack))
	}
	changed, err := m.gens.ToShadow(ctx, pack, why)
	if changed {
		m.log.Error("pack goes to shadow: its wishes are recorded and not carried out", keyPack, pack, keyWhy, why, "hint", modeHint(pack))
	}
	return unlessGone(err)
}

// modeHint says how a pack that chertd sent to shadow becomes live again.
func modeHint(pack string) string {
	return diag.PackCommand("mode", pack, "live") + " takes it back, or a higher limits.reads; its reads count from zero again"
}

// unlessGone is err, unless it says that there is no pack any more to be helped.
func unlessGone(err error) error {
	if errors.Is(err, rules.ErrNoPack) {
		return nil
	}
	return err
}

// inTrouble has run help a pack, soon.
func (m *manager) inTrouble(pack, why string) {
	m.note(pack, why)
	select {
	case m.trouble <- struct{}{}:
	default:
	}
}

func (m *manager) note(pack, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.troubled[pack] = why
}

// change takes changed settings. Each is taken by itself: one that is refused
// leaves what was.
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
		m.log.Error("a changed setting was not taken; what it was before goes on", keyError, err)
	}
	c.Rules.Print = m.printed
	if err := m.gens.Reconfigure(ctx, c.Rules, c.Gate); err != nil && ctx.Err() == nil {
		m.log.Error("the rules could not be read to the end; what was live stays live", keyError, err)
	}
}

// read reads the rules folder, as the watch asks.
func (m *manager) read(ctx context.Context, reason string) {
	if err := m.gens.Notice(ctx, reason); err != nil && ctx.Err() == nil {
		m.log.Error("the rules could not be read to the end; what was live stays live", keyError, err)
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
func (m *manager) cancel(ctx context.Context, pack, version, why string) (rules.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: pack, Version: version}, why)
}

// cancelRules drops the reads of rules that a pack does not have any more.
func (m *manager) cancelRules(ctx context.Context, pack string, names []string, why string) (rules.Dropped, error) {
	return m.drop(ctx, chat.Cancel{Pack: pack, Rules: names}, why)
}

func (m *manager) drop(ctx context.Context, in chat.Cancel, why string) (rules.Dropped, error) {
	pack, version := in.Pack, in.Version
	if err := m.eng.settle(ctx); err != nil {
		return rules.Dropped{}, err
	}
	chats, err := m.store.Concerned(ctx, pack, version)
	if err != nil || len(chats) == 0 {
		return rules.Dropped{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var counting sync.Mutex // guards dropped
	var dropped rules.Dropped
	var all sync.WaitGroup
	for range min(cancelsAtOnce, len(chats)) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(chats) {
					return
				}
				one := &rules.Dropped{}
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
	what := "what the pack had waiting was dropped"
	if in.Rules != nil {
		what = "reads that deleted rules had waiting were dropped"
	}
	m.log.Info(what, keyPack, pack, keyVersion, short(version), keyWhy, why, "chats", len(chats), "reads", dropped.Reads, "timers", dropped.Timers, "postponed", dropped.Postponed)
	return dropped, nil
}

// happened is told of what the engine does.
func (m *manager) happened(h Happening) {
	switch {
	case h.Handled != nil:
		m.handled(h.Handled)
	case h.Limited != nil:
		m.inTrouble(h.Limited.Pack, h.Limited.Why)
	}
}

// handled is told of each event whose outcome is durable.
func (m *manager) handled(h *Handled) {
	said := h.Decision.Rules
	set := m.eng.Rules()
	for i := range said {
		r := &said[i]
		if slices.ContainsFunc(said[:i], func(other store.RuleDecision) bool { return other.Pack == r.Pack }) {
			continue // a pack counts once an event
		}
		failed := slices.ContainsFunc(said[i:], func(other store.RuleDecision) bool {
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
			m.inTrouble(r.Pack, "")
		}
	}
}

// Reload implements control.Daemon.
func (m *manager) Reload(ctx context.Context) (control.Reload, error) {
	done, err := m.gens.Reload(ctx, "chertd reload")
	if err != nil {
		return control.Reload{}, err
	}
	r := control.Reload{Removed: done.Removed, Folder: done.Folder}
	for _, e := range done.Live {
		r.Live = append(r.Live, control.LiveEdit{Pack: e.Pack, Version: e.Version, Was: e.Was, Change: e.Change})
	}
	r.Packs, err = m.Packs(ctx)
	return r, err
}

// Remove implements control.Daemon.
func (m *manager) Remove(ctx context.Context, pack string, keepPending bool) (rules.Dropped, error) {
	dropped, err := m.gens.Remove(ctx, pack, keepPending)
	return dropped, userError(pack, err)
}

// Rollback implements control.Daemon.
func (m *manager) Rollback(ctx context.Context, pack string, in control.RollbackRequest) (control.Changed, error) {
	var s rules.PackStanding
	var err error
	switch {
	case in.Undo && (in.Pin || in.Version != ""):
		return control.Changed{}, &control.UserError{Message: "undo makes the files live again: it takes no version and no pin", Hint: diag.PackCommand("rollback", pack, "--undo")}
	case in.Undo:
		s, err = m.gens.Undo(ctx, pack, in.KeepPending)
	default:
		s, err = m.gens.Rollback(ctx, pack, in.Version, in.Pin, in.KeepPending)
	}
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	return m.changed(ctx, s), nil
}

// changed is how a pack stands after a command, and what that dropped.
func (m *manager) changed(ctx context.Context, s rules.PackStanding) control.Changed {
	ctx, cancel := patience(ctx)
	defer cancel()
	return control.Changed{Pack: m.describe(ctx, s), Dropped: s.Dropped}
}

// SetMode implements control.Daemon.
func (m *manager) SetMode(ctx context.Context, pack, mode string, keepPending bool) (control.Changed, error) {
	set := rules.Mode(mode)
	switch set {
	case "", rules.Live, rules.Shadow, rules.Off:
	default:
		return control.Changed{}, &control.UserError{Message: fmt.Sprintf("there is no mode %q", mode), Hint: "live, shadow or off; " + diag.PackCommand("mode", pack, "--reset") + " takes the command back"}
	}
	s, err := m.gens.SetMode(ctx, pack, set, "", keepPending)
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	if set == rules.Live {
		m.countAgain(ctx, pack)
		m.mu.Lock()
		if m.troubled[pack] != "" { // of the count before
			delete(m.troubled, pack)
		}
		m.mu.Unlock()
	}
	return m.changed(ctx, s), nil
}

// flagPaused is the switch by which calls stay paused across a restart.
const flagPaused = "paused"

// Pause implements control.Daemon.
func (m *manager) Pause(ctx context.Context, on bool) error {
	if on {
		m.eng.Pause(true) // whatever the store says
	}
	if err := m.store.SetFlag(ctx, flagPaused, on); err != nil {
		what := "calls stay paused"
		if on {
			what = "calls are paused, but not across a restart"
		}
		if sick := m.failing(); sick != nil {
			return control.StoreFails(what, sick)
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	m.eng.Pause(on)
	m.log.Warn("calls were paused or resumed by command", "paused", on)
	return nil
}

// userError turns what a caller got wrong about a pack into words for people.
func userError(pack string, err error) error {
	var unknown *rules.UnknownVersionError
	var unread *rules.FolderUnreadError
	var ambiguous *rules.AmbiguousVersionError
	var unloadable *rules.LoadError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rules.ErrNoPack):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: "chertd packs lists them"}
	case errors.Is(err, rules.ErrPresent):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "delete the files, or switch the pack off: " + diag.PackCommand("mode", pack, "off")}
	case errors.As(err, &unread):
		hint := diag.PackCommand("mode", unread.Pack, "off") + " switches the pack off meanwhile"
		if unread.Folder.Hint != "" {
			hint = unread.Folder.Hint + "; " + hint
		}
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: hint}
	case errors.Is(err, rules.ErrNotRolledBack):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("packs", pack) + " shows what is live"}
	case errors.Is(err, rules.ErrNoFiles):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "write its files again, or forget the pack: " + diag.PackCommand("packs remove", pack)}
	case errors.As(err, &ambiguous):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "write more digits"}
	case errors.As(err, &unloadable):
		hint := diag.PackCommand("packs", pack) + " lists the other versions that are kept"
		if fix := unloadable.Hint(); fix != "" {
			hint = fix + "; " + hint
		}
		return &control.UserError{Status: http.StatusConflict, Message: fmt.Sprintf("pack %q: %v", pack, err), Hint: hint}
	case errors.Is(err, rules.ErrNoEarlier):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("packs", pack) + " lists the versions that are kept"}
	case errors.As(err, &unknown):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: diag.PackCommand("packs", unknown.Pack) + " lists the versions that are kept"}
	}
	return err
}
