package live

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

func TestLastGoodVersionStaysLive(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("w1"))
	p.expectLive("at start", "codes=v1 vip=w1")
	vip := p.set.Pack("vip")

	p.edit("codes.lua", broken)
	p.expectLive("a broken edit", "codes=v1 vip=w1")
	p.expectNotLive("a broken edit", "codes", "it does not load")
	if s := p.standing("codes"); !s.Diagnostics.Errors() || s.Edit == s.Version {
		t.Errorf("the standing does not say what is wrong with the edit: %+v", s)
	}
	if p.set.Pack("vip") != vip {
		t.Error("a pack that did not change was loaded again")
	}
	swaps := p.swaps
	for range 3 {
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
		p.edit()
	}
	if n := p.logged("an edit is not live"); n != 1 || p.swaps != swaps {
		t.Errorf("it was logged %d times and swapped %d times, want once and never", n, p.swaps-swaps)
	}

	p.start()
	p.expectLive("the broken file after a restart", "codes=v1 vip=w1")
	p.expectNotLive("after a restart", "codes", "it does not load")
	p.edit("codes.lua", version("v2"))
	p.expectLive("fixed", "codes=v2 vip=w1")
	p.expectNotLive("fixed", "codes", "")
	p.edit("codes.lua", broken)
	p.edit("codes.lua", version("v2"))
	p.expectLive("broken and back", "codes=v2 vip=w1")
	p.expectNotLive("broken and back", "codes", "")
	p.expectCancelled("all along")
}

func TestNeverLoaded(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", broken)
	p.expectLive("nothing loads", "nothing")
	for range 3 {
		p.edit()
	}
	if n := p.logged("no rules are live"); n != 1 {
		t.Errorf("that nothing is live was logged %d times, want once", n)
	}
	p.edit("vip.lua", version("w1"))
	p.expectLive("another loads", "codes=none vip=w1")
	p.edit("codes.lua", broken+"chert.keep_unread(")
	p.expectLive("it looks as if it could veto", "codes=none(veto) vip=w1")
	p.edit("codes.lua", "gone", "codes/a.lua", broken, "codes/pack.yaml", "failure_policy: fail_closed")
	p.expectLive("it fails closed by its manifest", "codes=none(veto) vip=w1")
	p.edit("codes/pack.yaml", "mode: off")
	p.expectLive("it is off by its manifest", "vip=w1")
	p.edit("codes/pack.yaml", "gone", "codes/a.lua", version("v1"))
	p.expectLive("fixed", "codes=v1 vip=w1")
}

func TestSpecsGate(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	var mu sync.Mutex
	ran := []string{}
	p.gate = func(_ context.Context, pack *rules.Pack) diag.List {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, titleOf(pack.Files))
		for _, f := range pack.Files {
			if f.Kind == rules.SpecFile && strings.Contains(string(f.Bytes), "fails") {
				return diag.List{{File: f.Path, Severity: diag.SeverityError, Message: "it is not read"}}
			}
		}
		return diag.List{{Severity: diag.SeverityWarning, Message: "a rule failed"}}
	}
	expectRan := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(ran, want) {
			t.Errorf("%s: specs ran of %q, want %q", when, ran, want)
		}
		ran = nil
	}
	p.write("codes.lua", version("v1"))
	p.start()
	p.expectLive("at start", "codes=v1")
	expectRan("at start", "v1")
	if d := p.standing("codes").Diagnostics; len(d) != 1 || d.Errors() {
		t.Errorf("the standing has %v, want the warning of the specs", d)
	}
	p.edit("codes.lua", version("v2"), "codes_spec.lua", "-- fails")
	p.expectLive("the specs fail", "codes=v1")
	p.expectNotLive("the specs fail", "codes", "its specs fail")
	expectRan("the specs fail", "v2")
	for range 3 {
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
	}
	expectRan("an edit that was refused is not tried at each reading")
	p.edit()
	expectRan("but when it is asked for", "v2")
	p.start()
	p.expectLive("after a restart", "codes=v1")
	p.edit("codes_spec.lua", "-- passes")
	p.expectLive("the spec was wrong", "codes=v2")
	ran = nil
	p.edit("codes.lua", version("v1"), "codes_spec.lua", "-- fails")
	p.expectLive("one that was live before is gated like any", "codes=v2")
	p.expectNotLive("one that was live before", "codes", "its specs fail")
	expectRan("one that was live before", "v1")
	p.start()
	p.expectLive("nor does it go live by a restart", "codes=v2")
	expectRan("a restart", "v1")
	if _, err := p.g.Rollback(background, "codes", "", false, false); err != nil {
		t.Fatal(err)
	}
	p.expectLive("a rollback is exempt", "codes=v1")
	p.start()
	p.expectLive("also across a restart", "codes=v1")
	expectRan("what is live already, and a rollback")
}

