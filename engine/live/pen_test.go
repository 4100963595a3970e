package live

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// pen is a rules folder with a Manager over it. Versions are called by the
// comment that their first file begins with.
type pen struct {
	t       testing.TB
	dir     string
	keeper  *memoryKeeper
	options rules.Options
	gate    func(context.Context, *rules.Pack) diag.List
	g       *Manager

	open     func(dir string) (rules.Tree, error)           // nil: the real one
	writing  func(path string) bool                         // nil: nobody writes anything
	settle   time.Duration                                  // 0: the default
	virtual  bool                                           // time is that of a synctest bubble
	swapHook func(*rules.Set)                               // sees each set that goes live; nil: nobody does
	reads    func(ctx context.Context, reason string) error // what edit has the folder read by; nil: Read
	stuck    bool                                           // dropping reads of rules ends with the process alone

	mu        sync.Mutex
	swapped   sync.Cond
	now       time.Time
	set       *rules.Set
	swaps     int
	cancelled []string
	cancelErr error
	log       bytes.Buffer
	names     map[string]string // version → what it is called
}

func newPen(t testing.TB, files ...string) *pen {
	t.Helper()
	p := &pen{t: t, dir: filepath.Join(t.TempDir(), "rules"), keeper: newKeeper(), now: noon, names: map[string]string{"": "-"}}
	p.swapped.L = &p.mu
	must(t, os.MkdirAll(p.dir, 0o755))
	p.write(files...)
	p.start()
	t.Cleanup(func() { p.g.Stop() })
	return p
}

// start makes another Manager, as the next process does.
func (p *pen) start() {
	p.t.Helper()
	if err := p.startErr(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pen) startErr() error {
	if p.g != nil {
		p.g.Stop()
	}
	p.set = nil
	c := Config{
		Dir: p.dir, Options: p.options, Keeper: p.keeper, Now: p.clock, Suspensions: &suspensions, Swap: p.swap, Cancel: p.cancel, CancelRules: p.cancelRules,
		Log:  slog.New(slog.NewTextHandler(p, nil)),
		open: p.open, writing: p.writing, Settle: p.settle,
	}
	c.Gate = p.gated()
	p.g = New(c)
	return p.g.Start(context.Background())
}

// gated is the pen's gate, by which an error refuses.
func (p *pen) gated() Gate {
	if p.gate == nil {
		return nil
	}
	return func(ctx context.Context, pack *rules.Pack) GateResult {
		found := p.gate(ctx, pack)
		if found.Errors() {
			return GateResult{Refused: SpecsFail, Diagnostics: found}
		}
		return GateResult{Diagnostics: found}
	}
}

func (p *pen) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// logged is how often the log has said something since it was asked last.
func (p *pen) logged(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := strings.Count(p.log.String(), what)
	p.log.Reset()
	return n
}

// clock returns a later time at each call, so that no two versions went live at the
// same time.
func (p *pen) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.virtual {
		return time.Now()
	}
	p.now = p.now.Add(time.Millisecond)
	return p.now
}

func (p *pen) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

// current returns the set that is in force, beside a manager that may swap it.
func (p *pen) current() *rules.Set {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set
}

func (p *pen) swap(s *rules.Set) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = s
	if p.swapHook != nil {
		p.swapHook(s)
	}
	p.swaps++
	p.swapped.Broadcast()
}

func (p *pen) cancel(_ context.Context, d Drop) (Dropped, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cancelErr; err != nil {
		p.cancelErr = nil
		return Dropped{}, err
	}
	of := d.Pack
	if d.Version != "" {
		of += " " + p.called(d.Version)
	}
	if d.Rule != "" {
		of += " rule " + d.Rule
	}
	if d.Outside != 0 {
		of += " outside " + d.Outside.String()
	}
	p.cancelled = append(p.cancelled, of+": "+string(d.Why))
	return Dropped{Reads: 2, Timers: 1}, nil
}

