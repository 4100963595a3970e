package chat

import "testing"

// An action records what ended it, and when its call was handed out: explain shows both.
func TestActionRecordsWhatEndedIt(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a veto of the same event": `
			msg m1: codes mark_read; vip keep_unread; other hold 1h
			1.0 dropped vetoed
			1.0 ended by vip/vip of 1`,
		"a veto of a later event": `
			msg m1: codes mark_read 30s
			reaction: vip keep_unread
			1.0 dropped vetoed
			1.0 ended by vip/vip of 2`,
		"a veto that a dead read met when it was retried": `
			msg m1: codes mark_read
			calls 1.0
			refused gone
			reaction: vip keep_unread
			dead retry 1.0
			1.0 dropped vetoed
			1.0 ended by vip/vip of 2`,
		"the newest veto that it met": `
			msg m1: codes mark_read
			calls 1.0
			refused gone
			reaction: vip keep_unread
			reaction: other keep_unread
			missed 2: vip keep_unread
			dead retry 1.0
			1.0 dropped vetoed
			1.0 ended by other/other of 3`,
		"a veto of a pack that had missed the event": `
			failing msg m1: codes mark_read
			1.0 blocked blocked
			missed 1: vip keep_unread
			revive 1.0
			1.0 dropped vetoed
			1.0 ended by vip/vip of 1`,
		"an operator's hold, while a pack has missed events": `
			failing msg m1: codes set_timer 30s name=t
			operator hold 10m
			advance 30s
			fires t
			operator release
			fired t: codes mark_read
			2.0 dropped vetoed
			2.0 ended by operator of 0`,
		"a veto while the call was in flight": `
			msg m1: codes mark_read
			calls 1.0
			reaction: vip keep_unread
			advance 2s
			ok
			1.0 done veto_too_late
			1.0 ended by vip/vip of 2
			1.0 called 0s`,
		"a rule's hold": `
			msg m1: vip hold 1h
			msg m2: codes mark_read
			no call
			2.0 dropped held
			2.0 ended by vip/vip of 1`,
		"an operator's hold, on what waits and on what comes": `
			msg m1: codes mark_read 30s
			operator hold 1h
			1.0 dropped vetoed
			1.0 ended by operator of 0
			msg m2: codes mark_read
			no call
			2.0 dropped held
			2.0 ended by operator of 0`,
		"a newer message": `
			msg m1: codes mark_read 30s
			msg m2: vip sees
			1.0 dropped superseded
			1.0 ended by - of 2`,
		"another read of the rule": `
			msg m1: codes mark_read 30s
			msg m2: codes mark_read
			1.0 dropped replaced
			1.0 ended by - of 2`,
		"cancel_read": `
			msg m1: codes mark_read 30s
			reaction: codes cancel_read
			1.0 dropped cancelled
			1.0 ended by codes/codes of 2`,
		"a pack that missed an event": `
			msg m1: codes mark_read 30s
			failing reaction: codes sees
			1.0 blocked blocked
			1.0 ended by - of 2`,
		"the call of another read": `
			msg m1: codes mark_read; other mark_read 30s
			calls 1.0 1.1
			advance 1s
			ok
			1.0 done read
			1.0 ended by - of 0
			1.0 called 0s
			1.1 done coalesced
			1.1 ended by - of 1
			1.1 called 0s`,
		"nothing, once it waits again": `
			msg m1: codes mark_read
			failing reaction: codes sees
			1.0 ended by - of 2
			again 2: codes sees
			revive 1.0
			1.0 waiting
			1.0 ended by - of 0`,
		"the last call of several": `
			msg m1: codes mark_read
			calls 1.0
			retry 10s
			1.0 called 0s
			advance 10s
			calls 1.0
			advance 1s
			ok
			1.0 done read
			1.0 called 10s`,
	})
}
