package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var ruleTests = map[string]func(*testing.T, *bench){
	"a rule is known from its first version on":        rulesNoted,
	"totals of rules are those of what became of them": rulesCount,
}

// rulesNoted: a rule is known, with its time, from the first version that has it, and keeps
// that time.
func rulesNoted(t *testing.T, b *bench) {
	totals := func() store.RuleTotals {
		t.Helper()
		all, err := b.s.RuleTotals(t.Context())
		b.must(err)
		return all
	}
	began := totals()
	if began.Since.IsZero() || len(began.Rules) > 0 {
		t.Errorf("a new store has %+v, want the time and no rules", began)
	}
	first, second := version("aa", 0), version("bb", 60)
	first.Rules, second.Rules = []string{"old"}, []string{"old", "new"}
	first.Since, second.Since = began.Since.Add(time.Hour), began.Since.Add(2*time.Hour)
	b.save(first, second)
	b.reopen()
	b.equal("rules", totals(), store.RuleTotals{Since: began.Since, Rules: []store.RuleTotal{
		{Pack: "codes", Rule: "new", Since: second.Since}, {Pack: "codes", Rule: "old", Since: first.Since},
	}})
	b.must(b.s.ForgetPack(t.Context(), "codes"))
	b.equal("rules of a removed pack", len(totals().Rules), 2)
}

// ruleWorld has what a store must have counted.
type ruleWorld struct {
	b       *bench
	r       *rand.Rand
	events  []*ruleEvent
	clock   time.Time
	batch   []turn.Transition    // the last one
	lastRun map[string]time.Time // by rule: its last failure
	failSeq map[string]int64
}

type ruleEvent struct {
	d       turn.Decision
	actions []chat.Action
}

var countedRules = []struct{ pack, rule string }{{"codes", "a"}, {"codes", "b"}, {"vip", "hold"}}

// rulesCount: whatever is handled, repeated, run again, ended, revived, pruned and reopened,
// the totals of rules are those of the decisions and actions as they are.
func rulesCount(t *testing.T, b *bench) {
	w := &ruleWorld{b: b, r: rand.New(rand.NewPCG(rulesSeed, 1)), clock: noon, lastRun: map[string]time.Time{}, failSeq: map[string]int64{}}
	for step := range 200 {
		w.step()
		if w.compare("after a step"); t.Failed() {
			t.Fatalf("step %d", step)
		}
	}
	b.reopen()
	w.compare("after a restart")
	b.prune(b.s.PruneTexts, noon.Add(1000*time.Hour), 50)
	if n := b.prune(b.s.PruneEvents, noon.Add(1000*time.Hour), 50); n == 0 {
		t.Error("retention removed no event")
	}
	w.compare("after retention")
}

// rulesSeed is any number.
const rulesSeed = 1

func (w *ruleWorld) step() {
	w.clock = w.clock.Add(time.Second)
	switch n := w.r.IntN(10); {
	case n < 4 || len(w.events) == 0:
		w.batch = nil
		for range 1 + w.r.IntN(4) {
			w.batch = append(w.batch, w.handle())
		}
		w.b.must(w.b.s.Commit(background, w.batch))
	case n < 5: // its answer was lost
		w.b.must(w.b.s.Commit(background, w.batch))
	case n < 6:
		w.rerun()
	case n < 9:
		w.progress()
	default:
		w.b.reopen()
	}
}

// run draws how a rule ran on an event.
func (w *ruleWorld) run(e *ruleEvent, at int, rerun time.Time) {
	of := countedRules[at]
	r := turn.RuleDecision{Pack: of.pack, Version: "v1", Rule: of.rule, Place: "x.lua:1", Steps: int64(w.r.IntN(50)), Rerun: rerun}
	switch w.r.IntN(6) {
	case 0:
		r.Shadow = true
	case 1:
		r.Shadow, r.Candidate = true, true
	}
	switch w.r.IntN(5) {
	case 0:
		r.Skipped = "cooldown"
	case 1:
		r.Error = "it failed"
	case 2, 3:
		r.Asked = []string{"mark_read"}
		a := read(e.d.Seq, len(e.actions), "c1", w.clock)
		a.Pack, a.Rule = of.pack, of.rule
		switch {
		case r.Candidate:
			a.Status, a.Why, a.Ended = chat.Shadowed, chat.WhyCandidate, w.clock
		case r.Shadow:
			a.Status, a.Why, a.Ended = chat.Shadowed, chat.WhyShadow, w.clock
		case w.r.IntN(4) == 0:
			w.end(&a)
		}
		if w.r.IntN(6) == 0 {
			a.Kind = chat.Typing
		}
		e.actions = append(e.actions, a)
	}
	e.d.Rules = append(e.d.Rules, r)
}

func (w *ruleWorld) handle() turn.Transition {
	seq := w.b.append(arrival(fmt.Sprint("rule event ", len(w.events), w.clock.Unix()), "c1"))[0]
	e := &ruleEvent{d: turn.Decision{Seq: seq, At: w.clock, Took: time.Duration(w.r.IntN(1000)) * time.Microsecond}}
	w.events = append(w.events, e)
	for at := range countedRules {
		if w.r.IntN(2) == 0 {
			w.run(e, at, time.Time{})
		}
	}
	return w.transition(e, e.actions)
}

func (w *ruleWorld) transition(e *ruleEvent, actions []chat.Action) turn.Transition {
	d := e.d
	d.Rules, d.Actions = slices.Clone(e.d.Rules), len(e.actions)
	w.noteFailures(e)
	return turn.Transition{Decision: &d, Actions: slices.Clone(actions)}
}

