package rules

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/luabind"
)

// troubled is a pack of rules that fail, or take far more than their share, as the
// text of a message says, with one that always works. Its rules also write.
const troubled = `
for i = 1, 14 do
  chert.rule({ name = "r" .. i, on = "message.received", run = function(ev)
    kv.incr("n")
    if ev.text == "loop all" or ev.text == "loop r" .. i then while true do end end
    if ev.text == "fail all" or ev.text == "fail r" .. i then error("oh") end
    ev.state.n = (ev.state.n or 0) + 1
    chert.mark_read(ev.chat and ev.chat.id or "c", { after = "1m" })
  end })
end
chert.rule({ name = "zz light", on = "message.received", run = function(ev) log.info("ran") end })`

// tight lets few failures and few steps suspend a rule.
var tight = Options{
	Suspend: SuspendPolicy{After: 3, Chats: 2},
	Limits:  luabind.Limits{Steps: 10_000}, Share: SharePolicy{Free: 1000, Rate: 3000, Burst: 50_000},
}

// troubles draws a sequence of events of troubled, each with its time.
func troubles(t *rapid.T, each func(in Input)) {
	now := noon
	for range rapid.IntRange(1, 25).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 20, 61}).Draw(t, "later")) * time.Second)
		text := rapid.SampledFrom([]string{"loop all", "loop r1", "loop r2", "fail all", "fail r1", "fail r1", "x"}).Draw(t, "text")
		chat := rapid.SampledFrom([]string{"c1", "c2", "c3", ""}).Draw(t, "chat")
		each(Input{Event: in(chat, text), Now: now, Memory: &remembered{}, Again: rapid.IntRange(0, 9).Draw(t, "again") == 0})
	}
}

// snapshot is all that Suspensions have of a pack, as text.
func snapshot(c *Suspensions, p *Pack) string {
	of := c.of(p)
	if of == nil {
		return "nothing"
	}
	h, s := of.health, of.share
	text := fmt.Sprint(h.failing.Load(), h.clock, len(h.rules), len(h.chats), s.some.Load(), s.clock, s.left, s.at, s.drawn, s.culprits, s.chats, s.rules, s.pack)
	for i := range p.Rules {
		if r := h.rules[i]; r != nil {
			text += fmt.Sprint("\n", i, *r)
		}
	}
	for e := h.order.Front(); e != nil; e = e.Next() {
		c := h.chats[e.Value.(ruleInChat)]
		text += fmt.Sprint("\n", e.Value, c.failures, c.until)
	}
	return text
}

// The same input on the same VMs has the same result however often it runs, and what it
// points to is as before: an event that was recorded can run again and suspends nothing.
func TestRunIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := mustLoad(t, tight, map[string]string{"p.lua": troubled})
		s.Run(0, Input{Event: in("c1", "x"), Now: noon}) // by the VM that loading has left
		var c Suspensions
		troubles(rt, func(in Input) {
			in.Suspensions = &c
			ev, before := *in.Event, snapshot(&c, s.Pack("p"))
			s.Shed(0) // to make a VM takes steps, too
			first := s.Run(0, in)
			s.Shed(0)
			second := s.Run(0, in)
			if !reflect.DeepEqual(first, second) {
				rt.Fatalf("the first run:\n%s\nthe second:\n%s", said(first), said(second))
			}
			if after := snapshot(&c, s.Pack("p")); after != before || !reflect.DeepEqual(ev, *in.Event) {
				rt.Fatalf("before:\n%s\nafter:\n%s", before, after)
			}
			c.Note(in.Event.ChatID(), first.Outcomes, in.Now)
		})
	})
}

// Outcomes that are noted once an event suspend what they would if each were noted
// before the next rule of the event ran.
func TestNotingOnceAnEventSuspendsAsRuleByRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := mustLoad(t, tight, map[string]string{"p.lua": troubled})
		p := s.Pack("p")
		var once, each Suspensions
		troubles(rt, func(in Input) {
			in.Suspensions = &once
			id := in.Event.ChatID()
			r := s.Run(0, in)
			left := r.Outcomes
			for _, rule := range p.Rules {
				view := each.view(p)
				a := view.admit(rule, id, in.Now)
				if a == suspended || a == packSuspended {
					if len(left) > 0 && left[0].Rule == rule.Name {
						if left[0].Skipped != SkippedSuspended {
							rt.Fatalf("%s ran, though it is suspended", rule.Name)
						}
						each.Note(id, left[:1], in.Now)
						left = left[1:]
					}
					continue // one of many that are suspended: a few are recorded
				}
				if len(left) == 0 || left[0].Rule != rule.Name || left[0].Skipped != "" || left[0].by.probe != (a == probes) {
					rt.Fatalf("%s did not run, or as a probe where it is none:\n%s", rule.Name, said(r))
				}
				each.Note(id, left[:1], in.Now)
				left = left[1:]
			}
			once.Note(id, r.Outcomes, in.Now)
			if got, want := snapshot(&once, p), snapshot(&each, p); got != want {
				rt.Fatalf("noted once:\n%s\nrule by rule:\n%s", got, want)
			}
		})
	})
}

// A probe of which nothing can be said keeps its rule suspended until the next.
func TestProbeThatSaysNothingIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Suspend: SuspendPolicy{After: 1, Chats: 9}}, map[string]string{"p.lua": failsOn})
	var c Suspensions
	now := noon
	run := func(again bool) string {
		return said(runNoted(s, 0, Input{Event: in("c1", "a"), Now: now, Suspensions: &c, Again: again}))
	}
	run(false)
	now = now.Add(time.Minute)
	if got := run(true); got != "p/a: error: oh\np/b:" {
		t.Errorf("the probe: %s", got)
	}
	if got := run(false); got != "p/a: skipped: suspended\np/b:" {
		t.Errorf("the event after it: %s", got)
	}
}
