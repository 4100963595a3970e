package rules

import (
	"fmt"
	"strings"
	"testing"

	"chertd/rules/chat"
)

// twoRules has a rule that reads, one that vetoes or fails, and one in a second pack.
var twoRules = map[string]string{
	"p/10.lua": `
chert.rule({ name = "read", on = "message.received", run = function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "keep", on = "message.received", run = function(ev)
  if ev.text == "fail" then error("no") end
  chert.keep_unread(ev.chat.id)
end })
`,
	"q.lua": `chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })`,
}

// switched returns the set with modes of single rules of pack p.
func switched(t testing.TB, mode Mode, modes map[string]RuleMode) *Set {
	t.Helper()
	loaded := mustLoad(t, Options{}, twoRules)
	return NewSet(SetParts{
		Packs: loaded.Packs(), Modes: map[string]Mode{"p": mode, "q": Live}, RuleModes: map[string]map[string]RuleMode{"p": modes},
	}, Options{})
}

// outcomes returns what became of each rule on a message, in words.
func outcomes(r Result) string {
	var all []string
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		text := o.Pack + "/" + o.Rule
		if o.Skipped != "" {
			text += " " + o.Skipped
		}
		if o.Shadow {
			text += " in " + o.MemoryPack()
		}
		if o.Failure != nil {
			text += " failed"
		}
		for _, w := range o.Requests {
			text += " " + w.Words("c1", noon)
		}
		if o.Note != "" {
			text += " (" + o.Note + ")"
		}
		all = append(all, text)
	}
	if r.Block {
		all = append(all, "block")
	}
	return strings.Join(all, "; ")
}

// TestModesOfRules: the mode of a rule restricts that of its pack, and changes nothing of
// other rules.
func TestModesOfRules(t *testing.T) {
	t.Parallel()
	off, shadow, live := RuleMode{Mode: Off, Why: "by anna"}, RuleMode{Mode: Shadow, Why: "by bob: tries"}, RuleMode{Mode: Live}
	for _, tt := range []struct {
		name  string
		pack  Mode
		modes map[string]RuleMode
		text  string
		want  string
	}{
		{"none", Live, nil, "x", "p/read mark_read; p/keep keep_unread; q/read mark_read"},
		{"off", Live, map[string]RuleMode{"read": off}, "x", "p/read rule_off (off by anna); p/keep keep_unread; q/read mark_read"},
		{"shadow", Live, map[string]RuleMode{"read": shadow}, "x", "p/read in p (shadow) mark_read [shadow] (shadow by bob: tries); p/keep keep_unread; q/read mark_read"},
		{"a veto in shadow", Live, map[string]RuleMode{"keep": shadow}, "x", "p/read mark_read; p/keep in p (shadow) keep_unread [shadow] (shadow by bob: tries); q/read mark_read"},
		{"a failure", Live, nil, "fail", "p/read mark_read; p/keep failed; q/read mark_read; block"},
		{"a failure in shadow blocks nothing", Live, map[string]RuleMode{"keep": shadow}, "fail", "p/read mark_read; p/keep in p (shadow) failed (shadow by bob: tries); q/read mark_read"},
		{"live in a pack in shadow", Shadow, map[string]RuleMode{"read": live}, "x", "p/read in p (shadow) mark_read [shadow]; p/keep in p (shadow) keep_unread [shadow]; q/read mark_read"},
		{"off in a pack in shadow", Shadow, map[string]RuleMode{"read": off}, "x", "p/read rule_off in p (shadow) (off by anna); p/keep in p (shadow) keep_unread [shadow]; q/read mark_read"},
		{"in a pack that is off", Off, map[string]RuleMode{"read": live}, "x", "q/read mark_read"},
		{"of a rule that is not there", Live, map[string]RuleMode{"gone": off}, "x", "p/read mark_read; p/keep keep_unread; q/read mark_read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := switched(t, tt.pack, tt.modes)
			in := Input{Event: message(tt.text), Now: noon}
			if got := outcomes(set.Run(0, in)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			for _, x := range set.Explain(in) {
				if x.Pack == "p" && tt.pack == Live && (x.Skipped == skippedRuleOff) != (tt.modes[x.Rule].Mode == Off) {
					t.Errorf("explain of %s: %q", x.Rule, x.Skipped)
				}
			}
		})
	}
}

