package live

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

func TestGrantsTakenBack(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	grants := func(can ...string) {
		t.Helper()
		p.options.Packs = map[string]rules.PackOptions{"bot": {Grant: can}}
		must(t, p.g.Reconfigure(background, p.options, p.gated()))
	}
	grants("typing", "send")
	p.edit("bot/r.lua", veto("v1"), "bot/pack.yaml", "permissions: [typing]", "vip.lua", version("w1"))
	p.expectLive("granted", "bot=v1 vip=w1")
	p.edit("bot/r.lua", veto("v2"), "bot/pack.yaml", "permissions: [typing, react]")
	p.expectLive("an edit that needs more", "bot=v1 vip=w1")
	grants("typing")
	p.expectLive("one less that it does not need", "bot=v1 vip=w1")
	if got := p.set.Pack("bot").Grants; !slices.Equal(got, []string{"typing"}) {
		t.Errorf("the version that stays live has %v", got)
	}
	grants()
	p.expectLive("taken back", "bot=none(veto) vip=w1")
	p.await("bot")
	p.expectCancelled("taken back", "bot v1: off")
	for range 3 {
		p.edit()
	}
	if n := p.logged("can't be loaded again"); n != 1 {
		t.Errorf("it was logged %d times, want once", n)
	}
	p.start()
	p.expectLive("after a restart", "bot=none(veto) vip=w1")
	grants("typing")
	p.expectLive("granted again", "bot=v1 vip=w1")
	grants("typing", "react")
	p.expectLive("all granted", "bot=v2 vip=w1")
}

// A pinned version that can't be loaded under a changed configuration stays live with
// the earlier one, except where grants changed.
func TestPinnedUnderAnotherConfiguration(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/r.lua", version("v1"), "codes/pack.yaml", "config: {digits: 6}")
	p.edit("codes/r.lua", version("v2"), "codes/pack.yaml", "config: {digits: six}")
	if _, err := p.g.Rollback(background, "codes", "", true, false); err != nil {
		t.Fatal(err)
	}
	p.options.Packs = map[string]rules.PackOptions{"codes": {Config: map[string]any{"digits": "seven"}}}
	must(t, p.g.Reconfigure(background, p.options, p.gated()))
	p.expectLive("the setting is of another type", "codes=v1")
	if !p.standing("codes").Diagnostics.Errors() {
		t.Error("the standing does not say that it runs under another configuration")
	}
	p.options.Packs = map[string]rules.PackOptions{"codes": {Config: map[string]any{"digits": 7}}}
	must(t, p.g.Reconfigure(background, p.options, p.gated()))
	if s := p.standing("codes"); s.Diagnostics.Errors() {
		t.Errorf("fixed: %v", s.Diagnostics)
	}
}

func TestOneNameForTwo(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vip/r.lua", version("v1"))
	p.edit("alpha/r.lua", version("a1"), "alpha/pack.yaml", "name: vip")
	for _, when := range []string{"another takes the name", "after a restart"} {
		p.expectLive(when, "vip=v1")
		p.expectNotLive(when, "vip", "two packs have this name")
		if d := p.standing("vip").Diagnostics; len(d) != 2 {
			t.Errorf("%s: %v, want one of each place", when, d)
		}
		p.start()
		p.edit()
	}
	p.edit("alpha/pack.yaml", "name: beta")
	p.expectLive("renamed", "beta=a1 vip=v1")
	q := newPen(t, "vip/r.lua", version("v1"), "alpha/r.lua", veto("a1"), "alpha/pack.yaml", "name: vip", "c.lua", version("c1"))
	q.expectLive("two from the start", "c=c1 vip=none(veto)")
}

