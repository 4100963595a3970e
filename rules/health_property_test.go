package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
)

// failsOn fails on texts that name a rule, and on "all".
const failsOn = `
for _, name in ipairs({"a", "b"}) do
  chert.rule { name = name, on = "*", run = function(ev)
    if ev.text:find(name, 1, true) or ev.text:find("all", 1, true) then error("oh") end
  end }
end`

// in is an event of a chat; "" is one without.
func in(chat, text string) *event.Event {
	ev := message(text)
	if ev.Chat = nil; chat != "" {
		ev.Chat = &event.Chat{ID: chat}
	}
	return ev
}

// suspensions is what the tests of this package run rules by: each load of a pack has a
// record of its own.
var suspensions Suspensions

// runNoted runs an event, and notes how its rules fared as the owner of the Suspensions does.
func runNoted(s *Set, shard int, in Input) Result {
	r := s.Run(shard, in)
	in.Suspensions.Note(in.Event.ChatID(), r.Outcomes, in.Now)
	return r
}

// skipped tells which rules of a set did not run on an event, as pack/rule.
func skipped(s *Set, shard int, ev *event.Event, now time.Time) (list []string) {
	for _, o := range runNoted(s, shard, Input{Event: ev, Now: now, Suspensions: &suspensions}).Outcomes {
		if o.Skipped == SkippedSuspended {
			list = append(list, o.Pack+"/"+o.Rule)
		}
	}
	return list
}

// TestOneSenderSuspendsARuleForItselfOnly: however often a rule fails in one
// chat, it runs for all others, and other rules and packs run in that one.
func TestOneSenderSuspendsARuleForItselfOnly(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"bad", ""} { // a chat, and events without one
		s := mustLoad(t, Options{}, map[string]string{"p.lua": failsOn, "q.lua": failsOn})
		now := noon
		for i := range 500 {
			now = now.Add(time.Second)
			got := skipped(s, 0, in(bad, "a"), now)
			if i < defaultSuspendAfter && len(got) > 0 {
				t.Fatalf("chat %q: %v skipped after %d failures", bad, got, i)
			}
			if i >= defaultSuspendAfter && !slices.Equal(got, []string{"p/a", "q/a"}) && len(got) != 0 {
				t.Fatalf("chat %q: %v skipped after %d failures", bad, got, i)
			}
			if got := skipped(s, 0, in(fmt.Sprint("good", i%3), "x"), now); len(got) > 0 {
				t.Fatalf("%v skipped for another chat after %d failures in %q", got, i, bad)
			}
		}
		for _, st := range suspensions.Suspended(s.Pack("p"), noon) {
			if st.Scope == AllChats || st.Chat != bad || (st.Scope == NoChat) != (bad == "") {
				t.Errorf("suspended is %+v", st)
			}
		}
	}
}

// TestRuleThatFailsInManyChatsIsSuspendedForAll, with one probe a minute, which
// a chat that keeps failing does not take from the others.
func TestRuleThatFailsInManyChatsIsSuspendedForAll(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{"p.lua": failsOn})
	for range defaultSuspendAfter { // suspended for this chat first
		skipped(s, 0, in("bad", "a"), noon)
	}
	for i := range defaultSuspendChats - 1 {
		if got := skipped(s, 0, in(fmt.Sprint("c", i), "a"), noon); len(got) > 0 {
			t.Fatalf("%v skipped after failing in %d chats", got, i+1)
		}
	}
	want := []string{"p/a"}
	if got := skipped(s, 0, in("new", "x"), noon); !slices.Equal(got, want) {
		t.Fatalf("skipped %v after failing in %d chats", got, defaultSuspendChats)
	}
	st := suspensions.Suspended(s.Pack("p"), noon)
	if len(st) != 2 || st[0] != (RuleSuspension{Rule: "a", Scope: AllChats, Until: noon.Add(time.Minute), Why: WhyFails}) || st[1].Chat != "bad" {
		t.Errorf("suspended are %+v", st)
	}
	if !suspensions.Suspends(s, "p", noon) {
		t.Error("the pack does not say that a rule of it runs for no chat")
	}
	// The probe fails: another minute.
	now := noon.Add(time.Minute)
	if got := skipped(s, 0, in("bad", "a"), now); !slices.Equal(got, want) {
		t.Error("the chat it keeps failing in was the probe")
	}
	if got := skipped(s, 0, in("c1", "a"), now); len(got) > 0 {
		t.Errorf("skipped %v, want the probe to run", got)
	}
	if got := skipped(s, 0, in("new", "x"), now); !slices.Equal(got, want) {
		t.Errorf("skipped %v after the probe failed", got)
	}
	// The probe succeeds: it runs for all, but where it is suspended itself.
	now = now.Add(time.Minute)
	for _, chat := range []string{"new", "c1", "c2", ""} {
		if got := skipped(s, 0, in(chat, "x"), now); len(got) > 0 {
			t.Errorf("chat %q: skipped %v after a probe succeeded", chat, got)
		}
	}
	if suspensions.Suspends(s, "p", now) {
		t.Error("the pack says that a rule of it runs for no chat")
	}
}

