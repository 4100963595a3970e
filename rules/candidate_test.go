package rules

import (
	"strings"
	"testing"
)

// withCandidate returns a set in which pack p has a candidate, in a share of the chats, beside
// its live version.
func withCandidate(t *testing.T, live, candidate string, share Share, more map[string]string) *Set {
	t.Helper()
	files := map[string]string{"p.lua": live}
	for name, text := range more {
		files[name] = text
	}
	loaded := mustLoad(t, Options{}, files)
	c := mustLoad(t, Options{}, map[string]string{"p.lua": candidate}).Pack("p")
	parts := SetParts{Packs: loaded.Packs(), Modes: map[string]Mode{}, Candidates: []*Pack{c}, Rollouts: map[string]Rollout{"p": {Candidate: c.Version, Share: share}}}
	for _, p := range loaded.Packs() {
		parts.Modes[p.Name] = Live
	}
	return NewSet(parts, Options{})
}

func TestCandidateRunsInShadowBesideTheLiveVersion(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev)
		kv.incr("n")
		if ev.text == "%" then error("oh") end
		%
	end)`
	code := func(bad, act string) string {
		return strings.Replace(strings.Replace(rule, "%", bad, 1), "%", act, 1)
	}
	s := withCandidate(t, code("live", "chert.mark_read(ev.chat.id)"), code("candidate", "chert.keep_unread(ev.chat.id)"), 0,
		map[string]string{"q.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`})
	for _, tt := range []struct{ text, want string }{
		{"x", "p/p#1: mark_read n=1\np/p#1: keep_unread [shadow] n=1\nq/q#1: mark_read"},
		{"candidate", "p/p#1: mark_read n=1\np/p#1: error: oh\nq/q#1: mark_read"},
		{"live", "p/p#1: error: oh\np/p#1: keep_unread [shadow] n=1\nq/q#1: mark_read"},
	} {
		expectSaid(t, s.Run(0, Input{Event: message(tt.text), Now: noon}), tt.want)
	}
	r := s.Run(0, Input{Event: message("x"), Now: noon})
	live, candidate := r.Outcomes[0], r.Outcomes[1]
	if live.Version != s.Pack("p").Version || candidate.Version != s.Candidate("p").Version || live.Version == candidate.Version {
		t.Errorf("versions %s and %s", live.Version, candidate.Version)
	}
	if live.Candidate || !candidate.Candidate || !live.Saw() || candidate.Saw() {
		t.Error("the outcomes do not say which version ran in shadow")
	}
	if live.MemoryPack() != "p" || candidate.MemoryPack() != "p (candidate)" {
		t.Errorf("memories %q and %q", live.MemoryPack(), candidate.MemoryPack())
	}
	// An event that the pack missed runs through the live version alone.
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon, Pack: "p"}), "p/p#1: mark_read n=1")
}

// TestCandidateIsLiveInItsShare: the live version does not run there, and the candidate
// uses the pack's own memory.
func TestCandidateIsLiveInItsShare(t *testing.T) {
	t.Parallel()
	s := withCandidate(t, `chert.on("message.received", function(ev) log.info("live") chert.mark_read(ev.text) end)`,
		`chert.on("message.received", function(ev) log.info("candidate") chert.mark_read(ev.text) end)`, 5000, nil)
	_, inside, outside := sharing(t, map[string]string{"p.lua": version("p")}, "p")
	run := func(chat, of string) []Outcome {
		return s.Run(0, Input{Event: message(of, ofChat(chat)), Now: noon}).Outcomes
	}
	if in := run(inside, inside); len(in) != 1 || in[0].Version != s.Candidate("p").Version || in[0].Shadow || in[0].Candidate || in[0].MemoryPack() != "p" {
		t.Errorf("in the share: %+v", in)
	}
	out := run(outside, outside)
	if len(out) != 2 || out[0].Version != s.Pack("p").Version || out[0].Shadow || !out[1].Candidate {
		t.Errorf("outside the share: %+v", out)
	}
	// Requests for a chat in which the other version is live are recorded only.
	if w := run(inside, outside)[0].Requests[0]; !w.Shadow {
		t.Error("the candidate acts outside its share")
	}
	if w := run(outside, inside)[0].Requests[0]; !w.Shadow {
		t.Error("the live version acts where the candidate is live")
	}
	if s.ModeIn("p", inside) != Live || s.ModeIn("p", outside) != Live {
		t.Error("the pack is live in all chats, by one of its versions")
	}
	live, candidate := s.Pack("p").Version, s.Candidate("p").Version
	for _, tt := range []struct {
		version, chat string
		want          bool
	}{{live, inside, false}, {live, outside, false}, {candidate, inside, false}, {candidate, outside, true}, {"", outside, false}} {
		if got := s.Withdrawn("p", tt.version, tt.chat); got != tt.want {
			t.Errorf("requests of %q in %s are withdrawn: %t", tt.version, tt.chat, got)
		}
	}
}

// TestCandidateForwardsNothing: its requests for other chats would have the names of those
// of the live version.
func TestCandidateForwardsNothing(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) chert.mark_read("c2") end)`
	s := withCandidate(t, rule, rule+"\n-- 2", 0, nil)
	r := s.Run(0, Input{Event: message("x"), Now: noon})
	if all := r.Forwarded("c1"); len(r.Outcomes) != 2 || len(all) != 1 || all[0].Outcome.Candidate {
		t.Errorf("of %d outcomes %d requests are forwarded", len(r.Outcomes), len(all))
	}
}

// TestCandidateFailsAlone: failures of a candidate suspend its rules, and not those of the
// live version.
func TestCandidateFailsAlone(t *testing.T) {
	t.Parallel()
	s := withCandidate(t, `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`, `chert.on("message.received", function(ev) error("oh") end)`, 0, nil)
	var all Suspensions
	for range 100 {
		r := s.Run(0, Input{Event: message("x"), Now: noon, Suspensions: &all})
		if len(r.Missed) > 0 || r.Block {
			t.Fatalf("it counts as missed: %+v", r.Missed)
		}
		all.Note("c1", r.Outcomes, noon)
	}
	if len(all.Suspended(s.Candidate("p"), noon)) == 0 {
		t.Error("the candidate is not suspended")
	}
	if live := all.Suspended(s.Pack("p"), noon); len(live) > 0 {
		t.Errorf("the live version is suspended: %+v", live)
	}
	all.Keep(s)
	if len(all.Suspended(s.Candidate("p"), noon)) == 0 {
		t.Error("what is known of the candidate is forgotten")
	}
}

// TestCandidateSchedules: a schedule that both versions have runs once, and one that only
// the candidate has runs as well.
func TestCandidateSchedules(t *testing.T) {
	t.Parallel()
	const both = `chert.every("15m", { name = "both" }, function(ev) end)`
	s := withCandidate(t, both, both+"\n"+`chert.every("1h", { name = "new" }, function(ev) end)`, 0, nil)
	var names []string
	for _, r := range s.Schedules() {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); got != "both new" {
		t.Errorf("schedules %q", got)
	}
	if !s.HasRule("p", "new") || s.HasRule("p", "none") {
		t.Error("the set does not know the candidate's rules")
	}
	s.Shed(0)
	if s.SameAs(NewSet(SetParts{Packs: s.Packs(), Modes: map[string]Mode{"p": Live}}, Options{})) {
		t.Error("a set without the candidate is the same")
	}
}
