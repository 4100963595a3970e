package rules

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/luabind"
)

// heavies is a pack of rules of which those run for ever that a message names,
// and one that never does.
const heavies = `
for i = 1, 40 do
  chert.rule({ name = "r" .. i, on = "message.received", run = function(ev)
    if ev.text == "all" or ev.text == "r" .. i or ev.text == "two" and i <= 2 then
      while true do end
    end
  end })
end
chert.rule({ name = "zz light", on = "message.received", run = function(ev) log.info("ran") end })`

// loops runs events of chats, each in turn, until nothing more loops, and tells
// how many handlers did.
func loops(t *testing.T, s *Set, text string, chats []string, now time.Time) (looped int) {
	t.Helper()
	for range 100 {
		before := looped
		for _, c := range chats {
			for _, o := range runNoted(s, 0, Input{Event: in(c, text), Now: now, Suspensions: &suspensions}).Outcomes {
				if o.Failure != nil {
					looped++
				}
			}
		}
		if looped == before {
			return looped
		}
	}
	t.Fatalf("%q in %d chats loops without end", text, len(chats))
	return 0
}

// A pack that takes more than its share loses, for a minute, what took most: a
// rule in the chat in which it did. It loses a rule, a chat or all its rules only
// where one rule in many chats, many rules in one chat, or several in several do.
func TestShareSuspendsWhatDraws(t *testing.T) {
	t.Parallel()
	many := func(n int) (chats []string) {
		for i := range n {
			chats = append(chats, fmt.Sprint("evil", i))
		}
		return chats
	}
	for _, tt := range []struct {
		name, text string
		chats      []string
		most       int    // handlers that loop before nothing does any more
		suspended  string // what is, in the end
		elsewhere  int    // rules that still run in another chat, of 41
		here       int    // and in the first chat
	}{
		{"one rule, one chat", "r1", many(1), 20, "rule r1 is one_chat evil0", 41, 40},
		{"two rules, one chat", "two", many(1), 20, "rule r1 is one_chat evil0, rule r2 is one_chat evil0", 41, 39},
		{"one rule, three chats", "r1", many(3), 20, "rule r1 is one_chat evil0, rule r1 is one_chat evil1, rule r1 is one_chat evil2", 41, 40},
		{"one rule, many chats", "r1", many(30), 20, "rule r1 is all_chats", 40, 40},
		{"many rules, one chat", "all", many(1), 20, "all its rules are one_chat evil0", 41, 0},
		{"many rules, many chats", "all", many(30), 40, "all its rules are all_chats", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Failures suspend nothing here: they are not what counts.
			set := mustLoad(t, Options{Suspend: SuspendPolicy{After: 1000, Chats: 1000}}, map[string]string{"p.lua": heavies})
			now := noon
			ran := func(chat string) (n int) {
				for _, o := range runNoted(set, 0, Input{Event: in(chat, "x"), Now: now, Suspensions: &suspensions}).Outcomes {
					if o.Skipped == "" {
						n++
					}
				}
				return n
			}
			if n := loops(t, set, tt.text, tt.chats, now); n > tt.most+int(shareBurst/luabind.DefaultSteps) {
				t.Errorf("%d handlers looped before they were held", n)
			}
			var list []string
			for _, a := range suspensions.Suspended(set.Pack("p"), now) {
				list = append(list, strings.TrimSpace(fmt.Sprint(a.Subject(), " ", a.Scope, " ", a.Chat)))
				if a.Why != WhyShare {
					t.Errorf("says %q", a.Why)
				}
			}
			if got := strings.Join(list, ", "); got != tt.suspended {
				t.Errorf("suspended: %s\nwant %s", got, tt.suspended)
			}
			if n := ran("other"); n != tt.elsewhere {
				t.Errorf("%d rules run in another chat, want %d", n, tt.elsewhere)
			}
			if n := ran("evil0"); n != tt.here {
				t.Errorf("%d rules run in the chat itself, want %d", n, tt.here)
			}
			now = now.Add(defaultSuspendFor)
			if n, m := ran("other"), ran("evil0"); n != 41 || m != 41 {
				t.Errorf("after the cool-off %d and %d rules run, want all", n, m)
			}
			if list := suspensions.Suspended(set.Pack("p"), now); len(list) > 0 {
				t.Errorf("after the cool-off suspended are %+v", list)
			}
		})
	}
}

// Rules of an event that stand behind two that loop run, in that very event.
func TestShareLetsOthersOfTheEventRun(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{"p.lua": heavies})
	for i := range 8 {
		for _, o := range runNoted(set, 0, Input{Event: in("evil", "two"), Now: noon, Suspensions: &suspensions}).Outcomes {
			if loops := o.Rule == "r1" || o.Rule == "r2"; !loops && o.Skipped != "" {
				t.Fatalf("event %d: rule %s: %s", i, o.Rule, o.Skipped)
			}
		}
	}
}

