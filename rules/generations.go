package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"chertd/luabind/diag"
)

// Generations decides which version of each pack is live, and makes a set of
// them whenever that changes. Whatever is wrong with a pack's files, the last
// version that was live goes on, also across a restart.
//
// Its methods may be called from many goroutines. Readings and commands take
// turns; what people and probes ask is answered at once, from how things stood
// after the last turn. Specs run, and what waits is dropped, between the turns:
// neither holds up the edits of other packs.
type Generations struct {
	c GenerationsConfig

	// turn is held, by a token in it, by whoever reads the folder or carries out
	// a command. All fields down to said are the holder's.
	turn     chan struct{}
	options  Options
	word     int // how often the operator has spoken: options differ from word to word
	packs    map[string]*standing
	set      *Set
	busy     atomic.Pointer[map[string]bool] // what the watch says is not quiet yet, by name in the folder
	content  string                          // hash of what was read last
	folder   diag.List                       // what is wrong with the folder itself
	ignored  []Ignored                       // what is no pack by its name
	warned   map[Ignored]bool                // of those that were logged
	ignoring ignoring                        // .chertignore, by which they are none
	drops    []drop                          // of this turn, to be begun when the set is swapped
	said     string                          // complaint about the folder that was logged last
	// saidUnread says that by that the folder could not be read.
	saidUnread bool
	unfit      string            // complaint about the operator's file that was logged last
	inVain     map[string]string // grants that the pack does not ask for, as logged last, by pack

	starting bool      // Start has not ended
	started  time.Time // set by Start
	view     atomic.Pointer[view]
	trials   trials
	tasks    tasks
	dropping dropping
	slots    chan struct{} // of specs that run at a time
	again    again
}

// GenerationsConfig is what Generations is made of.
type GenerationsConfig struct {
	Dir     string
	Options Options
	Keeper  Keeper
	// Gate decides whether an edit that loads goes live. Every edit passes it,
	// also one that restores what was live before; what is live already, and what
	// a rollback makes live, does not. It is called from several goroutines. Nil:
	// no gate.
	Gate Gate
	Now  func() time.Time
	// Conduct is what is suspended of packs, for Standings; nil: nothing is.
	Conduct *Conduct
	// Settle is what a file that looks half written is given to be completed;
	// default 2 s.
	Settle time.Duration
	// Swap makes a set the live one. It must not block.
	Swap func(*Set)
	// Cancel drops what a pack, or one version of it, still has waiting: also
	// what an event asked that was run before the last Swap and is not durable
	// yet. It is called again until it has succeeded, and once more at the next
	// start if the process ends before.
	// It counts what it dropped, also if it fails in between.
	Cancel func(ctx context.Context, pack, version, why string) (Dropped, error)
	// CancelRules drops the reads that rules of a pack have waiting which are not
	// among those that it has now. Nil drops nothing.
	CancelRules func(ctx context.Context, pack string, rules []string, why string) (Dropped, error)
	Log         *slog.Logger

	open    func(dir string) (fileTree, error) // nil: openTree
	writing func(path string) bool             // nil: beingWritten
}

// Gate runs specs and checks on a version of a pack.
type Gate func(context.Context, *Pack) GateResult

// GateResult is what a gate found out about a version.
type GateResult struct {
	Refused     string    // why it does not go live: "its specs fail"; "": it does
	Diagnostics diag.List // shown with it
}

const (
	// goneFor is how long a pack must be missing before it counts as removed.
	goneFor = 2 * time.Second
	// busyLook is how soon a pack that was left because its files were changing is
	// looked at again: the watch tells of it only if it is not as it was told.
	busyLook = 500 * time.Millisecond
	// againAfter is how soon the folder is read again of itself when the keeper
	// failed.
	againAfter = 5 * time.Second
)