func (p *pen) cancelRules(ctx context.Context, d Drop, rules []string) (Dropped, error) {
	if p.stuck {
		<-ctx.Done()
		return Dropped{}, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = append(p.cancelled, fmt.Sprintf("%s but for %s: %s", d.Pack, strings.Join(rules, " "), d.Why))
	return Dropped{}, nil
}

// called is what a version is called. The lock is held.
func (p *pen) called(version string) string {
	if name := p.names[version]; name != "" {
		return name
	}
	p.keeper.titles(p.names)
	return p.names[version]
}

// titleOf is what the files of a version call it: "-- v1" on the first line.
func titleOf(files []rules.File) string {
	for _, f := range files {
		if f.Kind == rules.RuleFile {
			line, _, _ := strings.Cut(string(f.Bytes), "\n")
			return strings.TrimPrefix(line, "-- ")
		}
	}
	return "?"
}

// write writes files given as name, content, name, content …; a content of
// "gone" removes.
func (p *pen) write(files ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(p.dir, files[i])
		if files[i+1] == "gone" {
			must(p.t, os.RemoveAll(path))
			continue
		}
		write(p.t, path, files[i+1])
	}
}

// edit writes files and has the folder read.
func (p *pen) edit(files ...string) {
	p.t.Helper()
	p.write(files...)
	read := p.g.Read
	if p.reads != nil {
		read = p.reads
	}
	must(p.t, read(context.Background(), "test"))
}

// folderAway does something while the rules folder is not there.
func (p *pen) folderAway(act func(files ...string)) {
	p.t.Helper()
	must(p.t, os.Rename(p.dir, p.dir+".away"))
	act()
	must(p.t, os.Rename(p.dir+".away", p.dir))
}

// saidOf are the packs of which the log says something, sorted, once for each time.
func (p *pen) saidOf(what string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var packs []string
	for line := range strings.Lines(p.log.String()) {
		if !strings.Contains(line, what) {
			continue
		}
		_, of, _ := strings.Cut(line, " pack=")
		of, _, _ = strings.Cut(of, " ")
		packs = append(packs, of)
	}
	slices.Sort(packs)
	return strings.Join(packs, " ")
}

// live is what the swapped set runs: each pack with its version, and its mode
// if it is not live, and those that are not loaded.
func (p *pen) live() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs()
}

// waitLive waits until so much is live.
func (p *pen) waitLive(want string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.runs() != want {
		p.swapped.Wait()
	}
}

// runs is live. The lock is held.
func (p *pen) runs() string {
	if p.set == nil {
		return "nothing"
	}
	var all []string
	for _, pack := range p.set.Packs() {
		p.names[pack.Version] = titleOf(pack.Files)
		one := pack.Name + "=" + titleOf(pack.Files)
		if mode := p.set.Mode(pack.Name); mode != rules.Live {
			one += "(" + string(mode) + ")"
		}
		all = append(all, one)
	}
	for _, u := range p.set.Unloaded() {
		one := u.Pack + "=none"
		if u.CanVeto {
			one += "(veto)"
		}
		all = append(all, one)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (p *pen) expectLive(when, want string) {
	p.t.Helper()
	if got := p.live(); got != want {
		p.t.Errorf("%s: live is %q, want %q", when, got, want)
	}
}

// hasCancelled reports whether something was cancelled, and forgets what was.
func (p *pen) hasCancelled(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	has := slices.Contains(p.cancelled, what)
	p.cancelled = nil
	return has
}

// expectCancelled compares what was cancelled since it was asked last.
func (p *pen) expectCancelled(when string, want ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.cancelled)
	if !slices.Equal(p.cancelled, want) {
		p.t.Errorf("%s: cancelled %q, want %q", when, p.cancelled, want)
	}
	p.cancelled = nil
}

func (p *pen) standing(name string) PackStanding {
	p.t.Helper()
	for _, s := range p.g.Standings() {
		if s.Name == name {
			return s
		}
	}
	p.t.Fatalf("pack %s does not stand anywhere among %+v", name, p.g.Standings())
	return PackStanding{}
}

func (p *pen) expectNotLive(when, name, want string) {
	p.t.Helper()
	if got := p.standing(name).NotLive; got != want && !(strings.HasSuffix(want, "…") && strings.HasPrefix(got, strings.TrimSuffix(want, "…"))) {
		p.t.Errorf("%s: pack %s is not live because %q, want %q", when, name, got, want)
	}
}

// version is a good rule file that calls itself so.
func version(title string) string {
	return "-- " + title + "\nchert.on(\"message.received\", function(ev) end)"
}

// veto is one that can veto.
func veto(title string) string {
	return "-- " + title + "\nchert.on(\"message.received\", function(ev) chert.keep_unread(ev.chat.id) end)"
}

// broken does not load, and is long enough not to be taken for half written.
const broken = "-- broken\nlocal long_enough_for_a_whole_file = true\nlocal x = = 1\n"

var background = context.Background()
