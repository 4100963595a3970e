package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Each edit is reported once as live or once as not live, never both. Other changes
// are not reported.
func TestEachEditIsSaidOnce(t *testing.T) {
	t.Parallel()
	const live, not = LiveMessage, "an edit is not live"
	passes := func(p *pen) Gate {
		return func(_ context.Context, pack *rules.Pack) GateResult {
			for _, f := range pack.Files {
				if strings.Contains(string(f.Bytes), "fails") {
					return GateResult{Refused: SpecsFail}
				}
			}
			return GateResult{}
		}
	}
	for name, tt := range map[string]struct {
		act  func(p *pen)
		live string // of pack=… in lines that say live, sorted
		not  string
	}{
		"a good edit":               {func(p *pen) { p.edit("a.lua", version("a2")) }, "a", ""},
		"a broken edit":             {func(p *pen) { p.edit("a.lua", broken) }, "", "a"},
		"a broken and a good one":   {func(p *pen) { p.edit("a.lua", broken, "b.lua", version("b2")) }, "b", "a"},
		"two good ones":             {func(p *pen) { p.edit("a.lua", version("a2"), "b.lua", version("b2")) }, "a b", ""},
		"a new pack":                {func(p *pen) { p.edit("c.lua", version("c1")) }, "c", ""},
		"a new pack that is broken": {func(p *pen) { p.edit("c.lua", broken) }, "", "c"},
		"one that could veto":       {func(p *pen) { p.edit("c.lua", broken+"chert.keep_unread(") }, "", "c"},
		"an edit whose specs fail":  {func(p *pen) { p.edit("a.lua", version("a2"), "a_spec.lua", "-- fails") }, "", "a"},
		"specs alone that fail":     {func(p *pen) { p.edit("a_spec.lua", "-- fails") }, "", "a"},
		"specs alone that pass":     {func(p *pen) { p.edit("a_spec.lua", "-- passes") }, "", ""},
		"two packs of one name":     {func(p *pen) { p.edit("k/pack.yaml", "name: a", "k/1.lua", version("k1")) }, "", "a"},
		"an edit of one of them": {func(p *pen) {
			p.edit("k/pack.yaml", "name: a", "k/1.lua", version("k1"))
			p.edit("a.lua", version("a2"))
			p.edit()
			p.edit("k/1.lua", version("k2"))
		}, "", "a a a"},
		"broken and fixed":             {func(p *pen) { p.edit("a.lua", broken); p.edit("a.lua", version("a2")) }, "a", "a"},
		"broken and back":              {func(p *pen) { p.edit("a.lua", broken); p.edit("a.lua", version("a1")) }, "", "a"},
		"read many times":              {func(p *pen) { p.edit("a.lua", broken); p.edit(); p.edit(); p.edit("b.lua", version("b2")) }, "b", "a"},
		"the folder vanishes and back": {func(p *pen) { p.folderAway(p.edit); p.edit() }, "", ""},
		"the folder is back, edited":   {func(p *pen) { p.folderAway(p.edit); p.edit("a.lua", version("a2")) }, "a", ""},
		"a mode": {func(p *pen) {
			_, err := p.g.SetMode(background, "a", SetMode{Mode: rules.Shadow})
			must(p.t, err)
			p.edit()
		}, "", ""},
		"a pack is removed": {func(p *pen) { p.edit("a.lua", "gone"); p.pass(goneFor); p.edit() }, "", ""},
		"a configuration":   {func(p *pen) { must(p.t, p.g.Reconfigure(background, rules.Options{}, nil)) }, "", ""},
		"another one":       {func(p *pen) { must(p.t, p.g.Reconfigure(background, rules.Options{Country: "US"}, nil)) }, "", ""},
		"a broken edit, and another configuration": {func(p *pen) {
			p.edit("a.lua", broken)
			must(p.t, p.g.Reconfigure(background, rules.Options{Country: "US"}, nil))
		}, "", "a"},
		"an edit whose specs fail, and another configuration": {func(p *pen) {
			p.edit("a.lua", version("a2"), "a_spec.lua", "-- fails")
			must(p.t, p.g.Reconfigure(background, rules.Options{Country: "US"}, p.g.c.Gate))
		}, "", "a"},
	} {
		for _, notice := range []bool{false, true} {
			t.Run(fmt.Sprint(name, notice), func(t *testing.T) {
				t.Parallel()
				p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"))
				must(p.t, p.g.Reconfigure(background, p.options, passes(p)))
				p.logged("")
				if notice {
					p.reads = func(ctx context.Context, reason string) error { return p.g.Notice(ctx, Seen{Reason: reason}) }
				}
				tt.act(p)
				if notice {
					must(t, p.g.Read(background, "to the end"))
				}
				if got := p.saidOf(live); got != tt.live {
					t.Errorf("live is said of %q, want %q:\n%s", got, tt.live, p.log.String())
				}
				if got := p.saidOf(not); got != tt.not {
					t.Errorf("not live is said of %q, want %q:\n%s", got, tt.not, p.log.String())
				}
			})
		}
	}
}

