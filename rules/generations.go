package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"chertd/luabind"
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
	turn    chan struct{}
	options Options
	word    int // how often the operator has spoken: options differ from word to word
	packs   map[string]*standing
	set     *Set
	content string              // hash of what was read last
	folder  luabind.Diagnostics // what is wrong with the folder itself
	drops   []drop              // of this turn, to be begun when the set is swapped
	said    string              // complaint about the folder that was logged last

	started  time.Time // set by Start
	view     atomic.Pointer[view]
	trials   trials
	tasks    tasks
	dropping dropping
	slots    chan struct{} // of specs that run at a time
	later    atomic.Bool   // a reading is due by itself
}

// GenerationsConfig is what Generations is made of.
type GenerationsConfig struct {
	Dir     string
	Options Options
	Keeper  Keeper
	// Gate runs a version's specs before it goes live; its errors keep the edit
	// from it, its warnings are shown with it. A version that was live once is
	// not gated again. It is called from several goroutines. Nil: no gate.
	Gate func(context.Context, *Pack) luabind.Diagnostics
	Now  func() time.Time
	// Swap makes a set the live one. It must not block.
	Swap func(*Set)
	// Cancel drops what a pack, or one version of it, still has waiting: also
	// what an event asked that was run before the last Swap and is not durable
	// yet. It is called again until it has succeeded, and once more at the next
	// start if the process ends before.
	Cancel func(ctx context.Context, pack, version, why string) error
	Log    *slog.Logger
}

const (
	// goneFor is how long a pack must be missing before it counts as removed.
	goneFor = 2 * time.Second
	// againAfter is how soon the folder is read again of itself when the keeper
	// failed.
	againAfter = 5 * time.Second
)

// standing is how one pack stands.
type standing struct {
	state PackState
	live  *Pack     // nil: none
	word  int       // under which live was made
	since time.Time // live since, as far as this process knows or was told

	path     string              // of its files
	edit     string              // version of its files as they are now; "": they are gone
	manifest Manifest            // of its files as they are now
	notLive  string              // why they are not live, in words; "": they are
	diags    luabind.Diagnostics // what is wrong with them, or what they are warned of
	warnings luabind.Diagnostics // of the live version
	lost     string              // why the version that ought to be live can't be had
	veto     bool                // what ought to be live looks as if it could veto
	gone     bool                // the files are gone, and the pack is kept
	missed   time.Time           // gone since; zero: not

	trying *trying         // the edit whose specs are running
	tried  *verdict        // on the edit, so that it is not tried at each reading
	back   map[string]bool // versions that were rolled back and had to drop what waits
	kept   bool            // what waits was kept when the mode became another
	said   string          // the refusal of an edit that was logged last
}

// verdict is what was found out about an edit.
type verdict struct {
	key   string
	pack  *Pack // it may go live; nil: it may not
	diags luabind.Diagnostics
	why   string
}

// NewGenerations makes a manager; nothing is live before Start. Stop ends what
// goes on of itself.
func NewGenerations(c GenerationsConfig) *Generations {
	return &Generations{
		c: c, options: c.Options, packs: map[string]*standing{},
		turn: make(chan struct{}, 1), slots: make(chan struct{}, gateSlots),
	}
}

// Start takes up what was live when the process last ran, reads the folder, and
// ends what was to be dropped by then. An error is the keeper's: then nothing is
// live.
func (g *Generations) Start(ctx context.Context) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	if err := g.remember(ctx); err != nil {
		g.end()
		return err
	}
	pending, err := g.read(ctx, true, nil)
	g.end()
	if err == nil {
		err = g.collect(ctx, pending, func() {})
	}
	if err != nil {
		return err
	}
	if err := g.begin(ctx); err != nil {
		return err
	}
	g.leftOver()
	done := g.renew("start")
	g.end()
	return wait(ctx, done)
}

