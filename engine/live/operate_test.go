package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

func TestRollback(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.edit("codes.lua", version("v2"))
	v2 := p.standing("codes").Version
	p.edit("codes.lua", version("v3"))
	v3 := p.standing("codes").Version
	back := func(when, to string, keep, keepPending bool, want string) {
		t.Helper()
		if _, err := p.g.Rollback(background, "codes", to, keep, keepPending); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		p.expectLive(when, want)
	}
	back("to the one before", "", false, false, "codes=v2")
	p.expectCancelled("to the one before", "codes v3: rolled back")
	if !p.set.Withdrawn("codes", v3, "c1") || p.set.Withdrawn("codes", v2, "c1") || p.set.Withdrawn("codes", "", "c1") {
		t.Error("what v3 asked for on the way, and nothing else, is to be withdrawn")
	}
	p.expectNotLive("to the one before", "codes", "rolled back to "+rules.ShortOf(v2)+": by command")
	p.edit()
	p.expectLive("read again", "codes=v2")
	p.start()
	p.expectLive("after a restart", "codes=v2")
	p.expectNotLive("after a restart", "codes", "rolled back to "+rules.ShortOf(v2))
	p.expectCancelled("after a restart, in case it was not done", "codes v3: rolled back")

	back("once more", "", false, false, "codes=v1")
	p.edit("codes.lua", broken)
	p.expectLive("a broken edit ends the pin, and the last good one is", "codes=v1")
	p.edit("codes.lua", version("v3"))
	p.expectLive("an edit that restores what was rolled back is one like any other", "codes=v3")
	p.expectNotLive("restored", "codes", "")
	if p.set.Withdrawn("codes", v3, "c1") {
		t.Error("what v3 asks for, now that it is live again, is withdrawn")
	}
	p.await("codes")
	p.hasCancelled("")
	p.start()
	p.expectLive("and stays live after a restart", "codes=v3")
	p.await("codes")
	p.expectCancelled("what the restored one asks for is kept", "codes v2: rolled back")
	back("by hand", v2[:6], false, false, "codes=v2")
	p.edit("codes.lua", version("v4"))
	p.expectLive("an edit ends the pin", "codes=v4")
	p.edit("codes.lua", version("v3"))
	p.expectLive("and so does the next", "codes=v3")

	back("with a pin that stays", v2, true, true, "codes=v2")
	if p.set.Withdrawn("codes", v3, "c1") {
		t.Error("what is pending was to be kept")
	}
	p.hasCancelled("") // all that was rolled back so far
	p.edit("codes.lua", version("v5"))
	p.expectLive("with a pin that stays", "codes=v2")
	p.start()
	p.edit("codes.lua", version("v6"))
	p.expectLive("with a pin that stays, after a restart", "codes=v2")
	p.expectCancelled("what is pending was to be kept")

	var unknown *UnknownVersionError
	if _, err := p.g.Rollback(background, "codes", "ffff", false, false); !errors.As(err, &unknown) {
		t.Errorf("a version there is not: %v", err)
	}
	if _, err := p.g.Rollback(background, "code", "", false, false); !errors.Is(err, ErrNoPack) || !strings.Contains(err.Error(), "codes") {
		t.Errorf("a pack there is not: %v", err)
	}
	q := newPen(t, "codes.lua", version("v1"))
	if _, err := q.g.Rollback(background, "codes", "", false, false); !errors.Is(err, ErrNoEarlier) {
		t.Errorf("no earlier version: %v", err)
	}
}

// A rollback of a pack whose files are gone lasts until files come.
func TestRollbackWithoutFiles(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.edit("codes.lua", version("v2"))
	p.edit("codes.lua", "gone")
	if _, err := p.g.Rollback(background, "codes", "", false, false); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.expectLive("no files", "codes=v1")
	p.edit("codes.lua", version("v3"))
	p.expectLive("files come", "codes=v3")
}

// A pack that was removed is restored by a rollback; one that fails leaves no
// trace of it, but what an operator said.
func TestRollbackOfARemovedPack(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]bool{"nothing was said of it": false, "an operator did": true} {
		p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"))
		p.edit("a.lua", version("a2"))
		if said {
			_, err := p.g.SetMode(background, "a", SetMode{Mode: rules.Live})
			must(t, err)
		}
		p.edit("a.lua", "gone")
		p.pass(goneFor)
		p.edit()
		p.expectLive("removed", "b=b1")
		p.await("a")
		var unknown *UnknownVersionError
		if _, err := p.g.Rollback(background, "a", "ffff", false, false); !errors.As(err, &unknown) {
			t.Errorf("%s: to a version there is not: %v", name, err)
		}
		stands := slices.ContainsFunc(p.g.Standings(), func(s PackStanding) bool { return s.Name == "a" })
		if p.expectLive("a rollback that failed", "b=b1"); stands != said {
			t.Errorf("%s: after a rollback that failed it stands: %t", name, stands)
		}
		if _, err := p.g.Rollback(background, "none", "", false, false); !errors.Is(err, ErrNoPack) {
			t.Errorf("%s: a pack that never was: %v", name, err)
		}
		_, err := p.g.Rollback(background, "a", "", false, false)
		must(t, err)
		p.expectLive("restored", "a=a2 b=b1")
	}
}