// NewGenerations makes a manager; nothing is live before Start. Stop ends what
// goes on of itself.
func NewGenerations(c GenerationsConfig) *Generations {
	if c.open == nil {
		c.open = openTree
	}
	if c.writing == nil {
		c.writing = beingWritten
	}
	if c.Settle == 0 {
		c.Settle = defaultSettle
	}
	return &Generations{
		c: c, options: c.Options, packs: map[string]*standing{}, warned: map[Ignored]bool{}, inVain: map[string]string{},
		turn: make(chan struct{}, 1), slots: make(chan struct{}, gateSlots),
	}
}

// Start takes up what was live when the process last ran, reads the folder, and
// ends what was to be dropped by then. A pack whose files look half written, and
// which was never live, is waited for: no event is handled without it. An error
// is the keeper's: then nothing is live.
func (g *Generations) Start(ctx context.Context) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	g.starting = true
	if err := g.remember(ctx); err != nil {
		g.end()
		return err
	}
	for waited := false; ; waited = true {
		pending, err := g.read(ctx, waited, nil)
		due := later(g.halfDue(func(s *standing) bool { return s.live == nil }), g.ignoring.dueAtStart())
		g.end()
		if err == nil {
			err = g.collect(ctx, pending, func() {})
		}
		if err == nil && !due.IsZero() && !pause(ctx, due.Sub(g.c.Now())) {
			err = ctx.Err()
		}
		if err == nil {
			err = g.begin(ctx)
		}
		if err != nil {
			return err
		}
		if due.IsZero() {
			break
		}
	}
	g.starting = false
	g.leftOver()
	done := g.renew("start")
	g.end()
	_, err := wait(ctx, done)
	return err
}

// remember takes up what is kept of packs.
func (g *Generations) remember(ctx context.Context) error {
	g.started = g.c.Now()
	states, err := g.c.Keeper.PackStates(ctx)
	if err != nil {
		return err
	}
	for _, state := range states {
		if state.Pack == ignoreFile {
			if err := g.rememberIgnoring(ctx, state); err != nil {
				return err
			}
			continue
		}
		s := &standing{state: state, gone: true, back: map[string]bool{}, lastVeto: state.Live != ""}
		if s.kept, err = g.c.Keeper.Flag(ctx, keptFlag(state.Pack, "")); err != nil {
			return fmt.Errorf("read what pack %q keeps waiting: %w", state.Pack, err)
		}
		if s.rulesGone, err = g.c.Keeper.Flag(ctx, rulesGoneFlag(state.Pack)); err != nil {
			return fmt.Errorf("read what pack %q keeps waiting: %w", state.Pack, err)
		}
		versions, err := g.c.Keeper.Versions(ctx, state.Pack, KeptVersions)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if v.Version == state.Live {
				s.path = v.Path
			}
			if v.RolledBack.IsZero() || v.Version == state.Live {
				continue
			}
			kept, err := g.c.Keeper.Flag(ctx, keptFlag(state.Pack, v.Version))
			if err != nil {
				return fmt.Errorf("read what pack %q keeps waiting: %w", state.Pack, err)
			}
			if !kept {
				s.back[v.Version] = true
			}
		}
		g.packs[state.Pack] = s
	}
	return nil
}

// Stop ends what goes on of itself: specs, and the dropping of what waits,
// which the next start takes up. No other method may be called after it.
func (g *Generations) Stop() { g.tasks.stop() }

// Reconfigure takes another word of the operator about all packs, and another
// gate, and reads the folder by them.
func (g *Generations) Reconfigure(ctx context.Context, o Options, gate Gate) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	o.Shards = g.options.Shards
	g.options, g.c.Gate = o, gate
	g.word++
	g.end()
	_, err := g.readAll(ctx, "the configuration was read again", false)
	return err
}

// Read reads the folder and makes live what may be. It returns when all specs
// have run, and files that look half written have had their time. An error is
// the keeper's: what could not be kept is not live.
func (g *Generations) Read(ctx context.Context, reason string) error {
	due, err := g.readAll(ctx, reason, false)
	if err != nil || due.IsZero() {
		return err
	}
	if !pause(ctx, due.Sub(g.c.Now())) {
		return ctx.Err()
	}
	_, err = g.readAll(ctx, reason, true)
	return err
}

