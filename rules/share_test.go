package rules

import (
	"fmt"
	"testing"
	"time"
)

// heavy is a pack whose handlers stay within their budget, and take most of it.
const heavy = `
chert.rule({ name = "heavy", on = "message.received", run = function(ev)
  for i = 1, 150000 do local x = i end
end })
chert.rule({ name = "light", on = "message.received", run = function(ev) log.info("ran") end })`

// A pack that takes more than its share is suspended as a whole, says so once,
// and may run again after a while.
func TestShareOfThePack(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{"heavy.lua": heavy})
	now := time.Unix(1_800_000_000, 0)
	run := func() (ran, aside int, why string) {
		for _, o := range set.Run(0, Input{Event: message("hello"), Now: now}).Outcomes {
			switch {
			case o.Failure != nil:
				t.Fatalf("%s failed: %v", o.Rule, o.Failure)
			case o.Skipped == SkippedSuspended:
				aside++
			default:
				ran++
			}
			if o.SuspendedWhy != "" {
				why = o.SuspendedWhy
			}
		}
		return ran, aside, why
	}
	events, told := 0, ""
	for ; told == "" && events < 100; events++ {
		_, _, told = run()
	}
	if events < 3 || events > 20 || told == "" {
		t.Fatalf("suspended after %d events, because %q", events, told)
	}
	if ran, aside, why := run(); ran != 0 || aside != 1 || why != "" {
		t.Errorf("after that %d rules ran, %d were aside, and it was told again: %q", ran, aside, why)
	}
	now = now.Add(defaultSuspendFor)
	if ran, aside, _ := run(); ran != 2 || aside != 0 {
		t.Errorf("after the cool-off %d rules ran and %d were aside, want both to run", ran, aside)
	}
}

// A share is used up by what goes beyond what is free, comes back with time, and
// never to more than its burst; one that is suspended starts anew after that.
func TestShareIsUsedUpAndComesBack(t *testing.T) {
	t.Parallel()
	now := noon
	type act struct {
		wait  time.Duration
		steps int64
		out   bool // suspended by it
	}
	for name, acts := range map[string][]act{
		"what is free":             {{0, shareFree, false}, {0, shareFree, false}, {0, shareFree + shareBurst - 1, false}, {0, shareFree, false}, {0, shareFree + 1, true}},
		"all at once":              {{0, shareFree + shareBurst, true}},
		"it comes back":            {{0, shareFree + shareBurst - 1, false}, {100 * time.Millisecond, shareFree + shareRate/10, false}, {0, shareFree + 1, true}},
		"not to more than burst":   {{0, shareFree + 1, false}, {time.Hour, shareFree + shareBurst - 1, false}, {0, shareFree + 1, true}},
		"a clock that is set back": {{0, shareFree + shareBurst - 1, false}, {-time.Hour, shareFree + 1, true}},
		"anew after the cool-off":  {{0, shareFree + shareBurst, true}, {time.Minute, shareFree + shareBurst - 1, false}, {0, shareFree + 1, true}},
		"what still runs while it is suspended says nothing": {{0, shareFree + shareBurst, true}, {time.Second, shareFree + 2*shareBurst, false}},
	} {
		s := &share{}
		at := now
		for i, a := range acts {
			at = at.Add(a.wait)
			until, why := s.spend(a.steps, time.Minute, at)
			if (why != "") != a.out || a.out != until.Equal(at.Add(time.Minute)) {
				t.Errorf("%s, %d: suspended until %v because %q", name, i+1, until, why)
			}
			if a.out {
				if !s.aside().Equal(until) || s.allows(at) || s.allows(until.Add(-1)) {
					t.Errorf("%s, %d: it may run before %v", name, i+1, until)
				}
			}
		}
	}
	s := &share{}
	until, _ := s.spend(shareFree+shareBurst, time.Minute, now)
	if !s.allows(until) || !s.aside().IsZero() {
		t.Error("it is suspended once its time is over")
	}
	var endless *share
	if _, why := endless.spend(1<<60, time.Minute, now); why != "" || !endless.allows(now) || !endless.aside().IsZero() {
		t.Error("a share without end has one")
	}
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
		r := set.Run(0, Input{Event: message(fmt.Sprint("some twenty words or so make up an ordinary message of a person who writes about the weather ", i)), Now: now})
		if o := r.Outcomes[0]; o.Skipped != "" || o.SuspendedWhy != "" {
			t.Fatalf("event %d: skipped %q, because %q", i, o.Skipped, o.SuspendedWhy)
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
		if r := set.Run(0, Input{Event: message("hello"), Now: now}); len(r.Outcomes) != 51 {
			t.Fatalf("%d outcomes, want each failure recorded", len(r.Outcomes))
		}
	}
	r := set.Run(0, Input{Event: message("hello"), Now: now})
	if len(r.Outcomes) != recordedSuspended+1 {
		t.Errorf("%d outcomes, want %d that are suspended and the other pack's", len(r.Outcomes), recordedSuspended)
	}
	if last := r.Outcomes[len(r.Outcomes)-1]; last.Pack != "zz" || len(last.Wishes) != 1 {
		t.Errorf("the last outcome is %+v, want the other pack's read", last)
	}
}
