package engine

import (
	"context"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// A timer fires once, as an event of its pack and chat, with its payload. Setting it
// again moves it.
func TestTimerFiresOnceAsAnEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.on("message.received", function(ev)
  chert.set_timer("later", 0.05, { n = ev.text })
end)
chert.on("timer:later", function(ev)
  chert.mark_read(ev.chat.id, { reason = "asked by " .. ev.payload.n })
end)`, "other.lua", `
chert.on("timer:later", function(ev) error("this is another pack's timer") end)`)
	r.message("c1", "e1", "first")
	r.message("c1", "e2", "second")
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	defer r.lock()()
	fired := 0
	for _, h := range r.seen {
		if h.Handled == nil || h.Handled.Entry.Event.Timer() != "later" {
			continue
		}
		fired++
		d := h.Handled.Decision
		if d.Failed {
			t.Errorf("another pack saw the timer: %+v", d.Rules)
		}
		if len(d.Rules) == 1 && d.Rules[0].Asked[0] != "mark_read (asked by second)" {
			t.Errorf("asked %v, want the payload of the second setting", d.Rules[0].Asked)
		}
	}
	if fired == 0 || len(r.calls) != 1 {
		t.Errorf("the timer fired %d times and made %d calls, want 1 call", fired, len(r.calls))
	}
}

// Timers outlive a restart.
func TestTimerOutlivesRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.on("message.received", function(ev) chert.set_timer("t", 0.2) end)
chert.on("timer:t", function(ev) chert.mark_read(ev.chat.id) end)`)
	r.message("c1", "e1", "x")
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	r.stop()
	r.start()
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
}

// A timer of a group is an event of a group, also after a restart.
func TestTimerOfAGroupIsAnEventOfAGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.on("message.received", function(ev) chert.set_timer("t", 0.1) end)
chert.on("timer:t", { is_group = false }, function(ev) chert.mark_read(ev.chat.id) end)
chert.on("timer:t", { is_group = true }, function(ev) log.info("line " .. ev.chat.line) end)`)
	group := message("g1", "e1", "x")
	group.Chat.IsGroup, group.FromRaw = event.True, false
	if _, err := r.eng.Ingest(context.Background(), []turn.Arrival{{Event: group, Received: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	r.stop()
	r.start()
	fired := func() *Handled {
		for _, h := range r.seen {
			if h.Handled != nil && h.Handled.Entry.Event.Timer() == "t" {
				return h.Handled
			}
		}
		return nil
	}
	r.wait("the timer", func() bool { return fired() != nil })
	defer r.lock()()
	if d := fired().Decision; len(d.Rules) != 1 || len(d.Rules[0].Logs) != 1 || d.Rules[0].Logs[0].Msg != "line +14150000000" {
		t.Errorf("the timer of a group met %+v, want the rule of groups alone", d.Rules)
	}
}

// A schedule runs without a chat, and one that was missed is made up once.
func TestScheduleMadeUpOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.every("1h", { name = "hourly" }, function(ev)
  if ev.chat ~= nil then error("a schedule has no chat") end
  chert.mark_read("c1")
end)`)
	// The start of a schedule is stored before a run can be missed.
	hourly := rules.ScheduleID{Pack: "p", Rule: "hourly", Every: "1h"}
	for {
		done, err := r.st.ScheduleDone(context.Background(), hourly, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if !done.IsZero() {
			break
		}
	}
	r.stop()
	late := time.Now().Add(5 * time.Hour)
	r.now = func() time.Time { return late }
	r.start()
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	r.stop()
	events, err := scheduleEvents(r)
	if err != nil || events != 1 {
		t.Errorf("%d runs were made up (%v), want 1", events, err)
	}
}

