package chat

import (
	"testing"
	"time"
)

// TestPostpone tells how a postponement meets what else may happen to a chat.
func TestPostpone(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read asked before it in the event waits": `
			msg m1: codes mark_read; night postpone 10h
			postponed 10h night/night
			next 10h
			no call
			advance 10h
			calls 1.0
			ok
			1.0 done read
			postponed never`,
		"a read asked after it in the event waits": `
			msg m1: night postpone 10h; codes mark_read
			next 10h`,
		"a read that is due later goes when it is due": `
			msg m1: night postpone 10h; settle mark_read 12h
			next 12h`,
		"of several the latest counts, in whatever order": `
			msg m1: codes mark_read; night postpone 10h; calm postpone 12h; late postpone 1h
			postponed 12h calm/calm
			next 12h`,
		"the same rule does not shorten it": `
			msg m1: codes mark_read; night postpone 10h
			msg m2: codes mark_read; night postpone 1h
			next 10h`,
		"an earlier read waits as well, for its call would read the postponed message": `
			msg m1: settle mark_read 1h
			msg m2: settle sees; codes mark_read; night postpone 10h
			advance 1h
			no call
			advance 9h
			calls 2.0 1.0`,
		"so does one with even_if_newer": `
			msg m1: settle mark_read 1h even_if_newer
			msg m2: night postpone 10h
			advance 1h
			no call
			next 10h`,
		"a later read waits though its event was not postponed": `
			msg m1: night postpone 10h
			msg m2: codes mark_read
			no call
			next 10h`,
		"a read by a timer waits": `
			msg m1: esc set_timer 1h name=x; night postpone 10h
			advance 1h
			fires x
			fired x: esc mark_read
			no call
			next 10h`,
		"a timer's handler may postpone": `
			msg m1: esc set_timer 1h name=x
			advance 1h
			fires x
			fired x: esc postpone 1h
			msg m2: codes mark_read
			next 2h`,
		"a veto drops what is postponed": `
			msg m1: codes mark_read; night postpone 10h
			msg m2: vip keep_unread
			1.0 dropped vetoed
			next never`,
		"a veto in the same event wins": `
			msg m1: codes mark_read; night postpone 10h; vip keep_unread
			1.0 dropped vetoed`,
		"a hold drops what is postponed": `
			msg m1: codes mark_read; night postpone 10h
			operator hold 1h
			1.0 dropped vetoed`,
		"a read that comes due in a hold is dropped, though it would go out after it": `
			msg m1: vip hold 2h; night postpone 10h
			msg m2: codes mark_read 1h
			advance 3h
			no call
			2.0 dropped held`,
		"release does not end it": `
			msg m1: codes mark_read; night postpone 10h
			msg m2: codes mark_read; vip release
			operator release
			next 10h`,
		"cancel_read drops the read and leaves it": `
			msg m1: codes mark_read; night postpone 10h
			outside: codes cancel_read
			1.0 dropped cancelled
			msg m2: codes mark_read
			next 10h`,
		"a delay that starts again is postponed still": `
			msg m1: settle mark_read 30s; night postpone 10h
			msg m2: settle mark_read 30s
			1.0 dropped replaced
			next 10h`,
		"a newer message that nobody asks for supersedes it": `
			msg m1: codes mark_read; night postpone 10h
			msg m2: other sees
			1.0 dropped superseded
			advance 10h
			no call`,
		"where nothing is new a read is dropped when it is due": `
			msg m1: codes mark_read
			calls 1.0
			ok
			outside: night postpone 10h; esc mark_read even_if_newer
			no call
			2.0 dropped already_read`,
		"shadow records it": `
			msg m1: codes mark_read; night postpone 10h shadow
			postponed never
			calls 1.0`,
		"it is never refused for depth": `
			msg m1: codes mark_read 1s
			outside depth=6: night postpone 10h
			next 10h`,
		"a pack that goes off ends what it has postponed": `
			msg m1: codes mark_read; night postpone 10h; calm postpone 2h
			off night
			postponed 2h calm/calm
			off calm
			postponed never
			calls 1.0`,
		"a version that goes leaves it": `
			msg m1: codes mark_read; night postpone 2h v=v1
			msg m2: codes mark_read; night postpone 10h v=v2
			off night v2
			postponed 10h night/night
			off night
			postponed never`,
		"a pack that goes off while reads of it are postponed drops them": `
			msg m1: codes mark_read; night postpone 10h
			off codes
			1.0 dropped pack_inactive
			postponed 10h night/night`,
		"a rule that an edit deletes leaves it": `
			msg m1: codes mark_read; night postpone 10h
			rules night evening
			next 10h`,
		"an event that runs again postpones a read that is blocked": `
			failing holding msg m1: codes mark_read
			1.0 blocked blocked
			missed 1: night postpone 10h
			revive 1.0
			1.0 waiting
			next 10h`,
		"an event that runs again and is read postpones nothing": `
			msg m1: codes mark_read
			calls 1.0
			ok
			missed 1: night postpone 10h
			msg m2: codes mark_read
			calls 2.0`,
		"what is on the wire goes through": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: codes mark_read rule=b; night postpone 10h
			ok
			1.0 done read
			2.0 waiting
			next 10h`,
		"a call that failed is not made again before it is over": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: codes mark_read rule=b; night postpone 10h
			retry 2s
			next 10h`,
		"one of an event that is read by a call in flight does not make a later event wait longer": `
			msg m1: codes mark_read
			calls 1.0
			missed 1: night postpone 10h
			msg m2: codes mark_read rule=b; night postpone 2h
			ok
			next 2h`,
		"a failing call is tried for a day from its end": `
			msg m1: codes mark_read
			calls 1.0
			retry 2s
			msg m2: codes mark_read; night postpone 72h
			advance 72h
			calls 2.0
			retry 2s
			2.0 waiting`,
		"a dead read that is retried waits": `
			msg m1: codes mark_read
			calls 1.0
			refused no
			odd: night postpone 10h
			revive 1.0
			next 10h`,
		"other actions do not wait": `
			msg m1: bot mark_read; bot typing; night postpone 10h
			calls 1.1
			ok
			next 10h`,
		"it is kept across a restart": `
			msg m1: codes mark_read; night postpone 10h
			crash
			postponed 10h night/night
			no call
			advance 10h
			calls 1.0`,
		"its pack's limit is for the call, when it is made": `
			msg m1: codes mark_read; night postpone 10h
			spent codes
			advance 10h
			no call
			1.0 dropped limit_reached`,
		"no time is none": `
			msg m1: codes mark_read; night postpone 0s
			calls 1.0`,
	})
}

// However often a rule postpones, a chat keeps few postponements, and the one that
// ends last counts.
func TestPostponementsAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := Chat{ID: "c1"}
	for i := range 1000 {
		c, _ = Step(c, Outcomes{Seq: int64(i) + 1, New: true, Message: true, Requests: []Request{
			{Kind: RequestPostpone, Pack: "night", Rule: "r", Version: "v", Due: now.Add(time.Duration(5000-i) * time.Second)},
			{Kind: RequestPostpone, Pack: "calm", Rule: "r", Version: "v", Due: now.Add(time.Duration(i) * time.Second)},
		}}, now)
	}
	if n := len(c.Postponed); n > maxPostponements {
		t.Errorf("%d are kept", n)
	}
	if got, want := c.PostponedUntil(), now.Add(5000*time.Second); !got.Equal(want) {
		t.Errorf("reads wait until %s, want %s", got, want)
	}
}