func (w *ruleWorld) noteFailures(e *ruleEvent) {
	for i, r := range e.d.Rules {
		key := fmt.Sprint(r.Pack, "/", r.Rule, r.Role())
		at := e.d.At
		if r.Rerun.After(at) {
			at = r.Rerun
		}
		again := slices.ContainsFunc(e.d.Rules[i+1:], func(o turn.RuleDecision) bool { return o.Pack == r.Pack && o.Rule == r.Rule && o.Role() == r.Role() })
		if r.Error != "" && !again && at.After(w.lastRun[key]) {
			w.lastRun[key], w.failSeq[key] = at, e.d.Seq
		}
	}
}

// rerun runs an event again.
func (w *ruleWorld) rerun() {
	e := w.events[w.r.IntN(len(w.events))]
	before := len(e.actions)
	w.run(e, w.r.IntN(len(countedRules)), w.clock)
	w.batch = []turn.Transition{w.transition(e, e.actions[before:])}
	w.b.must(w.b.s.Commit(background, w.batch))
}

// progress changes an action.
func (w *ruleWorld) progress() {
	e := w.events[w.r.IntN(len(w.events))]
	if len(e.actions) == 0 {
		return
	}
	a := &e.actions[w.r.IntN(len(e.actions))]
	switch a.Status {
	case chat.Waiting:
		w.end(a)
	case chat.Dead, chat.Blocked: // it is retried
		a.Status, a.Why, a.Ended, a.EndedBy = chat.Waiting, "", time.Time{}, chat.Ender{}
	default:
		return
	}
	w.batch = []turn.Transition{{Actions: []chat.Action{*a}}}
	w.b.must(w.b.s.Commit(background, w.batch))
}

func (w *ruleWorld) end(a *chat.Action) {
	a.Ended = w.clock
	switch w.r.IntN(7) {
	case 0:
		a.Status, a.Why = chat.Done, chat.WhyRead
	case 1:
		a.Status, a.Why, a.EndedBy = chat.Dropped, chat.WhyVetoed, chat.Ender{Seq: 1, By: "vip/hold"}
	case 2:
		a.Status, a.Why, a.EndedBy = chat.Dropped, chat.WhyHeld, chat.Ender{By: "operator"}
	case 3:
		a.Status, a.Why = chat.Dropped, chat.WhySuperseded
	case 4:
		a.Status, a.Why = chat.Dead, chat.WhyRefused
	case 5:
		a.Status, a.Why = chat.Blocked, chat.WhyBlocked
	default:
		a.Status, a.Why = chat.Dropped, chat.WhyAlreadyRead
	}
}

// compare counts everything again, one rule after the other.
func (w *ruleWorld) compare(when string) {
	w.b.Helper()
	all, err := w.b.s.RuleTotals(background)
	w.b.must(err)
	got := map[string]turn.RuleCounts{}
	vetoes := map[string][]store.RuleVetoes{}
	for _, r := range all.Rules {
		for role, counts := range map[rules.Role]turn.RuleCounts{rules.RoleLive: r.Live, rules.RoleShadow: r.Shadow, rules.RoleCandidate: r.Candidate} {
			got[fmt.Sprint(r.Pack, "/", r.Rule, role)] = counts
		}
		vetoes[r.Pack+"/"+r.Rule] = r.Vetoes
	}
	for _, of := range countedRules {
		byOperator, byRule := int64(0), int64(0)
		for _, role := range rules.Roles {
			key := fmt.Sprint(of.pack, "/", of.rule, role)
			var want turn.RuleCounts
			for _, e := range w.events {
				mine := slices.DeleteFunc(slices.Clone(e.d.Rules), func(r turn.RuleDecision) bool { return r.Pack != of.pack || r.Rule != of.rule || r.Role() != role })
				for _, r := range mine {
					want.Steps += r.Steps
					want.Requests += int64(len(r.Asked))
					if at := maxTime(e.d.At, r.Rerun); len(r.Asked) > 0 {
						want.LastRequested = maxTime(want.LastRequested, at)
					}
				}
				if len(mine) > 0 {
					want.Matched++
					last := mine[len(mine)-1]
					want.LastMatched = maxTime(want.LastMatched, maxTime(e.d.At, last.Rerun))
					if last.Skipped == "" {
						want.Ran++
					}
					if last.Error != "" {
						want.Failed++
					}
				}
				for _, a := range e.actions {
					if a.Pack != of.pack || a.Rule != of.rule || rules.RoleOf(a.Status == chat.Shadowed, a.Why == chat.WhyCandidate) != role {
						continue
					}
					if a.Kind != chat.Read {
						want.Actions++
						continue
					}
					want.Reads++
					switch string(a.Status) + " " + a.Why {
					case "done read":
						want.Read++
					case "dropped vetoed":
						want.Vetoed++
						byRule++
					case "dropped held":
						want.Vetoed++
						byOperator++
					case "dropped superseded":
						want.Superseded++
					case "dropped already_read":
						want.Ended++
					case "dead refused":
						want.Dead++
					}
				}
			}
			want.LastFailed, want.LastFailedSeq = w.lastRun[key], w.failSeq[key]
			have := got[key]
			if want.Took = have.Took; have.Took < 0 || have.Took > 0 && want.Steps == 0 {
				w.b.Errorf("%s: %s took %v in %d steps", when, key, have.Took, want.Steps)
			}
			w.b.equal(when+": "+key, have, want)
		}
		counted := map[string]int64{}
		for _, v := range vetoes[of.pack+"/"+of.rule] {
			counted[v.By] = v.Reads
		}
		w.b.equal(when+": vetoes of "+of.rule, []int64{counted["vip/hold"], counted["operator"]}, []int64{byRule, byOperator})
		if strings.Contains(fmt.Sprint(counted), turn.UnknownVeto) {
			w.b.Errorf("%s: %v", when, counted)
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