// Specs that take long hold up neither other packs nor those who ask.
func TestSlowSpecsHoldUpNobody(t *testing.T) {
	t.Parallel()
	p := newPen(t, "slow.lua", version("s1"), "quick.lua", version("q1"))
	began, proceed := make(chan string, 10), make(chan struct{})
	p.gate = func(ctx context.Context, pack *rules.Pack) diag.List {
		if pack.Name != "slow" {
			return nil
		}
		began <- titleOf(pack.Files)
		select {
		case <-proceed:
		case <-ctx.Done():
			began <- titleOf(pack.Files) + " was ended"
		}
		return nil
	}
	p.start()
	p.write("slow.lua", version("s2"))
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	if got := <-began; got != "s2" {
		t.Fatalf("specs of %s run, want s2", got)
	}
	p.expectLive("while they run", "quick=q1 slow=s1")
	p.expectNotLive("while they run", "slow", "its specs are running")
	p.write("quick.lua", version("q2"))
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.waitLive("quick=q2 slow=s1") // another edit meanwhile
	if _, err := p.g.SetMode(background, "quick", SetMode{Mode: rules.Shadow}); err != nil {
		t.Fatal(err)
	}
	p.expectLive("a command meanwhile", "quick=q2(shadow) slow=s1")

	p.write("slow.lua", version("s3"))
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	if a, b := <-began, <-began; a+b != "s2 was endeds3" && b+a != "s2 was endeds3" {
		t.Errorf("after the next edit %q and %q, want that s2 is given up for s3", a, b)
	}
	ctx, leave := context.WithCancel(background)
	leave()
	if err := p.g.Read(ctx, "test"); !errors.Is(err, context.Canceled) {
		t.Errorf("one who does not wait gets %v", err)
	}
	close(proceed)
	must(t, p.g.Read(background, "test"))
	p.expectLive("they passed", "quick=q2(shadow) slow=s3")
}

func TestGone(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"), "c.lua", version("c1"))
	p.edit("a.lua", "gone")
	p.expectLive("a moment after", "a=a1 b=b1 c=c1")
	p.expectNotLive("a moment after", "a", "its files are gone")
	p.pass(time.Second)
	p.edit()
	p.expectLive("a second after", "a=a1 b=b1 c=c1")
	p.pass(time.Second)
	p.edit()
	p.expectLive("two seconds after", "b=b1 c=c1")
	p.await("a")
	p.expectCancelled("two seconds after", "a: removed")
	if len(p.keeper.states) != 2 {
		t.Errorf("kept are %v, want b and c", p.keeper.states)
	}

	p.write("b.lua", "gone")
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.expectLive("a moment after, of a watch", "b=b1 c=c1")
	p.pass(goneFor)
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.expectLive("two seconds after, of a watch", "c=c1")
	p.await("b")
	p.expectCancelled("of a watch", "b: removed")
	p.write("c.lua", "gone")
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.expectLive("the last one", "c=c1")
	p.start()
	p.expectLive("the last one after a restart", "c=c1")
	must(t, os.RemoveAll(p.dir))
	p.pass(3 * time.Second)
	p.edit()
	p.expectLive("the folder is gone", "c=c1")
	p.expectNotLive("the folder is gone", "c", "the rules folder can't be read")
	p.start()
	p.expectLive("the folder is gone after a restart", "c=c1")
	p.expectCancelled("the last one")

	p.edit("d.lua", version("d1"))
	p.expectLive("another pack comes, which may be the same", "c=c1")
	p.pass(goneFor)
	p.edit()
	p.expectLive("another pack comes", "d=d1")
	p.await("c")
	p.expectCancelled("another pack comes", "c: removed")
	p.write("e.lua", version("e1"), "d.lua", "gone")
	p.start()
	p.expectLive("gone while nothing ran", "d=d1")
	p.pass(goneFor)
	p.edit()
	p.expectLive("gone while nothing ran, for long", "e=e1")
	p.await("d")
	p.expectCancelled("gone while nothing ran", "d: removed")
	p.edit("e.lua", "gone")
	if _, err := p.g.Remove(background, "e", false); err != nil {
		t.Error(err)
	}
	p.expectLive("the last one, by command", "")
	p.expectCancelled("by command", "e: removed")
	if _, err := p.g.Remove(background, "e", false); !errors.Is(err, ErrNoPack) {
		t.Errorf("removed again: %v", err)
	}
}