// maxReloads bounds how often Reload reads the folder until all is decided.
const maxReloads = 5

// Notice is Read for a watch that has seen the folder change and settle. It
// returns after a short while though specs may be running, or files look half
// written: what passes later goes live later.
func (g *Generations) Notice(ctx context.Context, reason string) error {
	var busy map[string]bool
	if names := g.busy.Load(); names != nil {
		busy = *names
	}
	return g.notice(ctx, reason, busy)
}

// SetBusy says which files and folders in the rules folder are being changed:
// Notice leaves their packs as they were. The map is not changed after.
func (g *Generations) SetBusy(names map[string]bool) { g.busy.Store(&names) }

func (g *Generations) notice(ctx context.Context, reason string, busy map[string]bool) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	pending, err := g.read(ctx, false, busy)
	g.renew(reason)
	g.end()
	patience := time.NewTimer(gatePatience)
	defer patience.Stop()
	return errors.Join(err, g.collectApart(ctx, pending, reason, patience.C))
}

// readNow is Notice for a command that has to know the folder as it is now.
func (g *Generations) readNow(ctx context.Context, reason string) error {
	return g.notice(ctx, reason, nil)
}

// begin waits for the turn.
func (g *Generations) begin(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the rules to be read: %w", ctx.Err())
	}
}

// end shows how things stand and gives the turn up.
func (g *Generations) end() {
	g.publish()
	<-g.turn
}