// Runs that are made up for are handled in order, each once, and know how late
// they are; a timer that an outage delayed knows it, too.
func TestMadeUpRunsAreHandledInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.every("1h", { name = "hourly", missed = "all" }, function(ev)
  log.info("ran", { at = ev.at, age = ev.age })
end)
chert.on("message.received", function(ev) chert.set_timer("t", "1h") end)
chert.rule({ name = "late", on = "timer:t", max_age = "90h", run = function(ev) log.info("fired", { age = ev.age }) end })
chert.rule({ name = "in time", on = "timer:t", max_age = "1h", run = function(ev) log.info("in time") end })`)
	r.message("c1", "e1", "x")
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	for {
		done, err := r.st.ScheduleDone(context.Background(), rules.ScheduleID{Pack: "p", Rule: "hourly", Every: "1h"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if !done.IsZero() {
			break
		}
	}
	r.stop()
	begin := time.Now()
	late := begin.Add(80 * time.Hour).Truncate(time.Hour)
	r.now = func() time.Time { return late }
	r.start()
	var logs []turn.Log
	var fired *turn.Decision
	r.wait("all runs and the timer", func() bool {
		logs, fired = nil, nil
		for _, h := range r.seen {
			switch {
			case h.Handled == nil:
			case h.Handled.Entry.Event.Type == event.Schedule:
				logs = append(logs, h.Handled.Decision.Rules[0].Logs...)
			case h.Handled.Entry.Event.Timer() == "t":
				fired = h.Handled.Decision
			}
		}
		return len(logs) >= 79 && fired != nil && logs[len(logs)-1].Fields["age"] == 0.0
	})
	r.stop()
	for i := 1; i < len(logs); i++ {
		if logs[i].Fields["at"] != logs[i-1].Fields["at"].(float64)+3600 || logs[i].Fields["age"] != logs[i-1].Fields["age"].(float64)-3600 {
			t.Fatalf("run %d was handled after run %d: %v, %v", i, i-1, logs[i].Fields, logs[i-1].Fields)
		}
	}
	if len(fired.Rules) != 2 || len(fired.Rules[0].Logs) != 1 || fired.Rules[1].Skipped != rules.SkippedAge {
		t.Fatalf("the timer's rules are %+v", fired.Rules)
	}
	if age := fired.Rules[0].Logs[0].Fields["age"].(float64); age < 78*3600 || age > 79*3600 {
		t.Errorf("the timer is %v s late, want 78 to 79 hours", age)
	}
}

func scheduleEvents(r *rig) (n int, err error) {
	defer r.lock()()
	for _, h := range r.seen {
		if h.Handled != nil && h.Handled.Entry.Event.Type == event.Schedule {
			n++
		}
	}
	return n, nil
}

// A veto wins over the read of another pack, and a hold drops what comes due.
func TestVetoWinsOverReadOfAnotherPack(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a.lua", readAll, "b.lua", `
chert.on("message.received", { text = "human" }, function(ev) chert.keep_unread(ev.chat.id, { reason = "for a person" }) end)`)
	r.message("c1", "e1", "a human please")
	r.message("c2", "e2", "hello")
	r.wait("the other read", func() bool { return r.ended(chat.WhyRead) == 1 && r.handled("e1") != nil })
	actions, err := r.st.Actions(context.Background(), store.ActionFilter{Chat: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(actions) != 1 || actions[0].Why != chat.WhyVetoed {
		t.Errorf("actions of c1 are %+v, want one that was vetoed", actions)
	}
}

// If a rule that could veto fails, reads of the event are blocked.
func TestVetoFailsClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a.lua", readAll, "b.lua", `
chert.on("message.received", function(ev)
  if ev.text == "bad" then error("oops") end
  if ev.text == "never" then chert.keep_unread(ev.chat.id) end
end)`)
	r.message("c1", "e1", "bad")
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	actions, err := r.st.Actions(context.Background(), store.ActionFilter{Status: []chat.Status{chat.Blocked}})
	if err != nil {
		t.Fatal(err)
	}
	if len(actions) != 1 || actions[0].Chat != "c1" {
		t.Errorf("blocked actions are %+v, want the read of c1", actions)
	}
	defer r.lock()()
	if len(r.calls) != 0 {
		t.Errorf("calls are %+v, want none", r.calls)
	}
}

// State and kv are stored with the outcome and survive a restart, and counters that many
// shards share lose nothing.
func TestStateAndKVSurviveARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
chert.on("message.received", function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  kv.incr("all")
  if ev.text == "tell" then log.info("count", { chat = ev.state.n, all = kv.get("all") }) end
end)`)
	const chats, each = 8, 25
	for i := range each {
		for c := range chats {
			r.message(chatName(c), chatName(c)+"/"+chatName(i), "x")
		}
	}
	r.wait("all", func() bool {
		n := 0
		for _, h := range r.seen {
			if h.Handled != nil {
				n++
			}
		}
		return n == chats*each
	})
	r.stop()
	r.start()
	r.message(chatName(0), "last", "tell")
	r.wait("the last", func() bool { return r.handled("last") != nil })
	defer r.lock()()
	d := r.handled("last").Decision
	if len(d.Rules) != 1 || len(d.Rules[0].Logs) != 1 {
		t.Fatalf("no log: %+v", d.Rules)
	}
	fields := d.Rules[0].Logs[0].Fields
	if fields["chat"] != float64(each+1) || fields["all"] != float64(chats*each+1) {
		t.Errorf("counted %v in the chat and %v in all, want %d and %d", fields["chat"], fields["all"], each+1, chats*each+1)
	}
}
