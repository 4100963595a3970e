package chat

import "testing"

// An operator's retry obeys what has happened since the action died.
func TestDeadActionsAreRetried(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read": `
			msg m1: codes mark_read
			calls 1.0
			refused not found
			1.0 dead refused
			advance 1h
			dead retry 1.0
			1.0 waiting
			next 1h
			calls 1.0
			ok
			1.0 done read
			dead retry 1.0
			1.0 done read`,
		"it waits already": `
			msg m1: codes mark_read
			dead retry 1.0
			calls 1.0
			refused x
			dead retry 1.0
			dead retry 1.0
			calls 1.0`,
		"a vetoed one is not sent": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			reaction: vip keep_unread
			dead retry 1.0
			1.0 dropped vetoed
			no call`,
		"nor one whose chat is held": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			operator hold 1h
			dead retry 1.0
			1.0 dropped held`,
		"or was held": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			advance 1s
			operator hold 1h
			advance 1m
			operator release
			dead retry 1.0
			1.0 dropped held`,
		"an earlier hold does not count": `
			operator hold 1h
			operator release
			advance 1s
			msg m1: codes mark_read
			calls 1.0
			refused x
			dead retry 1.0
			calls 1.0`,
		"a superseded one is not sent": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			msg m2:
			dead retry 1.0
			1.0 dropped superseded`,
		"one with even_if_newer is": `
			msg m1: codes mark_read even_if_newer
			calls 1.0
			refused x
			msg m2:
			dead retry 1.0
			calls 1.0`,
		"what is read already is not read again": `
			msg m1: codes mark_read; settle mark_read 1m
			calls 1.0 1.1
			refused x
			msg m2: codes mark_read
			calls 2.0
			ok
			dead retry 1.0 1.1
			1.0 dropped already_read
			1.1 dropped already_read
			no call`,
		"of two reads by one rule, the newer one is sent": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			msg m2: codes mark_read
			calls 2.0
			refused x
			dead retry 2.0 1.0
			1.0 dropped replaced
			calls 2.0`,
		"the rule has requested another since": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			msg m2: codes mark_read 1m
			dead retry 1.0
			1.0 dropped replaced
			2.0 waiting`,
		"its pack has cancelled its reads since": `
			msg m1: codes mark_read; vip mark_read
			calls 1.0 1.1
			refused x
			reaction: codes cancel_read
			dead retry 1.0 1.1
			1.0 dropped cancelled
			calls 1.1`,
		"it shares the call of a read that waits": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			msg m2: vip mark_read
			dead retry 1.0
			calls 2.0 1.0
			ok
			1.0 done coalesced`,
		"it waits while the chat is postponed": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			reaction: night postpone 2h
			dead retry 1.0
			next 2h
			1.0 waiting`,
		"a pack that can veto has missed something": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			failing reaction: vip sees
			dead retry 1.0
			1.0 blocked blocked
			no call
			revive 1.0
			calls 1.0`,
		"its pack is off": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			inactive 1.0
			1.0 dropped pack_inactive`,
		"for a day again": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 25h
			calls 1.0
			retry 5m
			1.0 dead retries_exhausted
			advance 5m
			dead retry 1.0
			calls 1.0
			attempt 1
			retry 5m
			1.0 waiting
			advance 23h
			calls 1.0
			retry 5m
			1.0 waiting
			advance 1h
			calls 1.0
			retry 5m
			1.0 dead retries_exhausted`,
		"not before a pause that Chert has requested is over": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 25h
			calls 1.0
			retry 5m
			dead retry 1.0
			no call
			advance 5m
			calls 1.0`,
		"a message for a day as well, behind those that wait": `
			msg m1: bot send
			calls 1.0
			refused x
			advance 25h
			msg m2: bot send 1m
			advance 1s
			dead retry 1.0
			next 1501m
			no call
			advance 1m
			calls 2.0
			ok
			calls 1.0
			retry 5m
			1.0 waiting`,
		"a reaction that Chert refused": `
			msg m1: bot react
			calls 1.0
			refused x
			dead retry 1.0
			calls 1.0
			ok
			1.0 done react`,
		"a reaction whose answer was lost, if an operator wants it": `
			msg m1: bot react
			calls 1.0
			unknown
			1.0 dead unknown
			dead retry 1.0
			1.0 dead unknown
			no call
			dead repeat 1.0
			calls 1.0
			crash
			dead repeat 1.0
			1.0 dead unknown
			dead repeat 1.0
			calls 1.0`,
		"a typing indicator never": `
			msg m1: bot typing
			calls 1.0
			refused x
			1.0 dead refused
			dead repeat 1.0
			1.0 dead refused
			no call`,
	})
}

func TestDeadActionsAreDropped(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"only what is dead": `
			msg m1: codes mark_read; bot send; bot typing; vip mark_read 1h
			calls 1.0 1.3
			refused x
			1.3 dead refused
			dead drop 1.0 1.1 1.2 1.3
			1.0 dropped discarded
			1.1 waiting
			1.3 dropped discarded
			calls 1.1
			ok
			dead drop 1.0 1.1
			1.1 done send
			1.0 dropped discarded`,
		"it does not come back": `
			msg m1: bot react
			calls 1.0
			unknown
			dead drop 1.0
			dead repeat 1.0
			1.0 dropped discarded
			no call`,
	})
}

// Each attempt that failed is recorded, for each action that its call served.
func TestFailedAttemptsAreRecorded(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"none of a call that succeeds": `
			msg m1: codes mark_read
			calls 1.0
			ok
			tried 1.0`,
		"those before the one that succeeds": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			calls 1.0
			gateway 1s
			advance 1s
			calls 1.0
			ok
			tried 1.0 1 503, 2 502`,
		"also after a retry by an operator": `
			msg m1: codes mark_read
			calls 1.0
			refused x
			dead retry 1.0
			calls 1.0
			refused x
			tried 1.0 1 404, 2 404`,
		"of reads that share a call": `
			msg m1: codes mark_read; vip mark_read 1h
			calls 1.0 1.1
			retry 1s
			tried 1.0 1 503
			tried 1.1 1 503 of 1.0`,
		"of one that was dropped meanwhile": `
			msg m1: codes mark_read
			calls 1.0
			reaction: vip keep_unread
			1.0 dropped vetoed
			retry 1s
			tried 1.0 1 503`,
		"of one that was blocked meanwhile, and waits again": `
			msg m1: codes mark_read
			calls 1.0
			failing reaction: vip sees
			1.0 blocked blocked
			revive 1.0
			retry 1s
			1.0 waiting
			tried 1.0 1 503`,
		"not of what was not sent, or concerned the account": `
			msg m1: codes mark_read; bot send
			calls 1.0
			unmade
			calls 1.0
			stopped bad signature
			tried 1.0`,
		"of other calls": `
			msg m1: bot send; bot react; bot typing
			calls 1.0
			retry 1s
			advance 1s
			calls 1.0
			ok
			calls 1.1
			unknown
			calls 1.2
			retry 1s
			tried 1.0 1 503
			tried 1.1 1 0
			tried 1.2 1 503`,
		"of what was on the wire at a crash": `
			msg m1: bot react
			calls 1.0
			crash
			no call
			1.0 dead unknown
			tried 1.0 1 0`,
	})
}