// TestSubscribersByTheModeOfTheRule: a rule that is off does not subscribe, and one in shadow does
// so in shadow.
func TestSubscribersByTheModeOfTheRule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pack         Mode
		rule         Mode
		live, shadow int
	}{{Live, "", 3, 0}, {Live, Off, 2, 0}, {Live, Shadow, 2, 1}, {Shadow, Live, 1, 2}, {Shadow, Off, 1, 1}, {Off, Shadow, 1, 0}} {
		var modes map[string]RuleMode
		if tt.rule != "" {
			modes = map[string]RuleMode{"read": {Mode: tt.rule}}
		}
		live, shadow := switched(t, tt.pack, modes).Subscribers("message.received", "c1")
		if live != tt.live || shadow != tt.shadow {
			t.Errorf("pack %s, rule %q: %d live and %d in shadow, want %d and %d", tt.pack, tt.rule, live, shadow, tt.live, tt.shadow)
		}
	}
}

// TestOffRuleDoesNotStopAPackFromBlocking: whether another rule can veto is not known, so
// that the pack blocks reads as long as one that fails is live.
func TestOffRuleDoesNotStopAPackFromBlocking(t *testing.T) {
	t.Parallel()
	files := map[string]string{"p/10.lua": twoRules["p/10.lua"] + `chert.rule({ name = "other", on = "message.received", run = function() error("no") end })`}
	loaded := mustLoad(t, Options{}, files)
	parts := SetParts{Packs: loaded.Packs(), Modes: map[string]Mode{"p": Live}, RuleModes: map[string]map[string]RuleMode{"p": {"keep": {Mode: Off}}}}
	if got := outcomes(NewSet(parts, Options{}).Run(0, Input{Event: message("x"), Now: noon})); got != "p/read mark_read; p/keep rule_off; p/other failed; block" {
		t.Error(got)
	}
}

// TestPendingWorkOfRestrictedRules: what such a rule has pending is not carried out, unless it
// was to be kept; and sets with other modes of rules differ.
func TestPendingWorkOfRestrictedRules(t *testing.T) {
	t.Parallel()
	set := switched(t, Live, map[string]RuleMode{"read": {Mode: Off}, "keep": {Mode: Shadow, KeepsPending: true}, "other": {Mode: Live}})
	for rule, want := range map[string]bool{"read": true, "keep": false, "other": false, "none": false} {
		if got := set.RuleWithdrawn("p", rule); got != want {
			t.Errorf("the pending work of %s is withdrawn: %t", rule, got)
		}
		if set.RuleWithdrawn("q", rule) {
			t.Errorf("the pending work of q/%s is withdrawn", rule)
		}
	}
	packs := set.Packs()
	with := func(modes map[string]RuleMode) *Set {
		return NewSet(SetParts{Packs: packs, Modes: map[string]Mode{"p": Live, "q": Live}, RuleModes: map[string]map[string]RuleMode{"p": modes}}, Options{})
	}
	one := with(map[string]RuleMode{"read": {Mode: Off}})
	if !one.SameAs(with(map[string]RuleMode{"read": {Mode: Off}})) {
		t.Error("the same set differs")
	}
	for what, other := range map[string]*Set{"none": with(nil), "shadow": with(map[string]RuleMode{"read": {Mode: Shadow}}), "a reason": with(map[string]RuleMode{"read": {Mode: Off, Why: "x"}})} {
		if one.SameAs(other) {
			t.Errorf("%s: the set is the same", what)
		}
	}
}

