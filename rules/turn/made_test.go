package turn

import (
	"fmt"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// An event that no timer has made is of no setting of one.
func TestTimerOfReadsItsOwnEventsAlone(t *testing.T) {
	t.Parallel()
	e := Entry{Seq: 5, Arrival: TimerFired("c1", &chat.Timer{Pack: "p", Name: "a.b", Seq: 3, N: 2}, time.Unix(1_700_000_000, 0))}
	if got := timerOf(&e); got != (chat.TimerID{Pack: "p", Name: "a.b", Seq: 3, N: 2}) {
		t.Errorf("read back as %+v", got)
	}
	for _, id := range []string{"", "x", "timer:p/a.b/3.", "timer:p/a.b/3.x"} {
		e.Event.ID = id
		if got := timerOf(&e); got.N != -1 {
			t.Errorf("%q is read as %+v", id, got)
		}
	}
}

func TestScheduledNamesItsRuleAndItsTime(t *testing.T) {
	t.Parallel()
	due := time.Unix(1_700_000_000, 0)
	a := Scheduled(&rules.Rule{Pack: "a", Name: "often", Key: "a/often"}, due, due.Add(time.Hour))
	ev := &a.Event
	if ev.ID != fmt.Sprintf("schedule:a/often/%d", due.Unix()) || ev.Type != event.Schedule || ev.Pack != "a" || !ev.At.Equal(due) || ev.Chat != nil || string(ev.Payload) != `"often"` {
		t.Errorf("its event is %+v", ev)
	}
	if key := a.ShardKey(); key != "schedule:a/often" {
		t.Errorf("its key is %q, want the same for all runs", key)
	}
}