// Names stay what they are when files move.
func TestMoved(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "other.lua", version("o1"))
	was := p.standing("codes").Version
	p.edit("codes.lua", "gone", "codes/codes.lua", version("v1"))
	p.expectLive("a file becomes a folder", "codes=v1 other=o1")
	if s := p.standing("codes"); s.Version != was || !strings.HasSuffix(s.Path, "codes") {
		t.Errorf("it stands as %+v, want the same version in a folder", s)
	}
	p.edit("codes/codes.lua", broken)
	p.start()
	p.expectLive("and is restored", "codes=v1 other=o1")
	p.expectCancelled("moved")
	p.edit("codes/codes.lua", version("v2"), "codes/pack.yaml", "name: sums")
	p.pass(3 * time.Second)
	p.edit()
	p.expectLive("renamed by its manifest", "other=o1 sums=v2")
	p.await("codes")
	p.expectCancelled("renamed by its manifest", "codes: removed")
}

// Whichever call of the keeper fails, nothing is live by halves: the same versions
// stay live, and a later reading, or another process, completes the change.
func TestKeeperFails(t *testing.T) {
	t.Parallel()
	acts := map[string]func(p *pen) error{
		"an edit": func(p *pen) error {
			p.write("codes.lua", version("v3"))
			return p.g.Read(background, "test")
		},
		"a new pack": func(p *pen) error {
			p.write("new.lua", version("n1"))
			return p.g.Read(background, "test")
		},
		"a rollback": func(p *pen) error {
			_, err := p.g.Rollback(background, "codes", "", false, false)
			return err
		},
		"a mode": func(p *pen) error {
			_, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off})
			return err
		},
		"a mode with what is pending kept": func(p *pen) error {
			_, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off, KeepPending: true})
			return err
		},
		"a start": func(p *pen) error { return p.startErr() },
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("w1"))
				p.edit("codes.lua", version("v2"))
				before := p.live()
				p.keeper.fail(at)
				err := act(p)
				if p.keeper.fail(0) > 0 {
					if at == 1 {
						t.Fatal("it does not ask the keeper")
					}
					return // all its calls have failed once
				}
				if err == nil {
					t.Errorf("call %d failed, and no error is returned", at)
				}
				after := p.live()
				if name == "a new pack" {
					after = strings.Replace(after, " new=none", "", 1)
					after = strings.Replace(after, "new=none ", "", 1)
				}
				if name == "a start" {
					before = "nothing"
				}
				if after != before {
					t.Errorf("call %d failed: live is %q, was %q", at, after, before)
				}
				if err := act(p); err != nil {
					t.Errorf("call %d failed, then all work: %v", at, err)
				}
				done := p.live()
				p.start()
				if again := p.live(); again != done {
					t.Errorf("call %d failed, then all worked: live is %q, after a restart %q", at, done, again)
				}
			}
		})
	}
}

func TestSuspendedRulesAreShown(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	p.options.Suspend = rules.SuspendPolicy{After: 2, CoolOff: time.Hour}
	p.write("codes.lua", "-- v1\n"+`chert.rule { name = "bad", on = "message.received", run = function(ev) error("oh") end }
chert.rule { name = "good", on = "message.received", run = function(ev) end }`)
	p.start()
	for range 3 {
		p.run(rules.Input{Event: message("x"), Now: noon})
	}
	want := []rules.RuleSuspension{{Rule: "bad", Scope: rules.OneChat, Chat: message("x").ChatID(), Until: noon.Add(time.Hour), Why: rules.WhyFails}}
	if got := p.standing("codes").Suspended; !slices.Equal(got, want) {
		t.Errorf("suspended are %v, want %v", got, want)
	}
	r := p.run(rules.Input{Event: message("x"), Now: noon.Add(time.Hour)})
	expectSaid(t, r, `
		codes/bad: error: oh
		codes/good:`)
	expectSaid(t, p.run(rules.Input{Event: message("x"), Now: noon.Add(time.Hour)}), `
		codes/bad: skipped: suspended
		codes/good:`)
	p.edit("codes.lua", version("v2"))
	if got := p.standing("codes").Suspended; len(got) > 0 {
		t.Errorf("after the fix, suspended are %v", got)
	}
}
