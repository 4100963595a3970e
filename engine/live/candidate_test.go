package live

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// try has a file run as the candidate of codes.
func (p *pen) try(text string) (PackStanding, error) {
	return p.g.Try(background, "codes", "/tmp/new.lua", []rules.File{{Name: "new.lua", Kind: rules.RuleFile, Bytes: []byte(text + "\n")}})
}

func (p *pen) mustTry(text string) PackStanding {
	p.t.Helper()
	s, err := p.try(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// expectCandidate checks which version runs beside that of codes, and in which share.
func (p *pen) expectCandidate(when, want string, share rules.Share) {
	p.t.Helper()
	got := ""
	if c := p.set.Candidate("codes"); c != nil {
		got = titleOf(c.Files)
		if p.standing("codes").Candidate == nil {
			p.t.Errorf("%s: the standing has no candidate", when)
		}
	}
	if r := p.set.Rollout("codes"); got != want || r.Share != share || (r.Candidate == "") != (want == "") {
		p.t.Errorf("%s: the candidate is %q in %s, want %q in %s", when, got, r.Share, want, share)
	}
}

func (p *pen) setMode(in SetMode) PackStanding {
	p.t.Helper()
	s, err := p.g.SetMode(background, "codes", in)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// TestCandidateLasts: a candidate runs beside the live version across restarts and edits of
// the pack's files, until it is ended.
func TestCandidateLasts(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("v1"))
	s := p.mustTry(version("c1"))
	if s.Candidate == nil || s.Candidate.Version == "" || s.Candidate.Why != "" || s.Share != 0 || s.NotLive != "" {
		t.Fatalf("the answer is %+v", s)
	}
	if c := p.set.Candidate("codes"); c.Path != p.standing("codes").Path || c.Files[0].Name != "codes.lua" {
		t.Errorf("the candidate is at %s, with %s: in the place of the files it would be another version", c.Path, c.Files[0].Name)
	}
	p.expectCandidate("begun", "c1", 0)
	p.expectLive("begun", "codes=v1 vip=v1")
	p.edit("codes.lua", version("v2"))
	p.expectLive("an edit", "codes=v2 vip=v1")
	p.expectCandidate("an edit", "c1", 0)
	p.start()
	p.expectLive("a restart", "codes=v2 vip=v1")
	p.expectCandidate("a restart", "c1", 0)
	p.mustTry(version("c2"))
	p.expectCandidate("another", "c2", 0)
	if err := p.g.Reconfigure(background, rules.Options{Packs: map[string]rules.PackOptions{"codes": {Mode: rules.Off}}}, nil); err != nil {
		t.Fatal(err)
	}
	p.expectCandidate("while the pack is off", "", 0)
	if c := p.standing("codes").Candidate; c == nil || !strings.Contains(c.Why, "mode off") {
		t.Errorf("while the pack is off, the candidate is %+v", c)
	}
	if err := p.g.Reconfigure(background, rules.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	p.expectCandidate("live again", "c2", 0)
	if _, err := p.g.EndCandidate(background, "codes", false); err != nil {
		t.Fatal(err)
	}
	p.expectCandidate("ended", "", 0)
	p.start()
	p.expectCandidate("ended, after a restart", "", 0)
	p.hasCancelled("")
	if _, err := p.g.EndCandidate(background, "codes", false); !errors.Is(err, ErrNoCandidate) {
		t.Errorf("ended twice: %v", err)
	}
	// A version that was a candidate only is none to roll back to.
	if _, err := p.g.Rollback(background, "codes", "", false, false); err != nil {
		t.Fatal(err)
	}
	p.expectLive("rolled back", "codes=v1 vip=v1")
}

func TestCandidateIsRefused(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("v1"))
	refused := func(when, want string, err error) {
		t.Helper()
		var e *RefusedError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || !e.Verdict.Diagnostics.Errors() {
			t.Errorf("%s: %v", when, err)
		}
		p.expectCandidate(when, "", 0)
	}
	_, err := p.try(broken)
	refused("a file that does not load", "it does not load", err)
	_, err = p.try("local x = 1")
	refused("a file without rules", "it has no rules", err)
	_, err = p.g.Try(background, "codes", "/tmp/codes", []rules.File{{Name: "pack.yaml", Kind: rules.ManifestFile, Bytes: []byte("name: other")}, {Name: "a.lua", Kind: rules.RuleFile, Bytes: []byte(version("c1"))}})
	refused("another pack's files", "it does not load", err)
	if err := p.g.Reconfigure(background, rules.Options{}, func(context.Context, *rules.Pack) GateResult {
		return GateResult{Refused: SpecsFail, Diagnostics: diag.List{{File: "x", Severity: diag.SeverityError, Message: "no"}}}
	}); err != nil {
		t.Fatal(err)
	}
	_, err = p.try(version("c1"))
	refused("specs fail", "its specs fail", err)
	if err := p.g.Reconfigure(background, rules.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.g.Try(background, "none", "/tmp/new.lua", nil); !errors.Is(err, ErrNoPack) {
		t.Errorf("a pack that does not exist: %v", err)
	}
	if _, err := p.try(version("v1")); !errors.Is(err, ErrSameVersion) {
		t.Errorf("the live version: %v", err)
	}
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	if _, err := p.try(version("c1")); !errors.Is(err, ErrShare) {
		t.Errorf("a pack that is live in a share: %v", err)
	}
	p.setMode(SetMode{Mode: rules.Off})
	if _, err := p.try(version("c1")); !errors.Is(err, ErrNotLive) {
		t.Errorf("a pack that is off: %v", err)
	}
	p.setMode(SetMode{})
	p.keeper.failAt = 2
	if _, err := p.try(version("c1")); !errors.Is(err, errDiskFull) {
		t.Errorf("a store that fails: %v", err)
	}
	p.expectCandidate("a store that fails", "", 0)
	p.start()
	p.expectCandidate("a store that failed, after a restart", "", 0)
}

// TestCandidateInAShare: the candidate is live in the share; what it has pending is dropped
// where it no longer is.
func TestCandidateInAShare(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.mustTry(version("c1"))
	p.setMode(SetMode{Mode: rules.Live, Share: 5000})
	p.expectCandidate("half", "c1", 5000)
	p.expectCancelled("half", "codes c1 outside 50%: shadow")
	p.start()
	p.expectCandidate("a restart", "c1", 5000)
	p.await("codes")
	p.expectCancelled("a restart", "codes c1 outside 50%: shadow")
	p.setMode(SetMode{Mode: rules.Live, Share: 1000, KeepPending: true})
	p.expectCandidate("a tenth", "c1", 1000)
	p.expectCancelled("a tenth, and what is pending is kept")
	if !p.set.Rollout("codes").KeepsPending {
		t.Error("what was to be kept is withdrawn")
	}
	p.setMode(SetMode{})
	p.expectCandidate("a reset", "c1", 0)
	p.expectCancelled("a reset", "codes c1: rolled back")
	p.start()
	p.await("codes")
	p.expectCancelled("a reset and a restart, in case it was not done", "codes c1: rolled back")
	p.setMode(SetMode{Mode: rules.Live, Share: 2000})
	if c := p.standing("codes").Candidate.Version; p.set.Withdrawn("codes", c, chatIn(2000)) {
		t.Error("what the candidate requests in its share is withdrawn")
	}
	p.hasCancelled("")
	p.mustTry(version("c2"))
	p.expectCandidate("another candidate", "c2", 0)
	p.await("codes")
	p.expectCancelled("another candidate", "codes c1: rolled back")
	p.setMode(SetMode{Mode: rules.Live, Share: 2000})
	p.hasCancelled("")
	s, err := p.g.Rollback(background, "codes", "", false, false)
	if err != nil || s.Ended.Share != 2000 || s.Ended.Candidate == "" || s.Dropped != (Dropped{Reads: 2, Timers: 1}) {
		t.Errorf("the rollback returns %+v, %v", s, err)
	}
	p.expectCandidate("rolled back", "", 0)
	p.expectCancelled("rolled back", "codes c2: rolled back")
	p.expectLive("rolled back", "codes=v1")
	if s.Pinned || s.Mode != rules.Live || p.set.Mode("codes") != rules.Live {
		t.Errorf("the live version is not as before: %+v", s)
	}
}

// chatIn returns a chat that is in a share of codes.
func chatIn(share rules.Share) string {
	for id := "c"; ; id += "x" {
		if share.Has("codes", id) {
			return id
		}
	}
}

// TestRollbackEndsTheShare: without a candidate the pack is in shadow in all chats then.
func TestRollbackEndsTheShare(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.edit("codes.lua", version("v2"))
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	p.hasCancelled("")
	s, err := p.g.Rollback(background, "codes", "", false, false)
	if err != nil || s.Ended != (Ended{Share: 1000}) || s.Mode != rules.Shadow || s.Share != 0 {
		t.Errorf("the rollback returns %+v, %v", s, err)
	}
	p.expectLive("rolled back", "codes=v2(shadow)")
	p.expectCancelled("rolled back", "codes: shadow")
	if p.set.Mode("codes") != rules.Shadow {
		t.Errorf("the mode is %s", p.set.Mode("codes"))
	}
	if s, err = p.g.Rollback(background, "codes", "", false, false); err != nil || s.Ended != (Ended{}) {
		t.Errorf("once more: %+v, %v", s.Ended, err)
	}
	p.expectLive("once more", "codes=v1(shadow)")
}

// TestCandidateGoesLive: mode live makes the candidate live in all chats. The files are not
// live then, until they change.
func TestCandidateGoesLive(t *testing.T) {
	t.Parallel()
	for _, share := range []rules.Share{0, 2500} {
		p := newPen(t, "codes.lua", version("v1"))
		p.mustTry(version("c1"))
		if share != 0 {
			p.setMode(SetMode{Mode: rules.Live, Share: share})
		}
		p.hasCancelled("")
		s := p.setMode(SetMode{Mode: rules.Live})
		p.expectLive("promoted", "codes=c1")
		p.expectCandidate("promoted", "", 0)
		if !s.Promoted || !s.Pinned || s.Candidate != nil || s.Share != 0 || !strings.Contains(s.NotLive, "the candidate "+rules.ShortOf(s.Version)+" was made live instead") {
			t.Errorf("the answer is %+v", s)
		}
		p.expectCancelled("promoted")
		p.edit()
		p.start()
		p.expectLive("after a restart", "codes=c1")
		p.expectNotLive("after a restart", "codes", "the candidate "+rules.ShortOf(s.Version)+" was made live instead")
		p.expectCancelled("after a restart")
		if _, err := p.g.Rollback(background, "codes", "", false, false); err != nil {
			t.Fatal(err)
		}
		p.expectLive("rolled back", "codes=v1")
		p.await("codes")
		p.expectCancelled("rolled back", "codes c1: rolled back")

		p.mustTry(version("c1"))
		p.setMode(SetMode{Mode: rules.Live})
		p.expectLive("promoted again", "codes=c1")
		if s, err := p.g.Undo(background, "codes", false); err != nil || s.Promoted || s.Pinned || s.NotLive != "" {
			t.Errorf("undone: %+v, %v", s, err)
		}
		p.expectLive("undone", "codes=v1")

		p.mustTry(version("c2"))
		p.setMode(SetMode{Mode: rules.Live})
		p.edit("codes.lua", version("c2"))
		p.expectLive("the files are in line", "codes=c2")
		p.expectNotLive("the files are in line", "codes", "")
		if s := p.standing("codes"); s.Promoted || s.Pinned {
			t.Errorf("the files are in line, and it is still pinned: %+v", s)
		}
		p.mustTry(version("c3"))
		p.setMode(SetMode{Mode: rules.Live})
		p.edit("codes.lua", version("v4"))
		p.expectLive("the next edit", "codes=v4")
	}
}

// TestEditToTheCandidateEndsIt: once the files are the candidate, it is live as any edit.
func TestEditToTheCandidateEndsIt(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.mustTry(version("c1"))
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	p.edit("codes.lua", version("c1"))
	p.expectLive("an edit", "codes=c1")
	p.expectCandidate("an edit", "", 0)
	p.start()
	p.expectLive("a restart", "codes=c1")
	p.expectCandidate("a restart", "", 0)
	if s := p.standing("codes"); s.Share != 0 || s.Candidate != nil || s.Pinned || s.NotLive != "" {
		t.Errorf("the standing is %+v", s)
	}
}

// TestModeLiveOfAPackThatIsOffPromotesNothing: the command switches the pack on.
func TestModeLiveOfAPackThatIsOffPromotesNothing(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.mustTry(version("c1"))
	p.setMode(SetMode{Mode: rules.Off})
	p.setMode(SetMode{Mode: rules.Live})
	p.expectLive("live again", "codes=v1")
	p.expectCandidate("live again", "c1", 0)
}

// TestRollbackToAVersionEndsTheCandidate: the candidate ends first.
func TestRollbackToAVersionEndsTheCandidate(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	v1 := p.standing("codes").Version
	p.edit("codes.lua", version("v2"))
	p.mustTry(version("c1"))
	s, err := p.g.Rollback(background, "codes", v1, false, false)
	if err != nil || s.Ended.Candidate == "" {
		t.Errorf("the rollback returns %+v, %v", s.Ended, err)
	}
	p.expectLive("rolled back", "codes=v1")
	p.expectCandidate("rolled back", "", 0)
}

// TestLostCandidateRunsNowhere: a candidate that the configuration no longer lets load
// leaves all chats to the live version, and is back with the configuration.
func TestLostCandidateRunsNowhere(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/a.lua", version("v1"), "codes/pack.yaml", "config: {n: 1}")
	files := []rules.File{{Name: "a.lua", Kind: rules.RuleFile, Bytes: []byte(version("c1"))}, {Name: "pack.yaml", Kind: rules.ManifestFile, Bytes: []byte("description: x")}}
	if _, err := p.g.Try(background, "codes", "/tmp/codes", files); err != nil {
		t.Fatal(err)
	}
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	p.expectCandidate("begun", "c1", 1000)
	if err := p.g.Reconfigure(background, rules.Options{Packs: map[string]rules.PackOptions{"codes": {Config: map[string]any{"n": 2}}}}, nil); err != nil {
		t.Fatal(err)
	}
	p.expectCandidate("lost", "", 0)
	if c := p.standing("codes").Candidate; c == nil || !strings.Contains(c.Why, "setting") {
		t.Errorf("the candidate is %+v", c)
	}
	if p.logged("a candidate can't be loaded again") != 1 {
		t.Error("it is not logged")
	}
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Live, Share: 2000}); !errors.Is(err, ErrIdle) {
		t.Errorf("a larger share: %v", err)
	}
	p.pass(time.Second)
	if err := p.g.Reconfigure(background, rules.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	p.expectCandidate("back", "c1", 1000)
}

// TestRemovedPackHasNoCandidate: what comes back after a removal is one like any other.
func TestRemovedPackHasNoCandidate(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "vip.lua", version("v1"))
	p.mustTry(version("c1"))
	p.edit("codes.lua", "gone")
	p.pass(3 * time.Second)
	p.edit()
	p.edit("codes.lua", version("v2"))
	p.expectCandidate("back", "", 0)
	p.start()
	p.expectCandidate("back, after a restart", "", 0)
}