// Who does not wait for the turn, or for what is being dropped, gets their own
// error, and nothing has changed.
func TestWhoDoesNotWaitChangesNothing(t *testing.T) {
	t.Parallel()
	acts := map[string]func(ctx context.Context, p *pen) error{
		"mode": func(ctx context.Context, p *pen) error {
			_, err := p.g.SetMode(ctx, "codes", SetMode{Mode: rules.Off})
			return err
		},
		"shadow": func(ctx context.Context, p *pen) error {
			_, err := p.g.ToShadow(ctx, "codes", rules.Rate{N: 3, Per: 10 * time.Minute}, stands)
			return err
		},
		"rollback": func(ctx context.Context, p *pen) error {
			_, err := p.g.Rollback(ctx, "codes", "", false, false)
			return err
		},
		"rollback of failing": func(ctx context.Context, p *pen) error { return p.g.RollBackFailing(ctx, "codes") },
		"remove":              func(ctx context.Context, p *pen) error { _, err := p.g.Remove(ctx, "codes", false); return err },
		"read":                func(ctx context.Context, p *pen) error { return p.g.Read(ctx, "test") },
		"notice":              func(ctx context.Context, p *pen) error { return p.g.Notice(ctx, Seen{Reason: "test"}) },
		"reconfigure":         func(ctx context.Context, p *pen) error { return p.g.Reconfigure(ctx, rules.Options{}, nil) },
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "codes.lua", withRules("v1", "a", "b"), "vip.lua", version("w1"))
			p.edit("codes.lua", withRules("v2", "a", "b"))
			p.write("codes.lua", withRules("v3", "a"))
			gone, leave := context.WithCancel(background)
			leave()
			must(t, p.g.acquire(background))
			if err := act(gone, p); !errors.Is(err, context.Canceled) {
				t.Errorf("while another has the turn: %v", err)
			}
			p.g.release()
			p.expectLive("while another has the turn", "codes=v2 vip=w1")

			p.stuck = true // what the edit drops is never dropped
			p.edit()
			p.expectLive("edited", "codes=v3 vip=w1")
			if err := act(gone, p); !errors.Is(err, context.Canceled) {
				t.Errorf("while something is dropped: %v", err)
			}
			p.expectLive("while something is dropped", "codes=v3 vip=w1")
			if s := p.standing("codes"); s.Mode != rules.Live || s.Pinned {
				t.Errorf("it stands as %+v", s)
			}
		})
	}
}

