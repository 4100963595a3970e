package live

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/rules"
)

// inVirtualPen runs a test with a pen whose time is that of a bubble.
func inVirtualPen(t *testing.T, files []string, test func(*testing.T, *pen)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	synctest.Test(t, func(t *testing.T) {
		p := &pen{t: t, dir: dir, keeper: newKeeper(), virtual: true, names: map[string]string{"": "-"}}
		p.swapped.L = &p.mu
		must(t, os.MkdirAll(p.dir, 0o755))
		p.write(files...)
		p.start()
		defer func() { p.g.Stop() }()
		test(t, p)
	})
}

const named = `-- v1
chert.rule({ name = "read codes", on = "message.received", run = function(ev) end })
chert.on("message.received", function(ev) end)`

// TestModeEndsAtItsTime: at its end the mode that it covered is live, which is logged once;
// nothing needs to happen to the pack for that.
func TestModeEndsAtItsTime(t *testing.T) {
	t.Parallel()
	inVirtualPen(t, []string{"codes.lua", named, "vip.lua", version("v1")}, func(t *testing.T, p *pen) {
		s, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off, For: time.Hour, Author: Author{By: "anna", Reason: "wrong reads"}})
		if err != nil || s.Mode != rules.Off || s.Dropped != (Dropped{Reads: 2, Timers: 1}) {
			t.Fatalf("%v, %+v", err, s)
		}
		want := Switch{Mode: rules.Off, Author: Author{By: "anna", Reason: "wrong reads", At: s.Switches[0].At}, Until: s.Switches[0].At.Add(time.Hour), Then: rules.Live}
		if len(s.Switches) != 1 || s.Switches[0] != want || want.At.IsZero() {
			t.Errorf("switches %+v, want %+v", s.Switches, want)
		}
		if _, err := p.g.SetRuleMode(background, "codes", SetRuleMode{Rule: "read codes", Mode: rules.Shadow, For: 2 * time.Hour}, false); err != nil {
			t.Fatal(err)
		}
		p.expectCancelled("both", "codes rule read codes: shadow", "codes: off")
		p.logged("")
		time.Sleep(time.Hour - time.Second)
		if p.current().Mode("codes") != rules.Off {
			t.Error("the mode ends too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		p.expectLive("after an hour", "codes=v1 vip=v1")
		if n := p.logged(`msg="a mode for a time ended" pack=codes was=off mode=live by=default`); n != 1 {
			t.Errorf("the end is logged %d times", n)
		}
		if !p.current().RuleWithdrawn("codes", "read codes") {
			t.Error("the mode of the rule ended with that of the pack")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if p.current().RuleWithdrawn("codes", "read codes") || len(p.standing("codes").Switches) != 0 {
			t.Errorf("the mode of the rule holds: %+v", p.standing("codes").Switches)
		}
		if n := p.logged(`msg="a mode for a time ended" pack=codes rule="read codes" was=shadow mode="as its pack"`); n != 1 {
			t.Errorf("the end of the rule's mode is logged %d times", n)
		}
		p.expectCancelled("the ends")
	})
}

// TestModeEndsWhileTheProcessIsDown: the next start has the mode that returned before any
// event runs, after it has dropped what the last process had yet to drop.
func TestModeEndsWhileTheProcessIsDown(t *testing.T) {
	t.Parallel()
	inVirtualPen(t, []string{"codes.lua", named, "vip.lua", version("v1")}, func(t *testing.T, p *pen) {
		if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off, For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		p.hasCancelled("")
		p.g.Stop()
		time.Sleep(time.Hour)
		modes := []rules.Mode{}
		p.swapHook = func(s *rules.Set) { modes = append(modes, s.Mode("codes")) }
		p.start()
		if len(modes) != 1 || modes[0] != rules.Live {
			t.Errorf("the sets since the start have codes %q", modes)
		}
		p.expectCancelled("the start", "codes: off")
		if state := p.keeper.states["codes"]; !state.Until.IsZero() || state.Mode != "" {
			t.Errorf("the store keeps %+v", state)
		}
	})
}

// TestStoreFailsWhenAModeEnds: the end is tried again until it is stored.
func TestStoreFailsWhenAModeEnds(t *testing.T) {
	t.Parallel()
	inVirtualPen(t, []string{"codes.lua", named}, func(t *testing.T, p *pen) {
		if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		p.keeper.fail(1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p.current().Mode("codes") != rules.Off || p.logged("a mode for a time could not be ended; retrying") != 1 {
			t.Errorf("codes is %s", p.current().Mode("codes"))
		}
		time.Sleep(timeUpRetry)
		synctest.Wait()
		p.expectLive("later", "codes=v1")
	})
}

// TestModesOfRulesAreCheckedByName: a name that no rule has is refused with one that is near,
// and any name is accepted by force while the pack is not loaded.
func TestModesOfRulesAreCheckedByName(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", named, "new.lua", "this is not Lua\nat all, really\n")
	set := func(pack, rule string, mode rules.Mode, force bool) (PackStanding, error) {
		return p.g.SetRuleMode(background, pack, SetRuleMode{Rule: rule, Mode: mode}, force)
	}
	var unknown *UnknownRuleError
	if _, err := set("codes", "read code", rules.Off, false); !errors.As(err, &unknown) || unknown.Near != "read codes" {
		t.Errorf("a near name: %v, %+v", err, unknown)
	}
	if _, err := set("codes", "nothing alike", rules.Off, true); !errors.As(err, &unknown) || unknown.Near != "" || strings.Join(unknown.Known, ",") != "read codes,codes#2" {
		t.Errorf("another name: %v, %+v", err, unknown)
	}
	if _, err := set("code", "read codes", rules.Off, false); !errors.Is(err, ErrNoPack) {
		t.Errorf("another pack: %v", err)
	}
	if _, err := set("new", "r", rules.Off, false); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("a pack that is not loaded: %v", err)
	}
	if s, err := set("new", "r", rules.Off, true); err != nil || len(s.Switches) != 1 || s.Switches[0].Gone {
		t.Errorf("by force: %v, %+v", err, s.Switches)
	}
	s, err := set("codes", "codes#2", rules.Off, false)
	if err != nil || len(s.Switches) != 1 || !s.Switches[0].MovesWith() {
		t.Errorf("a place in the file: %v, %+v", err, s.Switches)
	}

	// The rule goes with an edit; its mode stays, and can be taken back.
	p.edit("codes.lua", strings.Replace(named, "chert.on(", "-- chert.on(", 1))
	if s := p.standing("codes"); len(s.Switches) != 1 || !s.Switches[0].Gone {
		t.Errorf("after an edit: %+v", s.Switches)
	}
	p.edit("codes.lua", named)
	if s := p.standing("codes"); len(s.Switches) != 1 || s.Switches[0].Gone || !p.current().RuleWithdrawn("codes", "codes#2") {
		t.Errorf("when the rule is back: %+v", s.Switches)
	}
	p.edit("codes.lua", strings.Replace(named, "chert.on(", "-- chert.on(", 1))
	if s, err := set("codes", "codes#2", "", false); err != nil || len(s.Switches) != 0 {
		t.Errorf("reset: %v, %+v", err, s.Switches)
	}
	if _, err := set("codes", "codes#2", "", false); !errors.As(err, &unknown) {
		t.Errorf("reset again: %v", err)
	}
}

// TestCandidatesAndModesForATime: a candidate becomes live in a share for a time and then runs
// in shadow again, it is not made the live version for a time, and a share that returns is not
// that of another candidate.
func TestCandidatesAndModesForATime(t *testing.T) {
	t.Parallel()
	inVirtualPen(t, []string{"codes.lua", version("v1")}, func(t *testing.T, p *pen) {
		try := func(title string) {
			t.Helper()
			if _, err := p.g.Try(background, "codes", "codes.lua", []rules.File{{Name: "codes.lua", Kind: rules.RuleFile, Bytes: []byte(version(title) + "\n")}}); err != nil {
				t.Fatal(err)
			}
		}
		set := func(in SetMode) {
			t.Helper()
			if _, err := p.g.SetMode(background, "codes", in); err != nil {
				t.Fatal(err)
			}
		}
		try("v2")
		if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Live, For: time.Hour}); !errors.Is(err, ErrPromoteForTime) {
			t.Errorf("the candidate is made live for a time: %v", err)
		}
		set(SetMode{Mode: rules.Live, Share: 1000, For: time.Hour})
		if r := p.current().Rollout("codes"); r.Share != 1000 || r.Candidate == "" {
			t.Errorf("for a time, the rollout is %+v", r)
		}
		p.hasCancelled("")
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if r := p.current().Rollout("codes"); r.Share != 0 || r.Candidate == "" {
			t.Errorf("then the rollout is %+v", r)
		}
		p.expectCancelled("the candidate's share ended", "codes v2: rolled back")

		// The share is v2's, and does not return for v3.
		set(SetMode{Mode: rules.Live, Share: 2000})
		set(SetMode{Mode: rules.Live, Share: 5000, For: time.Hour})
		try("v3")
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if r := p.current().Rollout("codes"); r.Share != 0 || r.Candidate == "" || p.current().Mode("codes") != rules.Live {
			t.Errorf("with another candidate the rollout is %+v", r)
		}

		// And it returns for the same.
		set(SetMode{Mode: rules.Live, Share: 2000})
		set(SetMode{Mode: rules.Off, For: time.Hour})
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if r := p.current().Rollout("codes"); r.Share != 2000 || r.Candidate == "" || p.current().Withdrawn("codes", r.Candidate, chatIn(2000)) {
			t.Errorf("with the same candidate the rollout is %+v", r)
		}
	})
}