// read reads the folder and decides about each pack. The edits it returns wait
// for their specs. waited says that files that look half written, and did when
// they were last read, have had their time. Packs whose files are busy stay as
// they are.
func (g *Generations) read(ctx context.Context, waited bool, busy map[string]bool) (pending []*trying, err error) {
	found := readTree(g.c.Dir, g.c.open, g.known(), func(now []File) ([]File, diag.List) { return g.ignoreBy(now, waited) })
	g.content, g.folder, g.ignored = found.content(), found.diags, found.ignored
	g.warnIgnored()
	byName, paths := map[string][]*builder{}, map[string]bool{}
	for _, src := range found.sources {
		b := g.build(src)
		paths[src.path] = true
		byName[b.pack.Name] = append(byName[b.pack.Name], b)
	}
	emptied := g.emptied(byName, found.others)
	moving := !g.folder.Errors() && g.someJustGone(byName, emptied)
	errs := []error{g.keepIgnoring(ctx)}
	isBusy := func(b *builder) bool { return busy[filepath.Base(b.src.path)] }
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if slices.ContainsFunc(byName[name], isBusy) {
			g.readLater(busyLook)
			continue
		}
		if err := g.dropping.await(ctx, name); err != nil {
			return pending, errors.Join(append(errs, err)...)
		}
		s := g.packs[name]
		if s == nil && moving {
			continue // it may be one of those that are gone: both must not run
		}
		if s == nil {
			s = &standing{state: PackState{Pack: name}, back: map[string]bool{}}
			g.packs[name] = s
		}
		s.missed = time.Time{}
		if b := byName[name]; len(b) > 1 {
			errs = append(errs, g.clash(ctx, s, b))
		} else {
			errs = append(errs, g.consider(ctx, s, b[0], waited))
		}
		if s.trying != nil {
			pending = append(pending, s.trying)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		switch {
		case byName[name] != nil:
		case busy[filepath.Base(g.packs[name].path)]:
			g.readLater(busyLook)
		case emptied[name]:
			errs = append(errs, g.withoutRules(ctx, g.packs[name]))
		default:
			errs = append(errs, g.missing(ctx, g.packs[name], paths))
		}
	}
	g.folder = append(g.folder, g.unknown(byName)...)
	if len(g.packs) == 0 && !g.folder.Errors() && len(byName) == 0 {
		g.folder = append(g.folder, diag.Diagnostic{File: g.c.Dir, Severity: diag.SeverityError, Message: noRulesHere,
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
	}
	err = errors.Join(errs...)
	if err != nil {
		g.readLater(againAfter)
	}
	return pending, err
}

// known are the names of what packs that are known have in the folder.
func (g *Generations) known() (names []string) {
	for _, s := range g.packs {
		if s.path != "" {
			names = append(names, filepath.Base(s.path))
		}
	}
	slices.Sort(names)
	return names
}

// build begins with a pack that was found. One whose pack.yaml can't be read is
// the pack that was there: its name may stand in it.
func (g *Generations) build(src source) *builder {
	b := build(src, g.options)
	if b.named() {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		if s := g.packs[name]; s.path == src.path && s.state.Live != "" {
			src.name = name
			return build(src, g.options)
		}
	}
	return b
}

// emptied are the packs that are not there any more while something stands where
// they were: a folder without rules, a folder in the place of a file. others are
// the paths of what is no pack.
func (g *Generations) emptied(present map[string][]*builder, others []string) map[string]bool {
	emptied := map[string]bool{}
	for name, s := range g.packs {
		ours := filepath.Join(g.c.Dir, filepath.Base(s.path)) // the folder itself may have been moved
		if present[name] == nil && s.path != "" && !s.restored() && !(s.gone && s.state.Live == "") && slices.Contains(others, ours) {
			emptied[name] = true
		}
	}
	return emptied
}

// someJustGone reports whether the files of a pack that is live are gone, and
// not long enough for it to be removed.
func (g *Generations) someJustGone(present map[string][]*builder, emptied map[string]bool) bool {
	for name, s := range g.packs {
		if present[name] == nil && !emptied[name] && s.state.Live != "" && !s.restored() && (s.missed.IsZero() || g.c.Now().Sub(s.missed) < goneFor) {
			return true
		}
	}
	return false
}

// LiveMessage is logged once when the first rules are live, and then each time
// another version of a pack is, with what that changes.
const LiveMessage = "rules are live"

// take makes a verdict's pack the live one.
func (g *Generations) take(s *standing, v *verdict) {
	g.dropRules(s, v.pack)
	delete(s.back, v.pack.Version) // what it asks for from now on counts
	s.take(v, g.word)
	g.warnUnmatched(v)
}

// mode is how a pack runs, and by whose word.
func (g *Generations) mode(s *standing) (mode Mode, by string) {
	manifest := &s.manifest
	if s.live != nil {
		manifest = &s.live.Manifest
	}
	switch {
	case s.state.Mode != "" && s.state.Why != "":
		return s.state.Mode, s.state.Why
	case s.state.Mode != "":
		return s.state.Mode, "command"
	case g.options.Packs[s.state.Pack].Mode != "":
		return g.options.Packs[s.state.Pack].Mode, "chertd.yaml"
	case manifest.Mode != "":
		return manifest.Mode, "pack.yaml"
	}
	return Live, "default"
}

// shorten is a version as people are shown it.
func shorten(version string) string { return version[:min(len(version), shortVersion)] }

// UnknownVersionError is returned for a version that is not kept.
type UnknownVersionError struct{ Pack, Version string }

func (e *UnknownVersionError) Error() string {
	version := e.Version // as it was typed
	if len(version) > 2*shortVersion {
		version = shorten(version) + "…"
	}
	return fmt.Sprintf("pack %q has no version %s among those kept", e.Pack, version)
}

// rulesGoneFlag is the switch that is on while reads of deleted rules of a pack
// are to be dropped.
func rulesGoneFlag(pack string) string { return "rules gone/" + pack }

// keptFlag is the switch by which what a pack, or a version of it, has waiting
// was kept though it went off.
func keptFlag(pack, version string) string {
	return strings.TrimSuffix("pending kept/"+pack+"/"+version, "/")
}