// Specs that are changed alone pass the gate, too. While they fail the rules stay
// live with the specs as they were, also across a restart.
func TestSpecsAloneThatFailAreSaid(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"), "a_spec.lua", "-- first")
	ran := 0
	p.gate = func(_ context.Context, pack *rules.Pack) diag.List {
		ran++
		for _, f := range pack.Files {
			if f.Kind == rules.SpecFile && strings.Contains(string(f.Bytes), "fails") {
				return diag.List{{File: f.Path, Line: 1, Severity: diag.SeverityError, Message: "it is not read"}}
			}
		}
		return nil
	}
	p.start()
	live := p.set.Pack("a")
	ran = 0
	p.edit("a_spec.lua", "-- fails")
	p.expectLive("they fail", "a=a1")
	p.expectNotLive("they fail", "a", "its specs fail")
	if s := p.standing("a"); !s.Diagnostics.Errors() || p.set.Pack("a") != live {
		t.Errorf("it stands as %+v", s)
	}
	for range 3 {
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
	}
	if ran != 1 {
		t.Errorf("they ran %d times, want once", ran)
	}
	p.start()
	p.expectLive("after a restart", "a=a1")
	p.expectNotLive("after a restart", "a", "its specs fail")
	p.edit("a_spec.lua", "-- passes")
	p.expectNotLive("they pass", "a", "")
	if n := p.logged("the specs of a pack changed, and pass"); n != 1 {
		t.Errorf("that was logged %d times, want once", n)
	}
	p.edit("a_spec.lua", "-- fails")
	if n := p.logged("edit="); n != 0 {
		t.Error("it names the version that is live as the edit that is not")
	}
	p.edit("a_spec.lua", "-- passes")
	p.expectNotLive("failed and back", "a", "")
	p.edit("a_spec.lua", "gone")
	if n := p.logged("the specs of a pack were deleted"); n != 1 {
		t.Errorf("that they were deleted was logged %d times, want once", n)
	}
	p.edit("a_spec.lua", "-- passes")
	p.edit("a_spec.lua", "-- fails", "a.lua", version("a2"))
	p.expectNotLive("with the rules", "a", "its specs fail")
	p.edit("a_spec.lua", "-- passes")
	p.expectLive("with the rules, passing", "a=a2")
}