// Whatever a pack's handlers take, when and for whom: what they take beyond
// their share is bounded, a rule or a chat that drew nothing loses nothing
// unless several of both did, and all is over after the cool-off.
func TestShareNeverLeaks(t *testing.T) {
	t.Parallel()
	const rulesOf, most = 60, luabind.DefaultSteps
	all := make([]*Rule, rulesOf)
	for i := range all {
		all[i] = &Rule{Name: fmt.Sprint("r", i)}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := newShare(&SharePolicy{}, time.Minute)
		now := noon
		var began time.Time
		var beyond int64
		drewRules, drewChats := map[int]bool{}, map[string]bool{}
		evilRules, evilChats := rapid.IntRange(1, 50).Draw(t, "rules"), rapid.IntRange(1, 50).Draw(t, "chats")
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			if rapid.IntRange(0, 9).Draw(t, "wait?") == 0 {
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			}
			if began.IsZero() {
				began = now
			}
			rule, chat := rapid.IntRange(0, evilRules-1).Draw(t, "rule"), fmt.Sprint(rapid.IntRange(0, evilChats-1).Draw(t, "chat"))
			// Another shard is at an event that began before.
			at := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "behind")) * time.Second)
			if s.look(rule, chat, at) != runs {
				s.seen(at)
				continue
			}
			steps := int64(rapid.IntRange(0, most).Draw(t, "steps"))
			s.spend(rule, chat, steps, at)
			if steps > shareFree {
				beyond += steps - shareFree
				drewRules[rule], drewChats[chat] = true, true
			}
			if n := len(s.drawn); n > shareDrawers {
				t.Fatalf("%d rules in chats are remembered", n)
			}
			minutes := 1 + int64(now.Sub(began)/(50*time.Second)) // a suspension may end as much earlier as an event is behind
			if limit := shareBurst + int64(now.Sub(began).Seconds()*shareRate) + minutes*(shareCulprits*shareGroups*most+shareBurst); beyond > limit {
				t.Fatalf("took %d steps in %v, want at most %d", beyond, now.Sub(began), limit)
			}
			if several := len(drewRules) > 1 && len(drewChats) > 1; several {
				continue
			}
			if s.look(rulesOf-1, "another", now) != runs {
				t.Fatalf("%d rules in %d chats suspended another rule in another chat", len(drewRules), len(drewChats))
			}
			if s.look(rulesOf-1, chat, now) != runs && len(drewRules) == 1 {
				t.Fatal("one rule suspended another")
			}
			if s.look(rule, "another", now) != runs && len(drewChats) == 1 {
				t.Fatal("one chat suspended a rule for another")
			}
		}
		now = now.Add(time.Minute)
		if list := s.suspended(all, now); len(list) > 0 {
			t.Fatalf("after the cool-off suspended are %+v", list)
		}
	})
}

// Ordinary rules have no end of their share, whatever the rate of events.
func TestShareLeavesOrdinaryRulesAlone(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{"busy.lua": `
chert.on("message.received", function(ev)
  local words = {}
  for word in ev.text:gmatch("%a+") do words[#words + 1] = word:lower() end
  table.sort(words)
  log.debug(table.concat(words, " "))
end)`})
	now := time.Unix(1_800_000_000, 0) // which stands still: all in one moment
	for i := range 3000 {
		r := runNoted(set, 0, Input{Event: message(fmt.Sprint("some twenty words or so make up an ordinary message of a person who writes about the weather ", i)), Now: now, Suspensions: &suspensions})
		if o, all := r.Outcomes[0], suspensions.Suspended(set.Pack("busy"), now); o.Skipped != "" || len(all) > 0 {
			t.Fatalf("event %d: skipped %q, suspended %+v", i, o.Skipped, all)
		}
	}
}

// A pack of many rules that are all suspended records some of them, not hundreds.
func TestManyRulesSuspended(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{"storm.lua": `
for i = 1, 50 do
  chert.on("message.received", function(ev) error("rule " .. i) end)
end`, "zz.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`})
	now := time.Unix(1_800_000_000, 0)
	for range defaultSuspendAfter {
		if r := runNoted(set, 0, Input{Event: message("hello"), Now: now, Suspensions: &suspensions}); len(r.Outcomes) != 51 {
			t.Fatalf("%d outcomes, want each failure recorded", len(r.Outcomes))
		}
	}
	r := runNoted(set, 0, Input{Event: message("hello"), Now: now, Suspensions: &suspensions})
	if len(r.Outcomes) != recordedSuspended+1 {
		t.Errorf("%d outcomes, want %d that are suspended and the other pack's", len(r.Outcomes), recordedSuspended)
	}
	if last := r.Outcomes[len(r.Outcomes)-1]; last.Pack != "zz" || len(last.Requests) != 1 {
		t.Errorf("the last outcome is %+v, want the other pack's read", last)
	}
}

// The share that the reference tells is the one that holds.
func TestReferenceHasTheShare(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../docs/lua.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("| a pack's share of the machine | per pack: steps above %s per handler draw on a budget of %s per second (burst %s).",
		thousandsOf(shareFree), thousandsOf(shareRate), thousandsOf(shareBurst))
	if !strings.Contains(string(reference), want) {
		t.Errorf("docs/lua.md lacks %q", want)
	}
}
