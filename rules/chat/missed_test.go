package chat

import (
	"testing"
	"time"
)

// An event runs again through a pack that had missed it. What was decided since
// by newer events, rules and operators stands.
func TestMissedEventRunsAgain(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a blocked read goes out": `
			failing msg m1: codes mark_read
			missed 1:
			revive 1.0
			1.0 waiting
			calls 1.0`,
		"or is vetoed": `
			failing msg m1: codes mark_read
			missed 1: vip keep_unread
			revive 1.0
			1.0 dropped vetoed`,
		"an operator's hold drops it": `
			failing msg m1: codes mark_read
			operator hold 1m
			1.0 dropped vetoed
			operator release
			missed 1: codes mark_read
			1.1 dropped vetoed
			msg m2: codes mark_read
			calls 2.0`,
		"cancel_read drops it": `
			failing msg m1: codes mark_read
			reaction: settle cancel_read
			1.0 blocked blocked
			reaction: codes cancel_read
			1.0 dropped cancelled
			missed 1:
			revive 1.0
			1.0 dropped cancelled`,
		"cancel_read of the same handler drops it": `
			failing msg m1: codes mark_read; codes cancel_read
			1.0 dropped cancelled`,
		"one that came due in a hold is dropped once the hold is over": `
			operator hold 1m
			failing msg m1: codes mark_read
			advance 2m
			missed 1:
			revive 1.0
			1.0 dropped held`,
		"and when the hold is ended": `
			operator hold 1m
			failing msg m1: codes mark_read; settle mark_read 1h
			operator release
			1.0 dropped held
			missed 1:
			revive 1.1
			next 1h`,
		"what a newer event has cancelled stays cancelled": `
			failing msg m1:
			reaction: codes cancel_read; codes cancel_timer name=x; settle cancel_read
			missed 1: codes mark_read; codes set_timer 1m name=x; codes set_timer 1m name=y; quick mark_read
			1.0 dropped cancelled
			1.2 waiting
			advance 1m
			fires y`,
		"its read is held as it would have been": `
			operator hold 1m
			failing msg m1:
			advance 10s
			operator release
			advance 1m
			missed 1: codes mark_read; settle mark_read 1h
			1.0 dropped held
			1.1 waiting`,
		"its read is held by a hold that has expired since": `
			msg m0: vip hold 1m
			failing msg m1:
			advance 2m
			missed 2: codes mark_read
			2.0 dropped held`,
		"its veto does not hit what newer events asked": `
			failing msg m1: codes mark_read
			msg m2: codes mark_read
			missed 1: vip keep_unread
			2.0 waiting
			revive 1.0
			1.0 dropped vetoed
			calls 2.0`,
		"but what older events asked": `
			msg m1: settle mark_read 1h
			failing reaction:
			1.0 blocked blocked
			revive 1.0
			missed 2: vip keep_unread
			1.0 dropped vetoed`,
		"its read is superseded by a newer message that nobody wants read": `
			failing msg m1:
			msg m2:
			missed 1: codes mark_read
			1.0 dropped superseded`,
		"its read does not take the place of one that the rule asked since": `
			failing msg m1:
			msg m2: codes mark_read 1h
			missed 1: codes mark_read 2h
			1.0 dropped replaced
			2.0 waiting`,
		"its read waits for who may still veto": `
			failing msg m1:
			failing missed 1: codes mark_read
			1.0 blocked blocked`,
		"a delay that is not over continues": `
			failing msg m1: settle mark_read 1h
			advance 20m
			revive 1.0
			next 1h
			advance 40m
			calls 1.0`,
		"one that is over is not made up for": `
			failing msg m1: settle mark_read 1m
			advance 20m
			revive 1.0
			next 20m`,
		"a read that was blocked while its call was out is answered by that call": `
			msg m1: codes mark_read
			calls 1.0
			failing reaction:
			1.0 blocked blocked
			revive 1.0
			1.0 waiting
			ok
			1.0 done read
			no call`,
		"or goes out again if that fails": `
			msg m1: codes mark_read
			calls 1.0
			failing reaction:
			revive 1.0
			retry 1s
			1.0 waiting
			advance 1s
			calls 1.0
			ok
			1.0 done read`,
	})
}

func TestMissedEventHoldsAndReleases(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"its hold counts from now": `
			failing msg m1: codes mark_read
			advance 20m
			missed 1: vip hold 30m
			revive 1.0
			1.0 dropped vetoed
			advance 29m
			msg m2: codes mark_read
			no call
			2.0 dropped held
			advance 1m
			msg m3: codes mark_read
			calls 3.0`,
		"one that would have ended by now only vetoes": `
			failing msg m1: codes mark_read
			advance 20m
			missed 1: vip hold 20m
			revive 1.0
			1.0 dropped vetoed
			msg m2: codes mark_read
			calls 2.0`,
		"it releases what it held itself": `
			failing msg m1: codes mark_read
			missed 1: vip hold 1h
			missed 1: vip release
			msg m2: codes mark_read
			calls 2.0`,
		"and what an earlier event held": `
			msg m1: vip hold 1h
			failing msg m2:
			missed 2: vip release
			msg m3: codes mark_read
			calls 3.0`,
		"not what a newer event held": `
			failing msg m1:
			msg m2: boss hold 1h
			missed 1: vip release
			msg m3: codes mark_read
			no call
			3.0 dropped held`,
		"nor an operator": `
			failing msg m1:
			operator hold 1h
			missed 1: vip release
			msg m2: codes mark_read
			no call
			2.0 dropped held`,
	})
}

func TestMissedEventKeepsLaterDecisions(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a timer that a newer event has set stands": `
			failing msg m1:
			msg m2: vip set_timer 10m name=x
			missed 1: vip set_timer 1m name=x
			advance 1m
			fires nothing
			advance 9m
			fires x`,
		"one that itself has set before is replaced": `
			failing msg m1:
			missed 1: vip set_timer 10m name=x; vip set_timer 1m name=x
			advance 1m
			fires x
			advance 1h
			fires nothing`,
		"one that an older event has set is replaced": `
			msg m1: vip set_timer 10m name=x
			failing msg m2:
			missed 2: vip set_timer 1m name=x
			advance 1m
			fires x`,
		"another pack's or another name is another timer": `
			failing msg m1:
			msg m2: boss set_timer 10m name=x; vip set_timer 10m name=y
			missed 1: vip set_timer 1m name=x
			advance 1m
			fires x`,
		"it cancels no timer that a newer event has set": `
			failing msg m1:
			msg m2: vip set_timer 1m name=x
			missed 1: vip cancel_timer name=x
			advance 1m
			fires x`,
		"nor a read that a newer event has asked for": `
			msg m1: vip mark_read 1h
			failing msg m2: codes mark_read
			revive 1.0
			msg m3: vip mark_read 1h; boss mark_read 1h
			missed 2: vip cancel_read
			3.0 waiting
			3.1 waiting`,
	})
}

func TestCancelDropsBlockedReadsOfPack(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"are dropped": `
			failing msg m1: codes mark_read; other mark_read
			off codes
			1.0 dropped pack_inactive
			1.1 blocked blocked`,
		"those of that version": `
			failing msg m1: codes mark_read
			off codes v2
			1.0 blocked blocked
			off codes v1
			1.0 dropped pack_inactive`,
		"and do not wait again": `
			failing msg m1: codes mark_read
			inactive 1.0
			1.0 dropped pack_inactive
			no call`,
	})
}

// A timer that is not set because a newer event has set it is recorded so.
func TestMissedTimerRecordsWhyItIsNotSet(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	w := Request{Kind: RequestTimer, Pack: "vip", Rule: "r", Name: "x", Due: now.Add(time.Minute)}
	c, out := Step(Chat{ID: "c1"}, Outcomes{Seq: 2, Requests: []Request{w}}, now)
	if len(out.Refused) > 0 {
		t.Fatalf("refused %+v", out.Refused)
	}
	c, out = Step(c, Outcomes{Seq: 1, First: now, Requests: []Request{w}}, now)
	if len(out.Refused) != 1 || out.Refused[0].Why != WhyReplaced || len(c.Timers) != 1 || c.Timers[0].Seq != 2 {
		t.Errorf("refused %+v, the timers are %+v", out.Refused, c.Timers)
	}
}