// A spec that is cut while it is written gets time, as rules do: nothing is said of
// it until it is complete.
func TestSpecsHalfWrittenGetTime(t *testing.T) {
	t.Parallel()
	inYard(t, func(y *yard) {
		ran := []string{}
		must(t, y.g.Reconfigure(background, y.options, func(_ context.Context, p *rules.Pack) GateResult {
			y.mu.Lock()
			defer y.mu.Unlock()
			for _, f := range p.Files {
				if f.Kind == rules.SpecFile {
					ran = append(ran, string(f.Bytes))
				}
			}
			return GateResult{}
		}))
		y.put("a_spec.lua", "-- a sp")
		y.until(500 * ms)
		y.put("a_spec.lua", "-- a spec, changed\n")
		y.until(5 * time.Second)
		y.mu.Lock()
		defer y.mu.Unlock()
		if want := []string{"-- a spec, changed\n"}; !slices.Equal(ran, want) {
			t.Errorf("specs ran of %q, want %q", ran, want)
		}
	}, "a.lua", version("a1")+"\n", "a_spec.lua", "-- a spec\n")
}

// A pack that is being changed when its wait ends is read when it is quiet, also if
// nothing changed after all.
func TestBusyPackIsNotForgotten(t *testing.T) {
	t.Parallel()
	cut := cutAfter(long("a2"), "log.info(note)\n")
	for name, tt := range map[string]struct {
		first   []string
		again   []string // once more just before the time is over
		want    string
		notLive string
	}{
		"half written": {[]string{"a.lua", cut}, []string{"a.lua", cut}, "a=a1 b=b1", "it does not load"},
		"a new pack that waits for one that is gone": {[]string{"b.lua", "gone", "c.lua", version("c1") + "\n"}, []string{"c.lua", version("c1") + "\n"}, "a=a1 c=c1", ""},
		"gone": {[]string{"b.lua", "gone"}, []string{"b.lua", "gone"}, "a=a1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				y.until(time.Second)
				y.put(tt.first...)
				y.until(3050 * ms)
				y.put(tt.again...)
				y.expect(8*time.Second, tt.want)
				y.expectNotLive(name, "a", tt.notLive)
			}, "a.lua", long("a1"), "b.lua", version("b1")+"\n")
		})
	}
}

// A reload right after a deletion waits until the pack is removed or kept.
func TestReloadWaitsForWhatIsGone(t *testing.T) {
	t.Parallel()
	const back = time.Second
	for name, tt := range map[string]struct {
		act     func(y *yard)
		removed string
		live    string // pack: was → is
		took    time.Duration
		runs    string
	}{
		"nothing is gone":     {func(y *yard) {}, "", "", 0, "a=a1 b=b1"},
		"a pack":              {func(y *yard) { y.put("b.lua", "gone") }, "b", "", goneFor, "a=a1"},
		"a pack, and an edit": {func(y *yard) { y.put("b.lua", "gone", "a.lua", version("a2")+"\n") }, "b", "a: a1 → a2", goneFor, "a=a2"},
		"a pack is renamed":   {func(y *yard) { y.put("b.lua", "gone", "c.lua", version("c1")+"\n") }, "b", "c: - → c1", goneFor, "a=a1 c=c1"},
		"it was gone before":  {func(y *yard) { y.put("b.lua", "gone"); y.until(1500 * ms) }, "b", "", goneFor - 1400*ms, "a=a1"},
		"all packs are kept":  {func(y *yard) { y.put("a.lua", "gone", "b.lua", "gone") }, "", "", 0, "a=a1 b=b1"},
		"it comes back": {func(y *yard) {
			y.put("b.lua", "gone")
			y.until(200 * ms)
			go func() { time.Sleep(back); y.put("b.lua", version("b2")+"\n") }()
		}, "", "b: b1 → b2", 0, "a=a1 b=b2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				tt.act(y)
				start := time.Now()
				done, err := y.g.Reload(background, "test")
				must(t, err)
				if took := time.Since(start); tt.took > 0 && took != tt.took || took > goneFor+100*ms {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				var live []string
				for _, e := range done.Live {
					y.mu.Lock()
					live = append(live, fmt.Sprintf("%s: %s → %s", e.Pack, y.called(e.Was), y.called(e.Version)))
					y.mu.Unlock()
				}
				if got := strings.Join(done.Removed, " "); got != tt.removed || strings.Join(live, ", ") != tt.live {
					t.Errorf("removed %q, live %q; want %q, %q", got, live, tt.removed, tt.live)
				}
				y.expectLive(name, tt.runs)
			}, "a.lua", version("a1")+"\n", "b.lua", version("b1")+"\n")
		})
	}
}