// A chat that is suspended itself probes for all in the end, if no other comes.
func TestChatThatFailedProbesForAllInTheEnd(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Suspend: SuspendPolicy{After: 2}}, map[string]string{"p.lua": failsOn})
	skipped(s, 0, in("one", "a"), noon)
	skipped(s, 0, in("one", "a"), noon)
	skipped(s, 0, in("two", "a"), noon) // now for all
	if got := skipped(s, 0, in("one", "x"), noon.Add(time.Minute)); len(got) == 0 {
		t.Error("it was the probe after a minute")
	}
	if got := skipped(s, 0, in("one", "x"), noon.Add(2*time.Minute)); len(got) != 0 {
		t.Errorf("skipped %v after two minutes, want the probe to run", got)
	}
	if got := suspensions.Suspended(s.Pack("p"), noon); len(got) != 0 {
		t.Errorf("after it succeeded suspended are %+v", got)
	}
}

// TestSuspensionsAreBounded: the memory of failures is.
func TestSuspensionsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHealth(SuspendPolicy{After: 1}.withDefaults())
	for i := range 5 * maxFailingChats {
		chat := fmt.Sprint("c", i)
		h.ended(i%7, chat, true, noon)
		h.ended(i%7, "good", false, noon)
		if h.look(i%7, chat, noon) != suspended {
			t.Fatalf("rule %d runs in chat %s, in which it has just failed", i%7, chat)
		}
		if n := len(h.chats); n > maxFailingChats || n != h.order.Len() || len(h.rules) > 7 {
			t.Fatalf("%d chats in memory, %d in order", n, h.order.Len())
		}
	}
}

// Of events that come when the time is over, one is the probe; the others wait for
// how it ends, in the chat that the rule is suspended for and in all.
func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		policy SuspendPolicy
		fail   []string // chats it has failed in
		chat   string   // of the events that come later
		after  time.Duration
	}{
		"for one chat":                        {SuspendPolicy{After: 1, Chats: 9}, []string{"a"}, "a", time.Minute},
		"for all":                             {SuspendPolicy{After: 9, Chats: 2}, []string{"a", "b"}, "c", time.Minute},
		"for all, by a chat that failed":      {SuspendPolicy{After: 9, Chats: 2}, []string{"a", "b"}, "a", time.Minute},
		"for all, by a chat that is out, too": {SuspendPolicy{After: 1, Chats: 2}, []string{"a", "b"}, "a", 2 * time.Minute},
	} {
		h := newHealth(tc.policy.withDefaults())
		for _, chat := range tc.fail {
			h.ended(0, chat, true, noon)
		}
		now := noon.Add(tc.after)
		if h.look(0, tc.chat, now.Add(-time.Nanosecond)) != suspended {
			t.Errorf("%s: it runs before the time is over", name)
		}
		for i := range 3 {
			if got := h.look(0, tc.chat, now); (got == probes) != (i == 0) {
				t.Errorf("%s: event %d: %d", name, i+1, got)
			}
			h.probed(0, tc.chat, now)
		}
		if h.look(1, tc.chat, now) != runs {
			t.Errorf("%s: another rule does not run", name)
		}
		h.ended(0, tc.chat, false, now)
		for range 3 {
			if h.look(0, tc.chat, now) != runs {
				t.Errorf("%s: the probe succeeded, and it does not run", name)
			}
		}
	}
}

// Zero fields of a policy take the defaults; a rule that is suspended for a chat
// soon is for all chats soon, but never by one chat alone.
func TestSuspendPolicyDefaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ given, want SuspendPolicy }{
		{SuspendPolicy{}, SuspendPolicy{20, 10, time.Minute}},
		{SuspendPolicy{After: 5}, SuspendPolicy{5, 5, time.Minute}},
		{SuspendPolicy{After: 1}, SuspendPolicy{1, 2, time.Minute}},
		{SuspendPolicy{After: -1}, SuspendPolicy{-1, 2, time.Minute}},
		{SuspendPolicy{After: 50, Chats: 1, CoolOff: time.Hour}, SuspendPolicy{50, 1, time.Hour}},
	} {
		if got := tt.given.withDefaults(); got != tt.want {
			t.Errorf("%+v is %+v, want %+v", tt.given, got, tt.want)
		}
	}
}