// TestMissedEventsRunThroughLiveRulesAlone: a rule in shadow does not run on an event that its
// pack had missed, and one that is off is recorded.
func TestMissedEventsRunThroughLiveRulesAlone(t *testing.T) {
	t.Parallel()
	set := switched(t, Live, map[string]RuleMode{"read": {Mode: Shadow}, "keep": {Mode: Off, Why: "by anna"}})
	in := Input{Event: message("x"), Now: noon, First: noon, Pack: "p"}
	if got := outcomes(set.Run(0, in)); got != "p/keep rule_off (off by anna)" {
		t.Error(got)
	}
}

// BenchmarkRuleModes compares a set without modes of rules with one that has some of other
// rules: an event costs the same.
func BenchmarkRuleModes(b *testing.B) {
	files := map[string]string{}
	var lua strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lua, "chert.rule({ name = \"r%d\", on = \"message.received\", where = { text = \"word%04d\" }, run = function() end })\n", i, i)
	}
	files["p.lua"] = lua.String()
	loaded := mustLoad(b, Options{}, files)
	modes := map[string]map[string]RuleMode{"p": {}}
	for i := range 100 {
		modes["p"][fmt.Sprint("r", i)] = RuleMode{Mode: Off}
	}
	for name, m := range map[string]map[string]map[string]RuleMode{"none": nil, "100 of 1000": modes} {
		set := NewSet(SetParts{Packs: loaded.Packs(), Modes: map[string]Mode{"p": Live}, RuleModes: m}, Options{})
		in := Input{Event: message("word0999"), Now: noon, Chat: &chat.Chat{ID: "c1"}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Run(0, in)
			}
		})
	}
}

// TestCommandsOfPacks: what a pack would have done is recorded with the command by which it
// is off, in shadow or outside its share. Without a command there is no note.
func TestCommandsOfPacks(t *testing.T) {
	t.Parallel()
	packs := mustLoad(t, Options{}, twoRules).Packs()
	for _, tt := range []struct {
		name  string
		mode  Mode
		words string
		share Share
		want  string
	}{
		{"off", Off, "by ann: wrong reads", 0, "q/read mark_read; p/read pack_off (off by ann: wrong reads)"},
		{"off by no command", Off, "", 0, "q/read mark_read"},
		{"shadow", Shadow, "by ann", 0, "p/read in p (shadow) mark_read [shadow] (shadow by ann); p/keep in p (shadow) keep_unread [shadow] (shadow by ann); q/read mark_read"},
		{"outside its share", Live, "by ann", 1, "p/read in p (shadow) mark_read [shadow] (shadow outside the pack's share of 0.01%, by ann); p/keep in p (shadow) keep_unread [shadow] (shadow outside the pack's share of 0.01%, by ann); q/read mark_read"},
		{"in its share", Live, "by ann", 9999, "p/read mark_read; p/keep keep_unread; q/read mark_read"},
	} {
		parts := SetParts{Packs: packs, Modes: map[string]Mode{"p": tt.mode, "q": Live}, Commands: map[string]string{"p": tt.words}}
		if tt.share != 0 {
			parts.Rollouts = map[string]Rollout{"p": {Share: tt.share}}
		}
		set := NewSet(parts, Options{})
		if got := outcomes(set.Run(0, Input{Event: message("x"), Now: noon})); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		parts.Commands = map[string]string{"p": tt.words + "2"}
		if set.SameAs(NewSet(parts, Options{})) {
			t.Errorf("%s: a set with other words is the same", tt.name)
		}
	}
	set := NewSet(SetParts{Packs: packs, Modes: map[string]Mode{"p": Live, "q": Live}, Commands: map[string]string{"p": "by ann"}}, Options{})
	if got := outcomes(set.Shadowed("p").Run(0, Input{Event: message("x"), Now: noon})); strings.Contains(got, "ann") {
		t.Errorf("a pack that its limit sent to shadow names a command: %s", got)
	}
}