// A pack can be removed by command right after its files are gone, with nobody
// having read the folder since; one whose files are there can't.
func TestRemoveRightAfterTheDeletion(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"))
	p.write("b.lua", "gone")
	dropped, err := p.g.Remove(background, "b", false)
	must(t, err)
	if want := (Dropped{Reads: 2, Timers: 1}); dropped != want {
		t.Errorf("it says that %+v was dropped, want %+v", dropped, want)
	}
	p.expectLive("removed", "a=a1")
	if p.logged("pack removed by command") != 1 {
		t.Error("the log does not report the removal once")
	}
	if _, err := p.g.Remove(background, "a", false); !errors.Is(err, ErrPresent) {
		t.Errorf("with files: %v", err)
	}
	p.write("a.lua", "gone")
	if dropped, err := p.g.Remove(background, "a", true); err != nil || dropped != (Dropped{}) {
		t.Errorf("with what waits kept: %+v, %v", dropped, err)
	}
	p.expectLive("all removed", "")
	p.edit()
	if said, unread := strings.Contains(p.log.String(), "no rules are live: there are no packs"), strings.Contains(p.log.String(), "not read to its end"); !said || unread {
		t.Errorf("the log says:\n%s", p.log.String())
	}
	if _, live := p.g.Problems(); live {
		t.Error("with no pack left it says that rules are live")
	}
	p.edit("c.lua", version("c1"))
	if p.logged("the rules folder can be read again") != 0 {
		t.Error("it says that the folder is back, which was never away")
	}
	if _, live := p.g.Problems(); !live {
		t.Error("with a new pack it says that none is live")
	}
}

