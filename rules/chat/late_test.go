package chat

import "testing"

// A message that arrives after a newer one, or comes again after it, requests reads for itself: they
// mark the newer message as read only if a rule wants that one read, too.
func TestLateReadNeedsAReadOfTheNewestMessage(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"no rule requested one": `
			msg m2 sent=2m: codes sees
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded
			no call`,
		"no rule requested one, and the late read has a delay": `
			msg m2 sent=2m: codes sees
			msg m1 sent=1m: codes mark_read 1h
			2.0 dropped superseded`,
		"it was cancelled": `
			msg m2 sent=2m: codes mark_read 1h
			reaction: codes cancel_read
			1.0 dropped cancelled
			msg m1 sent=1m: codes mark_read
			3.0 dropped superseded
			no call`,
		"the newest message itself cancels": `
			msg m2 sent=2m: codes cancel_read
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded
			no call`,
		"it is cancelled while the late read waits": `
			msg m2 sent=2m: vip mark_read 1h; codes sees
			msg m1 sent=1m: codes mark_read 30m
			2.0 waiting
			reaction: vip cancel_read
			1.0 dropped cancelled
			2.0 dropped superseded`,
		"an operator has held the chat since": `
			msg m2 sent=2m: codes mark_read 10s; vip sees
			operator hold 1m
			operator release
			1.0 dropped vetoed
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded
			no call`,
		"it ended as held": `
			outside: vip hold 1m
			msg m2 sent=2m: codes mark_read 10s
			advance 2m
			no call
			2.0 dropped held
			msg m1 sent=1m: codes mark_read
			3.0 dropped superseded
			no call`,
		"Chert refused it": `
			msg m2 sent=2m: codes mark_read
			calls 1.0
			refused no such chat
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded
			no call`,
		"its pack went off": `
			msg m2 sent=2m: vip mark_read 1h; codes sees
			off vip
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded`,
		"it has no call left": `
			msg m2 sent=2m: vip mark_read; codes sees
			msg m1 sent=1m: codes mark_read
			spent vip
			no call
			1.0 dropped limit_reached
			2.0 dropped superseded`,
		"it was vetoed": `
			msg m2 sent=2m: codes mark_read; vip keep_unread
			msg m1 sent=1m: codes mark_read; codes mark_read even_if_newer rule=sure
			2.0 dropped vetoed
			2.1 dropped vetoed
			no call`,
		"it is shadowed": `
			msg m2 sent=2m: vip mark_read shadow; codes sees
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded`,
		"a crash forgets none of it": `
			msg m2 sent=2m: vip mark_read 1h; codes sees
			msg m1 sent=1m: codes mark_read 30m
			crash
			reaction: vip cancel_read
			2.0 dropped superseded`,
		"a late read does not protect a late read": `
			msg m3 sent=3m: codes sees; vip sees
			msg m1 sent=1m: codes mark_read 1h even_if_newer
			msg m2 sent=2m: vip mark_read 1h
			2.0 waiting
			3.0 dropped superseded`,
		"the message comes again": `
			msg m1: codes sees
			msg m2: codes sees
			msg m1: codes mark_read
			3.0 dropped superseded
			no call`,
		"the message comes again, as a lead_reply": `
			msg m1: codes sees
			msg m2: codes sees
			legacy m1: codes mark_read
			3.0 dropped superseded
			no call`,
		"an older message comes as a lead_reply alone": `
			msg m2 sent=2m: codes sees
			legacy m1 sent=1m: codes mark_read
			2.0 dropped superseded
			no call`,
		"a lead_reply from before the newest message comes again": `
			legacy m1: codes sees
			msg m2: codes sees
			legacy m1: codes mark_read
			3.0 dropped superseded
			no call`,
		"a pack had missed the late message": `
			msg m2 sent=2m: codes sees
			msg m1 sent=1m:
			missed 2: codes mark_read
			2.0 dropped superseded
			no call`,
		"a retry of the late read alone": `
			msg m2 sent=2m: vip mark_read; codes sees
			msg m1 sent=1m: codes mark_read
			calls 1.0 2.0
			refused no such chat
			dead retry 2.0
			2.0 dropped superseded`,
	})
}