// await waits until what a pack has waiting is dropped.
func (p *pen) await(pack string) {
	p.t.Helper()
	must(p.t, p.g.dropping.await(background, pack))
}

// What an operator said of a pack outlives a moment in which it was gone.
func TestGoneAndBack(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"), "never.lua", broken)
	for _, pack := range []string{"a", "never"} {
		if _, err := p.g.SetMode(background, pack, SetMode{Mode: rules.Off}); err != nil {
			t.Fatal(err)
		}
	}
	p.edit("a.lua", "gone", "never.lua", "gone")
	p.pass(3 * time.Second)
	p.edit()
	p.expectLive("removed", "b=b1")
	p.await("a")
	for _, restart := range []bool{false, true} {
		if restart {
			p.start()
		}
		if s := p.standing("a"); !s.Gone || s.Mode != rules.Off || s.Version != "" {
			t.Errorf("removed (restart: %t): it stands as %+v", restart, s)
		}
	}
	p.edit("a.lua", version("a1"), "never.lua", version("n1"))
	p.expectLive("back", "a=a1(off) b=b1 never=n1(off)")
}

// A pack that was never live is gone with its files, unless they might have had
// a veto and nothing else is there in their place: then it is missed for a while.
func TestPackThatWasNeverLiveIsGone(t *testing.T) {
	t.Parallel()
	mayVeto := broken + "chert.keep_unread("
	for name, tc := range map[string]struct {
		files       []string
		then        []string // another edit
		said        bool     // an operator said something of it
		first, last string   // what is live before 2 s are over, and after
	}{
		"it could not veto":               {files: []string{"x/r.lua", broken}, then: []string{"x", "gone"}, first: "b=b1", last: "b=b1"},
		"it could":                        {files: []string{"x/r.lua", mayVeto}, then: []string{"x", "gone"}, first: "b=b1 x=none(veto)", last: "b=b1"},
		"and was spoken of":               {files: []string{"x/r.lua", mayVeto}, then: []string{"x", "gone"}, said: true, first: "b=b1 x=none(veto)", last: "b=b1"},
		"it could not, and was spoken of": {files: []string{"x/r.lua", broken}, then: []string{"x", "gone"}, said: true, first: "b=b1", last: "b=b1"},
		"its files are another's":         {files: []string{"x/r.lua", mayVeto}, then: []string{"x/pack.yaml", "name: y"}, first: "b=b1 y=none(veto)", last: "b=b1 y=none(veto)"},
		"with all others":                 {files: []string{"x/r.lua", mayVeto}, then: []string{"x", "gone", "b.lua", "gone"}, first: "b=b1 x=none(veto)", last: "b=b1"},
		"it was the only one":             {files: []string{"x/r.lua", mayVeto, "b.lua", "gone"}, then: []string{"x", "gone"}, first: "nothing", last: "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, append([]string{"b.lua", version("b1")}, tc.files...)...)
			if tc.said {
				_, err := p.g.SetMode(background, "x", SetMode{Mode: rules.Live})
				must(t, err)
			}
			p.edit(tc.then...)
			p.expectLive("a moment after", tc.first)
			p.pass(goneFor / 2)
			p.edit()
			p.expectLive("1 s after", tc.first)
			p.pass(goneFor / 2)
			p.edit()
			p.expectLive("2 s after", tc.last)
			p.await("x")
			stands := func(when string) {
				t.Helper()
				var got, want []string
				for _, s := range p.g.Standings() {
					if s.Name == "x" {
						got = append(got, string(s.Mode)+" by "+s.ModeBy+", "+s.NotLive)
					}
				}
				if tc.said {
					want = []string{"live by command, its files are gone"}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s it stands as %q, want %q", when, got, want)
				}
			}
			for range 2 {
				p.pass(goneFor)
				p.edit()
				p.expectLive("later", tc.last)
				stands("later")
				p.start()
			}
			p.edit()
			must(t, os.RemoveAll(p.dir))
			p.edit()
			p.expectLive("the folder is gone", tc.last)
			stands("the folder is gone")
		})
	}
}
