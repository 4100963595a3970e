package live

import (
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

// TestShareOfTheChats: a command makes a pack live in a share of the chats. The share lasts
// across edits and restarts, until another command ends it.
func TestShareOfTheChats(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("v1"))
	set := func(in SetMode) PackStanding {
		t.Helper()
		s, err := p.g.SetMode(background, "codes", in)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	expect := func(when string, mode rules.Mode, share rules.Share) {
		t.Helper()
		s := p.standing("codes")
		if s.Mode != mode || s.Share != share {
			t.Errorf("%s: codes is %s in %s, want %s in %s", when, s.Mode, s.Share, mode, share)
		}
		if got := p.set.Rollout("codes").Share; got != share || p.set.Mode("codes") != mode {
			t.Errorf("%s: the set has codes %s in %s, want %s in %s", when, p.set.Mode("codes"), got, mode, share)
		}
	}
	p.logged("")
	if s := set(SetMode{Mode: rules.Live, Share: 1000}); s.Share != 1000 || s.ModeBy != "command" || s.Dropped != (Dropped{Reads: 2, Timers: 1}) {
		t.Errorf("the answer is %+v", s)
	}
	expect("live in a tenth", rules.Live, 1000)
	p.expectCancelled("live in a tenth", "codes outside 10%: shadow")
	if p.logged(`msg="the mode of a pack changed" pack=codes mode=live from=live by=command share=10% share_from=100%`) != 1 {
		t.Error("the share is not logged")
	}
	p.edit("codes.lua", version("v2"))
	p.expectLive("an edit", "codes=v2 vip=v1")
	expect("an edit", rules.Live, 1000)
	p.hasCancelled("")
	p.start()
	expect("a restart", rules.Live, 1000)
	p.await("codes")
	p.expectCancelled("a restart, in case it was not done", "codes outside 10%: shadow")

	set(SetMode{Mode: rules.Live, Share: 5000})
	expect("more", rules.Live, 5000)
	set(SetMode{Mode: rules.Live, Share: 500, KeepPending: true})
	expect("less", rules.Live, 500)
	p.hasCancelled("") // all that was cancelled so far
	p.start()
	expect("less, after a restart", rules.Live, 500)
	p.await("codes")
	p.expectCancelled("what was pending is kept")
	if !p.set.Rollout("codes").KeepsPending {
		t.Error("what was to be kept is withdrawn")
	}

	for _, ends := range []SetMode{{Mode: rules.Live}, {}, {Mode: rules.Off}, {Mode: rules.Shadow}} {
		set(SetMode{Mode: rules.Live, Share: 1000})
		set(ends)
		want := ends.Mode
		if want == "" {
			want = rules.Live
		}
		expect("ended by mode "+string(ends.Mode), want, 0)
	}
	if set(SetMode{}); p.standing("codes").ModeBy != "default" {
		t.Errorf("after a reset its mode is by %s", p.standing("codes").ModeBy)
	}
}

// TestRaisedLimitRestoresTheShare: a pack that its limit of reads has sent to shadow is
// live in its share again once that limit was raised, and in no more chats.
func TestRaisedLimitRestoresTheShare(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/pack.yaml", "limits: {reads: 3/10m}", "codes/a.lua", version("v1"))
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Live, Share: 1000}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.g.ToShadow(background, "codes", rules.Rate{N: 3, Per: 10 * time.Minute}, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	p.start()
	if s := p.standing("codes"); s.Mode != rules.Shadow || s.Share != 0 || p.set.Mode("codes") != rules.Shadow {
		t.Errorf("at its limit, after a restart, codes is %s in %s", s.Mode, s.Share)
	}
	p.edit("codes/pack.yaml", "limits: {reads: 30/10m}")
	if s := p.standing("codes"); s.Mode != rules.Live || s.Share != 1000 || s.ModeBy != "command" {
		t.Errorf("codes is %s in %s by %s", s.Mode, s.Share, s.ModeBy)
	}
}

// TestShareOfARemovedPackIsRemembered: files that come back find the share as the mode.
func TestShareOfARemovedPackIsRemembered(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("v1"))
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Live, Share: 1000}); err != nil {
		t.Fatal(err)
	}
	p.edit("codes.lua", "gone")
	p.pass(3 * time.Second)
	p.edit()
	if p.set.Has("codes") {
		t.Fatal("codes is not removed")
	}
	p.edit("codes.lua", version("v2"))
	if s := p.standing("codes"); s.Share != 1000 {
		t.Errorf("codes is live in %s of the chats", s.Share)
	}
	if !strings.Contains(p.set.Rollout("codes").Share.String(), "10%") {
		t.Error("the set has another share")
	}
}