// A late read goes out where the messages that came before it are wanted read, or are read.
func TestLateReadGoesOut(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"with a read of the newest message": `
			msg m2 sent=2m: vip mark_read 1h; codes sees
			msg m1 sent=1m: codes mark_read
			calls 2.0 1.0
			ok
			1.0 done coalesced
			2.0 done read`,
		"not before it, if its pack has not seen the newest message": `
			msg m2 sent=2m: vip mark_read 1h
			msg m1 sent=1m: codes mark_read
			no call
			advance 1h
			calls 1.0 2.0`,
		"after the newest message is read": `
			msg m2 sent=2m: codes mark_read
			calls 1.0
			ok
			msg m1 sent=1m: codes mark_read
			calls 2.0
			ok
			2.0 done read`,
		"after the newest message is read by another pack": `
			msg m2 sent=2m: vip mark_read
			calls 1.0
			ok
			msg m1 sent=1m: codes mark_read
			calls 2.0`,
		"after a call for the newest message that was in flight": `
			msg m2 sent=2m: vip mark_read; codes sees
			calls 1.0
			msg m1 sent=1m: codes mark_read
			no call
			ok
			1.0 done read
			calls 2.0
			ok
			2.0 done read`,
		"with even_if_newer": `
			msg m2 sent=2m: codes sees
			msg m1 sent=1m: codes mark_read even_if_newer
			calls 2.0`,
		"with a timer's read": `
			msg m2 sent=2m: codes sees; codes set_timer 1m name=x
			advance 1m
			fires x
			fired x: codes mark_read 1h
			msg m1 sent=1m: vip mark_read
			2.0 waiting`,
		"in place of the same rule's read of the newest message": `
			msg m2 sent=2m: codes mark_read 1h
			msg m1 sent=1m: codes mark_read 2h
			1.0 dropped replaced
			2.0 waiting
			advance 2h
			calls 2.0`,
		"in place of one in flight": `
			msg m2 sent=2m: codes mark_read
			calls 1.0
			msg m1 sent=1m: codes mark_read
			ok
			1.0 done read
			calls 2.0`,
		"in place of one in flight that fails": `
			msg m2 sent=2m: codes mark_read
			calls 1.0
			msg m1 sent=1m: codes mark_read
			retry 2s
			2.0 waiting
			advance 2s
			calls 2.0`,
		"after a veto of an older message": `
			msg m1 sent=1m: vip keep_unread; codes sees
			msg m3 sent=3m: vip mark_read 1h; codes sees
			msg m2 sent=2m: codes mark_read
			calls 3.0 2.0`,
		"if both are retried": `
			msg m2 sent=2m: vip mark_read; codes sees
			msg m1 sent=1m: codes mark_read
			calls 1.0 2.0
			refused no such chat
			dead retry 1.0 2.0
			calls 1.0 2.0`,
		"once both are not blocked any more": `
			failing msg m2 sent=2m: codes mark_read
			msg m1 sent=1m: codes mark_read
			1.0 blocked blocked
			2.0 blocked blocked
			revive 1.0 2.0
			2.0 waiting
			calls 2.0`,
	})
}

// What a message.received says about a message that a lead_reply brought before does not make a late
// read cover it.
func TestLateReadDoesNotCoverALeadReplysMessage(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"of the pack that saw the lead_reply": `
			msg m2 sent=2m: vip mark_read 1h; codes sees
			legacy m3 sent=3m: codes sees
			msg m1 sent=1m: codes mark_read 30m
			3.0 waiting
			msg m3 sent=3m: codes sees
			1.0 dropped superseded
			3.0 dropped superseded`,
		"the lead_reply's own read covers it": `
			msg m2 sent=2m: codes sees
			legacy m3 sent=3m: codes mark_read 1h
			msg m3 sent=3m: codes sees
			2.0 waiting`,
	})
}