// remember takes up what is kept of packs.
func (g *Generations) remember(ctx context.Context) error {
	g.started = g.c.Now()
	states, err := g.c.Keeper.PackStates(ctx)
	if err != nil {
		return fmt.Errorf("read which packs were live: %w", err)
	}
	for _, state := range states {
		s := &standing{state: state, gone: true, back: map[string]bool{}}
		if s.kept, err = g.c.Keeper.Flag(ctx, keptFlag(state.Pack, "")); err != nil {
			return fmt.Errorf("read what pack %q keeps waiting: %w", state.Pack, err)
		}
		versions, err := g.c.Keeper.Versions(ctx, state.Pack, KeptVersions)
		if err != nil {
			return fmt.Errorf("read the versions of pack %q: %w", state.Pack, err)
		}
		for _, v := range versions {
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

// Reconfigure takes another word of the operator about all packs and reads the
// folder by it.
func (g *Generations) Reconfigure(ctx context.Context, o Options) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	o.Shards = g.options.Shards
	g.options = o
	g.word++
	g.end()
	return g.Read(ctx, "the configuration was read again")
}

// Read reads the folder and makes live what may be. It returns when all specs
// have run. An error is the keeper's: what could not be kept is not live.
func (g *Generations) Read(ctx context.Context, reason string) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	for _, s := range g.packs {
		s.tried = nil
	}
	pending, err := g.read(ctx, false, nil)
	g.renew(reason)
	g.end()
	return errors.Join(err, g.collectApart(ctx, pending, reason, nil))
}

// Notice is Read for a watch that has seen the folder change and settle. It
// returns after a short while though specs may be running: those that pass later
// go live later.
func (g *Generations) Notice(ctx context.Context, reason string) error {
	// A watch that began just now has not waited for what was gone before.
	return g.notice(ctx, reason, g.c.Now().Sub(g.started) >= goneFor, nil)
}

// NoticePartly is Notice while some packs, by path, are to be left as they
// stand: see WatchOptions.Partly.
func (g *Generations) NoticePartly(ctx context.Context, reason string, held map[string]bool) error {
	return g.notice(ctx, reason, false, held)
}

func (g *Generations) notice(ctx context.Context, reason string, settled bool, held map[string]bool) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	pending, err := g.read(ctx, settled, held)
	g.renew(reason)
	g.end()
	patience := time.NewTimer(gatePatience)
	defer patience.Stop()
	return errors.Join(err, g.collectApart(ctx, pending, reason, patience.C))
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
// for their specs. If settled, packs that are gone have been so long enough.
// Packs that are held, by path, stay as they stand.
func (g *Generations) read(ctx context.Context, settled bool, held map[string]bool) (pending []*trying, err error) {
	sources, diags := readFolder(g.c.Dir)
	g.content, g.folder = contentOf(sources, diags), diags
	byName := map[string][]*builder{}
	for _, src := range sources {
		b := build(src, g.options)
		byName[b.pack.Name] = append(byName[b.pack.Name], b)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if err := g.dropping.await(ctx, name); err != nil {
			return pending, errors.Join(append(errs, err)...)
		}
		s := g.packs[name]
		if held[byName[name][0].src.path] {
			continue
		}
		if s == nil {
			s = &standing{state: PackState{Pack: name}, back: map[string]bool{}}
			g.packs[name] = s
		}
		s.missed = time.Time{}
		if b := byName[name]; len(b) > 1 {
			errs = append(errs, g.clash(ctx, s, b))
		} else {
			errs = append(errs, g.consider(ctx, s, b[0]))
		}
		if s.trying != nil {
			pending = append(pending, s.trying)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		if byName[name] == nil && !held[g.packs[name].path] {
			errs = append(errs, g.missing(ctx, g.packs[name], len(byName) > 0, settled))
		}
	}
	g.folder = append(g.folder, g.unknown(byName)...)
	if len(g.packs) == 0 && len(diags) == 0 {
		g.folder = append(g.folder, luabind.Diagnostic{File: g.c.Dir, Severity: luabind.SeverityError, Message: "there are no rules in this folder",
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
	}
	err = errors.Join(errs...)
	if err != nil {
		g.readLater(againAfter)
	}
	return pending, err
}

// unknown warns of packs that the operator names and that are not there.
func (g *Generations) unknown(present map[string][]*builder) (diags luabind.Diagnostics) {
	for _, name := range slices.Sorted(maps.Keys(g.options.Packs)) {
		if g.packs[name] == nil && present[name] == nil {
			diags = append(diags, luabind.Diagnostic{File: "chertd.yaml", Severity: luabind.SeverityWarning,
				Message: fmt.Sprintf("rules.packs names %q, and there is no such pack", name),
				Hint:    didYouMean(luabind.Suggest(name, slices.Sorted(maps.Keys(g.packs))))})
		}
	}
	return diags
}

// readLater has the folder read again after a while, once.
func (g *Generations) readLater(after time.Duration) {
	if !g.later.CompareAndSwap(false, true) {
		return
	}
	g.tasks.start(func(ctx context.Context) {
		defer g.later.Store(false)
		if !pause(ctx, after) {
			return
		}
		g.later.Store(false)
		if err := g.notice(ctx, "the folder was read again", false, nil); err != nil && ctx.Err() == nil {
			g.c.Log.Error("the rules could not be read to the end; what was live stays live", "err", err)
		}
	})
}

// renew makes a set of what is live and swaps it in, if it is another. What
// packs that are not live any more have waiting is dropped, from then on and
// apart; the channels are closed when that is done.
func (g *Generations) renew(reason string) (dropped []<-chan struct{}) {
	var packs []*Pack
	var unloaded []Unloaded
	modes := map[string]Mode{}
	withdrawn := map[withdrawal]bool{}
	for name, s := range g.packs {
		mode, _ := g.mode(s)
		if s.live == nil && s.gone && s.state.Live == "" {
			continue // only what was said about it is remembered
		}
		modes[name] = mode
		s.kept = s.kept && mode != Live
		for version := range s.back {
			withdrawn[withdrawal{name, version}] = true
		}
		if mode != Live && !s.kept {
			withdrawn[withdrawal{pack: name}] = true
		}
		if s.live != nil {
			packs = append(packs, s.live)
		} else if mode == Live {
			unloaded = append(unloaded, Unloaded{Pack: name, Version: s.edit, Path: s.path, Why: s.whyNone(), CanVeto: s.veto})
		}
	}
	g.complain(len(packs))
	if len(packs) > 0 || g.set != nil {
		set := assemble(packs, unloaded, modes, g.content, g.options.shards())
		set.withdrawn = withdrawn
		if g.set == nil || !g.set.sameAs(set) {
			g.dropOff(g.set, modes)
			g.set = set
			g.publish() // who sees the set at work is told of it
			g.c.Swap(set)
			g.c.Log.Info(LiveMessage, "because", reason, "packs", len(packs))
		}
	}
	for _, d := range g.drops {
		dropped = append(dropped, g.drop(d))
	}
	g.drops = nil
	return dropped
}

// LiveMessage is logged each time a set goes live.
const LiveMessage = "rules are live"

// dropOff notes what is to be dropped of packs that were live in a set and are
// in another mode now, by whosever word.
func (g *Generations) dropOff(before *Set, modes map[string]Mode) {
	if before == nil {
		return
	}
	for name, mode := range before.modes {
		now, there := modes[name]
		if !there || mode != Live || now == Live || g.packs[name].kept {
			continue
		}
		if !slices.ContainsFunc(g.drops, func(d drop) bool { return d.pack == name && d.version == "" }) {
			g.drops = append(g.drops, drop{pack: name, why: string(now)})
		}
	}
}

// complain says once what is wrong with the folder as a whole.
func (g *Generations) complain(live int) {
	said := ""
	if len(g.folder) > 0 {
		said = g.folder.Error()
	}
	if live == 0 && g.set == nil {
		said = "none " + g.problems().Error()
	}
	if said == g.said {
		return
	}
	g.said = said
	switch {
	case said == "":
	case live == 0 && g.set == nil:
		g.c.Log.Error("no rules are live: events are taken in and wait", "dir", g.c.Dir, "err", g.problems().Error())
	default:
		g.c.Log.Warn("something is wrong with the rules folder; what was live stays live", "dir", g.c.Dir, "err", said)
	}
}

// whyNone says why a pack has no version that is live.
func (s *standing) whyNone() string {
	if s.lost != "" {
		return s.lost
	}
	if s.notLive == "" {
		return "it could not be looked at"
	}
	return s.notLive
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

// problems is all that is wrong with the files as they are.
func (g *Generations) problems() luabind.Diagnostics {
	all := slices.Clone(g.folder)
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		all = append(all, g.packs[name].problems()...)
	}
	return all
}

// problems are what is wrong with the pack's files, and with what ought to be live.
func (s *standing) problems() luabind.Diagnostics {
	if s.lost == "" {
		return s.diags
	}
	return append(slices.Clone(s.diags), luabind.Diagnostic{File: s.path, Severity: luabind.SeverityError, Message: s.lost})
}

// shorten is a version as people are shown it.
func shorten(version string) string { return version[:min(len(version), shortVersion)] }

// UnknownVersionError is returned for a version that is not kept.
type UnknownVersionError struct{ Pack, Version string }

func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("pack %q has no version %s among those kept", e.Pack, shorten(e.Version))
}

// keptFlag is the switch by which what a pack, or a version of it, has waiting
// was kept though it went off.
func keptFlag(pack, version string) string {
	return strings.TrimSuffix("pending kept/"+pack+"/"+version, "/")
}