// Undo makes the files live again: without the gate what was live before, by the
// gate what never was.
func TestUndo(t *testing.T) {
	t.Parallel()
	undo := func(p *pen) (PackStanding, error) { return p.g.Undo(background, "a", false) }
	back := func(p *pen, pin bool) {
		_, err := p.g.Rollback(background, "a", "", pin, false)
		must(p.t, err)
	}
	for name, tt := range map[string]struct {
		act     func(p *pen)
		want    string
		notLive string
		err     error
		dropped string
	}{
		"a rollback":              {func(p *pen) { back(p, false) }, "a=a2", "", nil, "a a1: rolled back"},
		"a pinned one":            {func(p *pen) { back(p, true) }, "a=a2", "", nil, "a a1: rolled back"},
		"after a restart":         {func(p *pen) { back(p, false); p.start() }, "a=a2", "", nil, "a a1: rolled back"},
		"an automatic one":        {func(p *pen) { p.fail("a", 11) }, "a=a2", "", nil, "a a1: rolled back"},
		"an edit over a pin":      {func(p *pen) { back(p, true); p.edit("a.lua", version("a3")) }, "a=a3", "", nil, "a a1: rolled back"},
		"a broken edit over it":   {func(p *pen) { back(p, true); p.edit("a.lua", broken) }, "a=a1", "it does not load", nil, ""},
		"a broken edit ended it":  {func(p *pen) { back(p, false); p.edit("a.lua", broken) }, "a=a1", "it does not load", nil, ""},
		"a broken edit, and none": {func(p *pen) { p.edit("a.lua", broken) }, "a=a2", "it does not load", nil, ""},
		"two packs of one name":   {func(p *pen) { p.edit("k/pack.yaml", "name: a", "k/1.lua", version("k1")) }, "a=a2", "two packs have this name", nil, ""},
		"nothing":                 {func(p *pen) {}, "a=a2", "", ErrNotRolledBack, ""},
		"twice":                   {func(p *pen) { back(p, false); _, _ = undo(p) }, "a=a2", "", ErrNotRolledBack, "a a1: rolled back"},
		"without files":           {func(p *pen) { p.edit("a.lua", "gone"); back(p, false) }, "a=a1", "its files are gone", ErrNoFiles, ""},
		"an edit that restores what was rolled back": {func(p *pen) {
			back(p, false)
			p.edit("a.lua", version("a3"))
			p.edit("a.lua", version("a2"))
		}, "a=a2", "", ErrNotRolledBack, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"))
			p.edit("a.lua", version("a2"))
			tt.act(p)
			p.await("a")
			if tt.err == nil {
				p.hasCancelled("")
			} else {
				p.mu.Lock()
				p.cancelled = slices.DeleteFunc(p.cancelled, func(c string) bool { return strings.HasPrefix(c, "a a2") })
				p.mu.Unlock()
			}
			s, err := undo(p)
			if !errors.Is(err, tt.err) {
				t.Fatalf("undone: %v, want %v", err, tt.err)
			}
			if got := strings.ReplaceAll(p.live(), " b=b1", ""); got != tt.want {
				t.Errorf("live is %q, want %q", got, tt.want)
			}
			p.expectNotLive("undone", "a", tt.notLive)
			if tt.dropped == "" {
				p.expectCancelled("undone")
			} else if p.expectCancelled("undone", tt.dropped); tt.err == nil && s.Dropped != (Dropped{Reads: 2, Timers: 1}) {
				t.Errorf("it says that %+v was dropped", s.Dropped)
			}
			if tt.err != nil || tt.notLive != "" {
				return
			}
			if s.Pinned {
				t.Error("it is pinned still")
			}
			p.start()
			if got := strings.ReplaceAll(p.live(), " b=b1", ""); got != tt.want {
				t.Errorf("after a restart live is %q, want %q", got, tt.want)
			}
			if v := p.standing("a").Version; name == "an automatic one" && p.g.Handled("a", v, true) {
				t.Error("after a restart it is on trial again, though somebody wants it")
			}
			p.edit("a.lua", version("a1"))
			p.expectLive("the version before may be live again by an edit", "a=a1 b=b1")
			if v := p.set.Pack("a").Version; p.set.Withdrawn("a", v, "c1") {
				t.Error("and what it asks for is withdrawn")
			}
		})
	}
}

// fail has the live version of a pack fail on its first events.
func (p *pen) fail(pack string, events int) {
	p.t.Helper()
	v := p.standing(pack).Version
	for range events {
		p.keeper.count(pack, v, true)
		if p.g.Handled(pack, v, true) {
			must(p.t, p.g.RollBackFailing(background, pack))
			return
		}
	}
	p.t.Fatal("it was not rolled back")
}

// A beginning that several versions have lists them, each by as many digits as
// tell them apart.
func TestAmbiguousVersionListsCandidates(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"))
	first := p.standing("a").Version
	p.edit("a.lua", version("a2"))
	one, other := "abcdef0123"+first[10:], "abcdef0199"+first[10:]
	kept := p.keeper.versions["a"][first]
	for _, v := range []string{one, other} {
		kept.Version = v
		p.keeper.versions["a"][v] = kept
	}
	var ambiguous *AmbiguousVersionError
	if _, err := p.g.Rollback(background, "a", "abcd", false, false); !errors.As(err, &ambiguous) ||
		!strings.Contains(err.Error(), "2 versions that begin with abcd") || !strings.Contains(err.Error(), "abcdef0123"[:9]) || !strings.Contains(err.Error(), "abcdef019") {
		t.Errorf("an ambiguous beginning: %v", err)
	}
	p.expectLive("ambiguous", "a=a2")
	if _, err := p.g.Rollback(background, "a", first[:8], false, false); err != nil {
		t.Errorf("a unique one: %v", err)
	}
}