// A clock that is set back suspends no rule for longer.
func TestSuspensionAfterTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	h := newHealth(SuspendPolicy{After: 1}.withDefaults())
	h.ended(0, "c", true, noon)
	back := noon.Add(-24 * time.Hour)
	if h.look(0, "c", back) != suspended {
		t.Error("it runs immediately")
	}
	h.seen(back)
	if h.look(0, "c", back.Add(time.Minute)) != probes {
		t.Error("it does not run after a minute")
	}
}

// The reference tells the numbers of failures that suspend a rule.
func TestReferenceTellsWhenARuleIsSuspended(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/lua.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| a rule that fails %d times in a row in one chat | is suspended for that chat, alone, for a minute;", defaultSuspendAfter),
		fmt.Sprintf("| a rule that fails in %d chats, and succeeds in none between | is suspended for all chats, alone, for a minute;", defaultSuspendChats),
	} {
		if !strings.Contains(string(text), "\n"+row) {
			t.Errorf("docs/lua.md lacks the row\n%s", row)
		}
	}
}

// ward is what health promises, written down as plainly as can be: failures of
// each rule and chat in a row, and the chats a rule failed in since it last succeeded.
type ward struct {
	inRow map[ruleInChat]int
	chats map[int]map[string]bool
	chat  map[ruleInChat]time.Time
	all   map[int]time.Time
}

// TestHealthProperties runs two packs of two rules on events of several chats
// in any order, and compares what is skipped with the plain model.
func TestHealthProperties(t *testing.T) {
	t.Parallel()
	policy := SuspendPolicy{After: 3, Chats: 3, CoolOff: time.Minute}
	rapid.Check(t, func(rt *rapid.T) {
		s := mustLoad(t, Options{Suspend: policy}, map[string]string{"p.lua": failsOn, "q.lua": failsOn})
		w := ward{map[ruleInChat]int{}, map[int]map[string]bool{}, map[ruleInChat]time.Time{}, map[int]time.Time{}}
		now := noon
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 20, 61}).Draw(rt, "later")) * time.Second)
			chat := rapid.SampledFrom([]string{"c1", "c2", "c3", "c4", ""}).Draw(rt, "chat")
			text := rapid.SampledFrom([]string{"a", "a", "b", "all", "x"}).Draw(rt, "text")
			var want []string
			for rule, name := range []string{"a", "b"} {
				key := ruleInChat{rule, chat}
				mine, chatOut := w.chat[key]
				all, allOut := w.all[rule]
				if chatOut && now.Before(mine) || allOut && (now.Before(all) || chatOut && now.Before(all.Add(time.Minute))) {
					want = append(want, name)
					continue
				}
				if text != name && text != "all" {
					delete(w.inRow, key)
					delete(w.chat, key)
					delete(w.chats, rule)
					delete(w.all, rule)
					continue
				}
				if w.inRow[key]++; w.inRow[key] >= policy.After {
					w.chat[key] = now.Add(time.Minute)
				}
				if w.chats[rule] == nil {
					w.chats[rule] = map[string]bool{}
				}
				if w.chats[rule][chat] = true; len(w.chats[rule]) >= policy.Chats {
					w.all[rule] = now.Add(time.Minute)
				}
			}
			var both []string
			for _, pack := range []string{"p/", "q/"} {
				for _, name := range want {
					both = append(both, pack+name)
				}
			}
			if got := skipped(s, 0, in(chat, text), now); !slices.Equal(got, both) {
				rt.Fatalf("skipped %v, want %v: %+v", got, both, w)
			}
		}
	})
}

// TestHealthOfManyShards: shards run chats of one pack side by side; what fails
// in some never counts for the others.
func TestHealthOfManyShards(t *testing.T) {
	t.Parallel()
	const shards = 4
	s := mustLoad(t, Options{Shards: shards}, map[string]string{"p.lua": failsOn, "q.lua": failsOn})
	var wg sync.WaitGroup
	for shard := range shards {
		wg.Go(func() {
			for i := range 200 {
				skipped(s, shard, in(fmt.Sprint("bad", shard), "a"), noon)
				if got := skipped(s, shard, in(fmt.Sprint("good", shard, i), "x"), noon); len(got) > 0 {
					t.Errorf("%v skipped in a chat in which nothing fails", got)
				}
			}
		})
	}
	wg.Wait()
	for _, pack := range []string{"p", "q"} {
		if got := suspensions.Suspended(s.Pack(pack), noon); len(got) != shards {
			t.Errorf("suspended in %s are %+v, want rule a in one chat of each shard", pack, got)
		}
	}
}
