package chat

import (
	"testing"
	"time"

	"chertd/engine/event"
)

func TestHoldOfASelection(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"reads that waited are dropped, also those due after its end": `
			msg m1: codes mark_read 3h
			msg m2: other mark_read
			select 1 2h +15550100
			sweep
			1.0 dropped held
			1.0 ended by hold 1 of 0
			2.0 dropped held
			no call`,
		"also those requested before the clock was set back": `
			msg m1: codes mark_read 1h
			advance -4h
			select 1 2h +15550100
			sweep
			1.0 dropped held
			1.0 ended by hold 1 of 0
			deselect 1
			advance 5h
			no call`,
		"it is in force before anything has recorded that": `
			msg m1: codes mark_read
			select 1 2h +15550100
			no call
			1.0 dropped held`,
		"reads that come due while it lasts are dropped": `
			select 1 2h +15550100
			msg m1: codes mark_read 30m
			msg m2: slow mark_read 3h even_if_newer
			waits 1.0 hold
			waits 2.0 delay
			advance 30m
			no call
			1.0 dropped held
			2.0 waiting
			advance 150m
			calls 2.0`,
		"even if nobody looked before it ended": `
			select 1 2h +15550100
			msg m1: codes mark_read 30m
			advance 3h
			deselect 1
			no call
			1.0 dropped held`,
		"what is requested after its end goes out, also if the clock is set back": `
			msg m1: other sees
			select 1 2h +15550100
			advance 2h
			deselect 1
			advance -1h
			msg m2: codes mark_read
			calls 2.0`,
		"the release ends it early, and brings nothing back": `
			msg m1: codes mark_read 30m
			select 1 2h +15550100
			sweep
			advance 1h
			deselect 1
			1.0 dropped held
			msg m2: codes mark_read
			calls 2.0`,
		"neither a rule nor an operator's release of the chat ends it": `
			select 1 2h +15550100
			outside: vip release
			operator release
			msg m1: codes mark_read
			no call
			2.0 dropped held`,
		"another line is not held": `
			select 1 2h +15550199
			msg m1: codes mark_read
			calls 1.0`,
		"a chat of which it is not known whether it is a group is held with the groups": `
			select 1 2h
			msg m1: codes mark_read
			no call
			1.0 dropped held`,
		"a call on its way is not recalled, and is reported": `
			msg m1: codes mark_read
			calls 1.0
			select 1 2h +15550100
			sweep
			1.0 dropped held
			ok
			1.0 done veto_too_late`,
		"a dead read does not return while it lasts": `
			msg m1: codes mark_read
			calls 1.0
			refused gone
			1.0 dead refused
			select 1 2h +15550100
			dead retry 1.0
			1.0 dropped held`,
		"a blocked read is dropped": `
			failing msg m1: codes mark_read
			1.0 blocked blocked
			select 1 2h +15550100
			sweep
			1.0 dropped held`,
		"a missed event that runs after its end brings no read back that it would have dropped": `
			select 1 2h +15550100
			failing msg m1: codes mark_read
			advance 3h
			deselect 1
			missed 1: vip mark_read
			1.1 dropped held
			no call`,
		"nor one from before it": `
			failing msg m1: codes mark_read
			select 1 2h +15550100
			sweep
			advance 3h
			deselect 1
			missed 1: vip mark_read
			1.1 dropped held
			no call`,
		"also once the hold is forgotten": `
			failing msg m1: codes mark_read
			select 1 2h +15550100
			sweep
			advance 3h
			deselect 1
			unselect
			missed 1: vip mark_read
			1.1 dropped vetoed`,
		"the longest of several names itself": `
			select 1 1h +15550100
			select 2 2h
			msg m1: codes mark_read 90m
			advance 90m
			no call
			1.0 ended by hold 2 of 0`,
	})
}

