package chat

import "testing"

func TestConditionIsAskedOfChertWhenTheReadIsDue(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"answered, and it is": `
			msg m1: bot mark_read 30s only_if=answered
			no call
			advance 30s
			asks 1.0
			newest outbound
			calls 1.0
			ok
			1.0 done read`,
		"answered, and it is not": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			newest inbound
			1.0 dropped not_answered
			no call
			next never`,
		"unanswered, and it is": `
			msg m1: bot mark_read only_if=unanswered
			asks 1.0
			newest inbound
			calls 1.0`,
		"unanswered, and it is not": `
			msg m1: bot mark_read only_if=unanswered
			asks 1.0
			newest outbound
			1.0 dropped answered`,
		"Chert cannot say": `
			msg m1: bot mark_read only_if=unanswered; bot mark_read only_if=answered rule=other
			asks 1.0 1.1
			newest unknown
			1.0 dropped answer_unknown
			1.1 dropped answer_unknown
			says 1.0 Chert did not say which message of the chat is the newest
			says 1.1 Chert did not say which message of the chat is the newest`,
		"Chert cannot say, and why, also for those that come due within seconds": `
			msg m1: bot mark_read only_if=unanswered; bot mark_read 4s only_if=answered rule=other
			asks 1.0
			newest unknown no messages
			1.0 dropped answer_unknown
			says 1.0 no messages
			advance 4s
			no call
			1.1 dropped answer_unknown
			says 1.1 no messages`,
		"a read that is dropped for its condition has no error": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			newest inbound
			1.0 dropped not_answered
			says 1.0`,
		"one question decides all due reads": `
			msg m1: bot mark_read only_if=answered; bot mark_read only_if=unanswered rule=other; vip mark_read only_if=answered
			asks 1.0 1.1 1.2
			newest outbound
			1.1 dropped answered
			calls 1.0 1.2`,
		"and those that come due within seconds": `
			msg m1: bot mark_read only_if=answered; bot mark_read 4s only_if=answered rule=other
			asks 1.0
			newest inbound
			1.0 dropped not_answered
			advance 4s
			no call
			1.1 dropped not_answered`,
		"but not those that come due later": `
			msg m1: bot mark_read only_if=answered; bot mark_read 5s only_if=answered rule=other
			asks 1.0
			newest inbound
			advance 5s
			asks 1.1
			newest outbound
			calls 1.1`,
		"a read without a condition needs no question": `
			msg m1: bot mark_read only_if=answered; codes mark_read 1s
			advance 1s
			calls 1.1 1.0
			ok
			1.0 done coalesced`,
		"a condition that does not hold leaves other reads alone": `
			msg m1: bot mark_read only_if=answered; codes mark_read 1h
			asks 1.0
			newest inbound
			1.0 dropped not_answered
			1.1 waiting
			next 1h`,
		"reads that wait go with one whose condition holds": `
			msg m1: bot mark_read only_if=answered; codes mark_read 1h
			asks 1.0
			newest outbound
			calls 1.0 1.1`,
		"an older read does not decide for a message that only a condition wants read": `
			msg m1: codes mark_read 30s
			msg m2: codes mark_read 1h only_if=answered rule=other
			advance 30s
			no call
			next 1h
			advance 59m30s
			asks 2.0
			newest inbound
			2.0 dropped not_answered
			1.0 dropped superseded`,
		"it goes with it, if that holds": `
			msg m1: codes mark_read 30s
			msg m2: codes mark_read 1h only_if=answered rule=other
			advance 1h
			asks 2.0
			newest outbound
			calls 2.0 1.0`,
		"nor does one with another condition": `
			msg m1: codes mark_read 30s only_if=unanswered
			msg m2: codes mark_read 1h only_if=answered rule=other
			advance 30s
			no call`,
		"but if another read of the newer message needs no answer, it goes": `
			msg m1: codes mark_read 30s
			msg m2: codes mark_read 1h only_if=answered rule=other; codes mark_read 2h rule=third
			advance 30s
			calls 1.0 2.0 2.1`,
		"an answer counts from when it was asked for": `
			msg m1: bot mark_read only_if=answered; bot mark_read 7s only_if=answered rule=other
			asks 1.0
			advance 4s
			newest inbound
			1.0 dropped not_answered
			advance 3s
			asks 1.1`,
		"one that came slowly counts for a second": `
			msg m1: bot mark_read only_if=unanswered
			asks 1.0
			advance 9s
			newest inbound
			calls 1.0`,
		"and no longer": `
			msg m1: bot mark_read only_if=unanswered
			asks 1.0
			advance 9s
			newest inbound
			advance 2s
			asks 1.0`,
		"a new message makes the answer stale": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			newest outbound
			msg m2: bot mark_read only_if=answered
			1.0 dropped replaced
			asks 2.0`,
		"also one that comes while Chert is asked": `
			msg m1: bot mark_read only_if=unanswered
			asks 1.0
			msg m2: bot mark_read only_if=unanswered
			1.0 dropped replaced
			newest outbound
			2.0 waiting
			asks 2.0`,
		"a veto that comes while Chert is asked": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			reaction: vip keep_unread
			newest outbound
			1.0 dropped vetoed
			no call`,
		"a message that no rule wants read": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			msg m2:
			newest outbound
			1.0 dropped superseded`,
		"a hold": `
			msg m1: bot mark_read 10s only_if=answered
			advance 10s
			asks 1.0
			operator hold 1h
			newest outbound
			1.0 dropped vetoed`,
		"a postponement": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			outside: night postpone 1h
			newest outbound
			no call
			advance 1h
			asks 1.0`,
		"a read that waits for its turn is asked for once": `
			msg m1: bot mark_read only_if=answered
			advance 1m
			asks 1.0
			newest outbound
			advance 1m59s
			calls 1.0`,
		"an answer from before the clock was set back is asked for again": `
			msg m1: bot mark_read 1m only_if=answered
			advance 61s
			asks 1.0
			newest outbound
			advance -1s
			asks 1.0
			newest inbound
			1.0 dropped not_answered`,
		"a question that fails is asked again": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			retry 1s
			1.0 waiting
			next 1s
			advance 1s
			asks 1.0
			attempt 2
			unknown
			advance 1s
			asks 1.0
			foreign 1m
			advance 1m
			asks 1.0
			newest outbound
			says 1.0
			calls 1.0
			ok
			1.0 done read`,
		"one that Chert refuses is not": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			refused chat not found
			1.0 dropped answer_unknown
			says 1.0 chat not found
			next never`,
		"one that was not sent is": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			unmade
			asks 1.0`,
		"for a day": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			retry 1h
			advance 23h
			asks 1.0
			retry 1h
			1.0 dead retries_exhausted
			next never`,
		"a read that fails is asked for again, and the backoff goes up": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			newest outbound
			calls 1.0
			retry 10s
			advance 10s
			asks 1.0
			newest outbound
			calls 1.0
			attempt 2
			retry 10s
			1.0 waiting`,
		"a crash while Chert is asked": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			crash
			asks 1.0
			newest outbound
			crash
			calls 1.0`,
		"a pack that is switched off": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			off bot
			newest outbound
			1.0 dropped pack_inactive`,
		"a question does not end a chain of delays": `
			msg m1: bot mark_read 30s at_most=1m only_if=answered
			advance 30s
			asks 1.0
			advance 10s
			msg m2: bot mark_read 30s at_most=1m only_if=answered
			2.0 limited 1 1m
			newest outbound
			2.0 limited 1 1m
			next 1m`,
		"the limit of reads concerns reads alone": `
			msg m1: bot mark_read only_if=answered
			asks 1.0
			newest outbound
			spent bot
			no call
			1.0 dropped limit_reached`,
	})
}