// A command that can't be carried out returns why and changes nothing.
func TestCommandsThatCanNotBeCarriedOut(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vip.lua", version("w1"))
	none := p.options
	p.options.Packs = map[string]rules.PackOptions{"codes": {Grant: []string{"send"}}}
	must(t, p.g.Reconfigure(background, p.options, nil))
	p.edit("codes/r.lua", version("v1"), "codes/pack.yaml", "permissions: [send]")
	p.edit("codes/r.lua", version("v2"), "codes/pack.yaml", "mode: live")
	must(t, p.g.Reconfigure(background, none, nil))
	p.await("codes")
	p.hasCancelled("")
	p.expectLive("configured", "codes=v2 vip=w1")
	if _, err := p.g.Rollback(background, "codes", "", false, false); err == nil || !strings.Contains(err.Error(), "load version") {
		t.Errorf("a rollback to a version with a permission that is not granted: %v", err)
	}
	if _, err := p.g.Remove(background, "codes", false); !errors.Is(err, ErrPresent) {
		t.Errorf("a pack whose files are there is removed: %v", err)
	}
	for _, err := range []error{
		func() error { _, err := p.g.Remove(background, "code", false); return err }(), func() error { _, err := p.g.SetMode(background, "code", SetMode{Mode: rules.Off}); return err }(),
		func() error {
			_, err := p.g.ToShadow(background, "code", rules.Rate{N: 3, Per: 10 * time.Minute}, stands)
			return err
		}(), p.g.RollBackFailing(background, "code"),
	} {
		if !errors.Is(err, ErrNoPack) || !strings.Contains(err.Error(), "did you mean codes?") {
			t.Errorf("a pack there is not: %v", err)
		}
	}
	p.expectLive("in the end", "codes=v2 vip=w1")
	p.expectCancelled("in the end")
	if s := p.standing("codes"); s.Pinned || s.NotLive != "" {
		t.Errorf("it stands as %+v", s)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/r.lua", version("v1"), "vip.lua", version("w1"))
	by := func(when, want string) {
		t.Helper()
		if s := p.standing("codes"); string(s.Mode)+" by "+s.ModeBy != want {
			t.Errorf("%s: %s by %s, want %s", when, s.Mode, s.ModeBy, want)
		}
	}
	set := func(mode rules.Mode, keepPending bool) {
		t.Helper()
		if _, err := p.g.SetMode(background, "codes", SetMode{Mode: mode, KeepPending: keepPending}); err != nil {
			t.Fatal(err)
		}
	}
	by("nobody said", "live by default")
	p.edit("codes/pack.yaml", "mode: off\nlimits: {reads: 3/10m}")
	by("in its manifest", "off by pack.yaml")
	p.await("codes")
	p.expectCancelled("off by its manifest", "codes: off")
	p.edit("codes/r.lua", version("v2"))
	p.expectLive("an edit of what is off", "codes=v2(off) vip=w1")

	p.options.Packs = map[string]rules.PackOptions{"codes": {Mode: rules.Live}}
	must(t, p.g.Reconfigure(background, p.options, p.gated()))
	by("in chertd.yaml", "live by chertd.yaml")
	p.options.Packs = map[string]rules.PackOptions{"codes": {Mode: rules.Shadow}}
	must(t, p.g.Reconfigure(background, p.options, p.gated()))
	by("in chertd.yaml", "shadow by chertd.yaml")
	p.await("codes")
	p.expectCancelled("shadow by chertd.yaml", "codes: shadow")

	set(rules.Live, false)
	by("by command", "live by command")
	p.expectCancelled("live")
	if changed, err := p.g.ToShadow(background, "codes", rules.Rate{N: 3, Per: 10 * time.Minute}, stands); !changed || err != nil {
		t.Fatalf("to shadow: %t, %v", changed, err)
	}
	if changed, err := p.g.ToShadow(background, "codes", rules.Rate{N: 3, Per: 10 * time.Minute}, stands); changed || err != nil {
		t.Fatalf("to shadow again: %t, %v", changed, err)
	}
	by("chertd did", "shadow by more than 3 reads in 10m")
	p.await("codes")
	p.expectCancelled("chertd did", "codes: shadow")
	p.edit("codes/r.lua", version("v3"))
	p.start()
	p.expectLive("an edit, and a restart", "codes=v3(shadow) vip=w1")
	by("after a restart", "shadow by more than 3 reads in 10m")
	p.expectCancelled("after a restart, in case it was not done", "codes: shadow")

	set(rules.Live, false)
	set(rules.Off, true)
	p.expectCancelled("with what is pending kept")
	if p.set.Withdrawn("codes", "x", "c1") || !p.set.Withdrawn("gone", "x", "c1") {
		t.Error("what is pending was to be kept; that of packs there are not, not")
	}
	p.start()
	p.expectCancelled("kept also after a restart")
	set(rules.Off, false)
	p.expectCancelled("off again, with nothing kept", "codes: off")
	if !p.set.Withdrawn("codes", "x", "c1") {
		t.Error("nothing was to be kept")
	}
	set(rules.Off, true)
	set(rules.Live, false)
	set("", false)
	by("taken back", "shadow by chertd.yaml")
	p.expectCancelled("taken back", "codes: shadow")
	p.start()
	p.expectCancelled("what was once kept is forgotten", "codes: shadow")
}

// A cancelling that fails is tried again, and by the next process if need be.
func TestCancelIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("w1"))
	p.cancelErr = errDiskFull
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off}); err != nil {
		t.Fatal(err)
	}
	p.expectCancelled("when it worked", "codes: off")
	if n := p.logged("could not be dropped"); n != 1 {
		t.Errorf("the failure was logged %d times", n)
	}
}

// A rollback without a version skips versions that failed. Where all did, it reports
// that the one it takes failed.
func TestRollbackGoesPastVersionsThatFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		v1, v2           int64 // events of ten on which they failed
		want, saidFailed string
	}{
		{"none failed", 0, 0, "v2", ""},
		{"the last one failed", 0, 10, "v1", ""},
		{"the last one failed now and then", 0, 2, "v2", "on 2 of its 10 events"},
		{"both failed", 10, 5, "v2", "on 5 of its 10 events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "codes.lua", version("v1"))
			p.edit("codes.lua", version("v2"))
			p.edit("codes.lua", version("v3"))
			for hash, v := range p.keeper.versions["codes"] {
				switch v.Events = 10; titleOf(v.Files) {
				case "v1":
					v.Failures = tt.v1
				case "v2":
					v.Failures = tt.v2
				}
				p.keeper.versions["codes"][hash] = v
			}
			p.logged("")
			_, err := p.g.Rollback(background, "codes", "", false, false)
			must(t, err)
			p.expectLive("rolled back", "codes="+tt.want)
			if n := p.logged("failed_before"); (n == 1) != (tt.saidFailed != "") {
				t.Errorf("that it failed before was logged %d times", n)
			}
		})
	}
}

// stands is a report of a limit that still holds.
func stands() bool { return true }