func TestCancelledAndHurriedByAnOperator(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a cancelled read does not go out": `
			msg m1: codes mark_read 1h; other mark_read 1h
			cancel 1.0
			1.0 dropped cancelled_by_operator
			1.0 ended by operator of 0
			advance 1h
			calls 1.1`,
		"on its way it is too late": `
			msg m1: codes mark_read
			calls 1.0
			cancel 1.0
			ok
			1.0 done veto_too_late`,
		"on its way it is not repeated": `
			msg m1: codes mark_read
			calls 1.0
			cancel 1.0
			retry 1s
			1.0 dropped cancelled_by_operator
			next never`,
		"what has ended stays as it is": `
			msg m1: codes mark_read
			calls 1.0
			ok
			cancel 1.0
			hurry 1.0
			1.0 done read`,
		"a hurried read waits for no delay": `
			msg m1: codes mark_read 1h
			hurry 1.0
			calls 1.0`,
		"nor for a postponement": `
			msg m1: codes mark_read; night postpone 8h
			waits 1.0 postponed
			hurry 1.0
			waits 1.0 call
			calls 1.0`,
		"which still applies to other reads, if the hurried one is dropped": `
			msg m1: codes mark_read; other mark_read; night postpone 8h
			hurry 1.0
			cancel 1.0
			waits 1.1 postponed
			no call`,
		"nor for another attempt, but after one that fails": `
			msg m1: codes mark_read
			calls 1.0
			retry 10m
			waits 1.0 retry
			hurry 1.0
			calls 1.0
			attempt 2
			retry 10m
			waits 1.0 retry
			no call`,
		"a veto still drops it": `
			msg m1: codes mark_read 1h
			hurry 1.0
			msg m2: vip keep_unread
			1.0 dropped vetoed`,
		"in a chat that is held it stays as it is": `
			operator hold 1h
			msg m1: codes mark_read 2h
			hurry 1.0
			1.0 waiting
			advance 2h
			calls 1.0`,
		"so it does with the hold of a selection": `
			select 1 1h +15550100
			msg m1: codes mark_read 2h
			hurry 1.0
			1.0 waiting
			advance 2h
			calls 1.0`,
		"a timer that is due comes first": `
			msg m1: codes mark_read 1h; codes set_timer 10s name=nap
			advance 10s
			fires nap
			hurry 1.0
			waits 1.0 timer
			no call`,
	})
}

func TestSelectionChoosesInDoubt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		of   Selection
		c    Chat
		want bool
	}{
		{Selection{Line: "+1"}, Chat{Line: "+1"}, true},
		{Selection{Line: "+1"}, Chat{Line: "+2"}, false},
		{Selection{Line: "+1"}, Chat{}, true},
		{Selection{Line: "+1", IsGroup: event.False}, Chat{Line: "+1", IsGroup: event.True}, false},
		{Selection{IsGroup: event.False}, Chat{Line: "+1", IsGroup: event.False}, true},
		{Selection{IsGroup: event.True}, Chat{Line: "+1"}, true},
	} {
		if got := test.of.Has(&test.c); got != test.want {
			t.Errorf("%s chooses %+v: %t", test.of, test.c, got)
		}
	}
}

func TestHeldNamesTheHoldThatEndsLast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := Chat{Line: "+1", Hold: Hold{Until: now.Add(time.Hour), By: "vip/hold"}}
	longer := SelectionHold{ID: 3, Of: Selection{Line: "+1"}, Until: now.Add(2 * time.Hour)}
	ended := SelectionHold{ID: 4, Of: Selection{Line: "+1"}, Until: now.Add(3 * time.Hour), Through: 1}
	if h, ok := c.Held(now, ended); !ok || h.By != "vip/hold" {
		t.Errorf("%+v, %t", h, ok)
	}
	if h, ok := c.Held(now, longer, ended); !ok || h.By != "hold 3" || !h.Until.Equal(longer.Until) {
		t.Errorf("%+v, %t", h, ok)
	}
	if _, ok := c.Held(now.Add(2*time.Hour), longer, ended); ok {
		t.Error("held after both have ended")
	}
	for name, want := range map[string]int64{"hold 3": 3, "hold 3x": 0, "hold 03": 0, "operator": 0, "vip/hold 3": 0} {
		if id, ok := ParseHoldName(name); ok != (want != 0) || ok && id != want {
			t.Errorf("%q is hold %d, %t", name, id, ok)
		}
	}
}
