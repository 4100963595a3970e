package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The stories follow the bullets of the contract's "Doing".

func TestReads(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read is called for and done": `
			msg m1: codes mark_read
			1.0 waiting
			calls 1.0
			ok
			1.0 done read
			no call`,
		"a delayed read waits": `
			msg m1: settle mark_read 30s
			next 30s
			no call
			advance 29s
			no call
			advance 1s
			calls 1.0
			ok
			next never`,
		"the second read of a rule replaces the first, so the delay starts again": `
			msg m1: settle mark_read 30s
			advance 20s
			msg m2: settle mark_read 30s
			1.0 dropped replaced
			advance 20s
			no call
			advance 10s
			calls 2.0`,
		"of another rule it does not": `
			msg m1: settle mark_read 30s; codes mark_read 20s
			1.0 waiting
			1.1 waiting`,
		"twice in one handler: the earliest due counts": `
			msg m1: settle mark_read 30s; settle mark_read 10s
			1.0 dropped replaced
			next 10s`,
		"in whatever order": `
			msg m1: settle mark_read 10s; settle mark_read 30s
			1.1 dropped replaced
			next 10s`,
		"of two handlers the later one, even if it is due later": `
			msg m1: settle mark_read 10s
			reaction: settle mark_read 30s
			1.0 dropped replaced
			next 30s`,
		"also if the second runs on the same event again": `
			msg m1: settle mark_read 10s
			again 1: settle mark_read 30s
			1.0 dropped replaced
			1.1 waiting`,
		"of two rules of a pack neither replaces the other": `
			msg m1: settle mark_read 30s rule=a; settle mark_read 10s rule=b
			1.0 waiting
			1.1 waiting`,
		"reads coalesce to the earliest due, and one call serves all": `
			msg m1: settle mark_read 30s; slow mark_read 1h; codes mark_read 10s
			advance 10s
			calls 1.2 1.0 1.1
			ok
			1.2 done read
			1.0 done coalesced
			1.1 done coalesced
			next never`,
		"of those asked at one moment the earlier event's is first": `
			msg m1:
			msg m2: codes mark_read
			again 1: settle mark_read even_if_newer
			calls 1.0 2.0`,
		"one call at a time": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: other mark_read
			no call
			ok
			2.0 waiting
			calls 2.0`,
		"in shadow a read is recorded and has no effect": `
			msg m1: codes mark_read 30s
			msg m2: settle mark_read; new keep_unread shadow; new mark_read shadow
			2.1 shadow shadow
			1.0 waiting
			calls 2.0 1.0`,
	})
}

func TestVetoWinsOverAnyRead(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"after the read": `
			msg m1: codes mark_read; vip keep_unread
			1.0 dropped vetoed
			no call`,
		"before the read": `
			msg m1: vip keep_unread; codes mark_read even_if_newer
			1.0 dropped vetoed
			no call`,
		"over waiting reads of every pack": `
			msg m1: codes mark_read 1h even_if_newer; settle mark_read 30s
			reaction: vip keep_unread
			1.0 dropped vetoed
			1.1 dropped vetoed
			next never`,
		"a later event may ask again": `
			msg m1: vip keep_unread
			msg m2: codes mark_read
			calls 2.0`,
		"too late for a call in flight": `
			msg m1: codes mark_read; settle mark_read 30s
			calls 1.0 1.1
			msg m2: vip keep_unread
			1.0 dropped vetoed
			ok
			1.0 done veto_too_late
			1.1 done veto_too_late`,
		"and a call in flight that fails is not tried again": `
			msg m1: codes mark_read
			calls 1.0
			reaction: vip keep_unread
			retry 1s
			1.0 dropped vetoed
			advance 1h
			no call`,
		"nor one that was never made": `
			msg m1: codes mark_read
			calls 1.0
			reaction: vip keep_unread
			unmade
			1.0 dropped vetoed
			no call`,
		"over a read between two attempts": `
			msg m1: codes mark_read
			calls 1.0
			retry 1m
			reaction: vip keep_unread
			1.0 dropped vetoed
			next never`,
		"over a dead read that is revived": `
			msg m1: codes mark_read even_if_newer
			calls 1.0
			refused not found
			1.0 dead refused
			msg m2: vip keep_unread
			revive 1.0
			1.0 dropped vetoed`,
		"however deep": `
			msg m1: codes mark_read 1h
			outside depth=9: vip keep_unread
			1.0 dropped vetoed`,
	})
}

func TestFailedPackThatCanVetoBlocksReads(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"reads of the event are blocked": `
			failing msg m1: codes mark_read
			1.0 blocked blocked
			no call`,
		"so are those that the veto would have hit": `
			msg m1: settle mark_read 30s
			failing reaction:
			1.0 blocked blocked
			next never`,
		"what is superseded is superseded": `
			msg m1: settle mark_read 30s; codes mark_read 30s even_if_newer
			failing msg m2:
			1.0 dropped superseded
			1.1 blocked blocked`,
		"a read that was vetoed nevertheless is recorded as vetoed": `
			failing msg m1: codes mark_read; vip keep_unread
			1.0 dropped vetoed`,
		"run again without a veto, they go out": `
			failing msg m1: codes mark_read
			again 1:
			revive 1.0
			1.0 waiting
			calls 1.0
			ok
			1.0 done read`,
		"run again with a veto, they don't": `
			failing msg m1: codes mark_read
			again 1: vip keep_unread
			revive 1.0
			1.0 dropped vetoed`,
		"nor after a newer message that nobody asked to read": `
			failing msg m1: codes mark_read; sure mark_read even_if_newer
			msg m2:
			revive 1.0 1.1
			1.0 dropped superseded
			1.1 waiting`,
		"nor if the rule has asked again": `
			failing msg m1: codes mark_read
			msg m2: codes mark_read 30s
			revive 1.0
			1.0 dropped replaced
			2.0 waiting`,
		"of several of one rule the last goes out": `
			failing msg m1: codes mark_read
			failing msg m2: codes mark_read
			revive 2.0 1.0
			1.0 dropped replaced
			calls 2.0`,
		"a read asked by a handler run again is judged as of its event": `
			msg m1:
			msg m2:
			again 1: codes mark_read; sure mark_read even_if_newer
			1.0 dropped superseded
			1.1 waiting
			again 2: late mark_read
			2.0 waiting`,
		"an event that runs again does not count as a newer message": `
			msg m1:
			msg m2: codes mark_read 30s
			again 1:
			2.0 waiting`,
		"its actions get places of their own": `
			msg m1: codes mark_read 1h; codes set_timer 1m name=x; codes send
			1.2 waiting
			again 1: vip send
			1.3 waiting
			1.2 waiting`,
		"failing once more block nothing that was asked since": `
			failing msg m1: codes mark_read
			msg m2: codes mark_read 30s
			failing again 1: settle mark_read
			2.0 waiting
			1.1 blocked blocked`,
		"a call that was out did it all the same": `
			msg m1: codes mark_read
			calls 1.0
			failing reaction:
			1.0 blocked blocked
			ok
			1.0 done veto_too_late`,
	})
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"by a newer message for which no rule asks": `
			msg m1: settle mark_read 30s
			msg m2:
			1.0 dropped superseded`,
		"not if a rule asks, be it another": `
			msg m1: settle mark_read 30s
			msg m2: codes mark_read 1h
			1.0 waiting`,
		"a rule in shadow does not count": `
			msg m1: settle mark_read 30s
			msg m2: codes mark_read shadow
			1.0 dropped superseded`,
		"not by a read that the same handler cancels": `
			msg m1: settle mark_read 30s
			msg m2: codes mark_read 1h; codes cancel_read
			2.0 dropped cancelled
			1.0 dropped superseded
			next never`,
		"nor by one that is cancelled later": `
			msg m1: settle mark_read 30s; sure mark_read 30s even_if_newer
			msg m2: codes mark_read 1h
			1.0 waiting
			reaction: codes cancel_read
			2.0 dropped cancelled
			1.0 dropped superseded
			1.1 waiting`,
		"nor by one whose pack goes off": `
			msg m1: settle mark_read 1h
			msg m2: codes mark_read 1h
			off codes
			2.0 dropped pack_inactive
			1.0 dropped superseded`,
		"nor by one that comes due while the chat is held": `
			operator hold 10m
			msg m1: settle mark_read 1h
			msg m2: codes mark_read 1m
			advance 1m
			no call
			2.0 dropped held
			1.0 dropped superseded`,
		"nor by one that Chert refused": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: codes mark_read
			outside: settle mark_read 1h
			3.0 waiting
			refused gone
			calls 2.0 3.0
			refused gone
			2.0 dead refused
			next never`,
		"nor by one whose pack has no call left": `
			msg m1: settle mark_read
			msg m2: codes mark_read 1h
			spent codes
			no call
			2.0 dropped limit_reached
			1.0 dropped superseded`,
		"a message that a call has read supersedes nothing": `
			msg m1: codes mark_read
			calls 1.0
			outside: other mark_read 1h
			odd:
			ok
			2.0 waiting
			advance 1h
			calls 2.0`,
		"one that was done has read what came before": `
			msg m1: settle mark_read 1h
			msg m2: codes mark_read
			calls 2.0 1.0
			ok
			2.0 done read
			1.0 done coalesced`,
		"a lead_reply never supersedes": `
			msg m1: settle mark_read 30s
			legacy m1:
			legacy m9:
			legacy:
			1.0 waiting
			advance 30s
			calls 1.0`,
		"nor does a message that a lead_reply brought before": `
			legacy m1: settle mark_read 30s
			msg m1:
			1.0 waiting`,
		"an event of an unknown type doesn't either": `
			msg m1: settle mark_read 30s
			odd:
			1.0 waiting`,
		"even_if_newer keeps it": `
			msg m1: settle mark_read 30s even_if_newer
			msg m2:
			1.0 waiting`,
		"in the queue and between attempts": `
			msg m1: codes mark_read
			calls 1.0
			retry 5s
			msg m2:
			1.0 dropped superseded
			next never`,
		"neither a reaction nor an event of chertd's own is a message": `
			msg m1: settle mark_read 30s
			reaction:
			outside:
			1.0 waiting`,
		"nor is the same message as a lead_reply": `
			msg m1: settle mark_read 30s
			msg m1:
			1.0 waiting`,
		"not even a late one": `
			msg m1: settle mark_read 30s
			msg m2: settle mark_read 30s
			msg m1:
			2.0 waiting`,
		"nor is one without an id that runs again": `
			msg: settle mark_read 30s
			again 1:
			1.0 waiting`,
		"a message without an id is a newer one": `
			msg: settle mark_read 30s
			msg:
			1.0 dropped superseded`,
		"a call that was out came first": `
			msg m1: codes mark_read
			calls 1.0
			msg m2:
			1.0 dropped superseded
			ok
			1.0 done read`,
		"and is not tried again": `
			msg m1: codes mark_read
			calls 1.0
			msg m2:
			retry 1s
			1.0 dropped superseded
			advance 1m
			no call`,
	})
}

// A read that no message requests covers the newest message that rules of its pack ran
// on.
func TestCovers(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a timer's read goes out for a message its pack saw": `
			msg m1: settle set_timer 30s name=t
			advance 30s
			fires t
			fired t: settle mark_read
			calls 2.0`,
		"not for a newer one that it did not see": `
			msg m1: settle set_timer 30s name=t
			msg m2: other sees
			advance 30s
			fires t
			fired t: settle mark_read; settle mark_read even_if_newer rule=sure
			3.0 dropped superseded
			calls 3.1`,
		"but for one that another rule of the pack saw": `
			msg m1: settle set_timer 30s name=t
			msg m2: settle sees
			advance 30s
			fires t
			fired t: settle mark_read
			calls 3.0`,
		"or saw as a lead_reply, or when it ran again": `
			msg m1:
			legacy m1: settle sees
			outside: settle mark_read 1h
			3.0 waiting
			again 1: late sees
			outside: late mark_read 1h
			4.0 waiting`,
		"what its pack saw is not forgotten when it runs again without an id": `
			msg: settle sees
			again 1: other sees
			outside: settle mark_read 1h
			2.0 waiting`,
		"a message that comes later supersedes it": `
			msg m1: settle sees
			outside: settle mark_read 30s
			msg m2: other sees
			2.0 dropped superseded`,
		"unless a read of that one stands": `
			msg m1: settle sees
			outside: settle mark_read 30s
			msg m2: other mark_read 1h
			2.0 waiting
			outside: other cancel_read
			2.0 dropped superseded`,
		"a read for a message does not cover a newer one that its pack saw": `
			msg m1: settle mark_read 1h
			msg m2: settle sees
			1.0 dropped superseded`,
		"a read that no message requested covers a newer one": `
			msg m1: settle sees
			outside: settle mark_read 1h
			msg m2: settle sees
			2.0 waiting`,
		"a rule in shadow has seen nothing": `
			msg m1: settle mark_read shadow
			outside: settle mark_read
			2.0 dropped superseded`,
		"not for one whose reaction it saw alone": `
			msg m1: settle set_timer 30s name=t
			msg m2: other sees
			reaction m2: settle sees
			advance 30s
			fires t
			fired t: settle mark_read
			4.0 dropped superseded`,
		"nor for one without an id, by what has none either": `
			msg: other sees
			reaction: settle sees
			legacy: settle sees
			outside: settle mark_read
			4.0 dropped superseded`,
		"what is read already needs no one who saw it": `
			msg m1: codes mark_read
			calls 1.0
			ok
			odd: settle mark_read
			calls 2.0`,
		"a crash forgets nothing": `
			msg m1: settle sees
			crash
			outside: settle mark_read 1h; other mark_read
			2.0 waiting
			2.1 dropped superseded
			crash
			msg m2: other mark_read 1h
			crash
			outside: other cancel_read
			3.0 dropped cancelled
			2.0 dropped superseded`,
		"a read for a reaction does not cover a message either": `
			msg m1:
			reaction: settle mark_read
			2.0 dropped superseded`,
	})
}

// A rule that an edit deleted has no pending reads any more. Reads of the pack's
// other rules, sends and timers stay.
func TestDeletedRuleLosesItsPendingReads(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"its reads are cancelled": `
			msg m1: settle mark_read 1h; settle mark_read 1h rule=left; settle send; settle set_timer 1m name=x; other mark_read 1h rule=settle
			rules settle left
			1.0 dropped pack_inactive
			1.1 waiting
			1.2 waiting
			1.4 waiting
			advance 1m
			fires x`,
		"one in flight has gone out": `
			msg m1: settle mark_read
			calls 1.0
			rules settle left
			1.0 dropped pack_inactive
			ok
			1.0 done veto_too_late`,
		"those that it protected are superseded": `
			msg m1: other mark_read 1h
			msg m2: settle mark_read 1h
			rules settle left
			1.0 dropped superseded`,
	})
}

func TestAlreadyRead(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"since the last successful call": `
			msg m1: codes mark_read
			calls 1.0
			ok
			outside: night mark_read
			no call
			2.0 dropped already_read`,
		"an event of an unknown type can be unread": `
			msg m1: codes mark_read
			calls 1.0
			ok
			odd: night mark_read
			calls 2.0`,
		"a reaction is nothing new": `
			msg m1: codes mark_read
			calls 1.0
			ok
			reaction: codes mark_read; night mark_read
			no call
			2.0 dropped already_read
			2.1 dropped already_read`,
		"the same message as a lead_reply is nothing new": `
			msg m1: codes mark_read
			calls 1.0
			ok
			legacy m1: codes mark_read
			no call
			2.0 dropped already_read`,
		"nor is a lead_reply that names no message": `
			msg m1: codes mark_read
			calls 1.0
			ok
			legacy: codes mark_read
			no call
			2.0 dropped already_read`,
		"nor a message that comes again under another id": `
			msg m1: codes mark_read
			calls 1.0
			ok
			msg m1: codes mark_read
			no call
			2.0 dropped already_read`,
		"where only lead_replies come they are new, once each": `
			legacy m1: codes mark_read
			calls 1.0
			ok
			legacy m1: codes mark_read
			no call
			2.0 dropped already_read
			legacy m2: codes mark_read
			calls 3.0
			ok
			msg m2: codes mark_read
			no call
			4.0 dropped already_read
			msg m3: codes mark_read
			calls 5.0
			ok
			legacy: codes mark_read
			no call
			6.0 dropped already_read`,
		"what came while the call was out is new": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: codes mark_read
			ok
			calls 2.0`,
		"a call that failed read nothing": `
			msg m1: codes mark_read
			calls 1.0
			refused no such chat
			outside: codes mark_read
			calls 2.0`,
		"a read that is not due yet waits for what may come": `
			msg m1: codes mark_read
			calls 1.0
			ok
			outside: night mark_read 1h even_if_newer
			no call
			2.0 waiting
			msg m2:
			advance 1h
			calls 2.0`,
		"a chat never read is read": `
			outside: night mark_read
			calls 1.0`,
	})
}

// A message that another event brings again is recognised among the last ones, and
// events that bring none push none out.
func TestMessageIsRecognisedAmongTheLast(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind   string // of the events between
		events int
		known  bool
	}{
		{"msg %d:", recent - 1, true}, {"msg %d:", recent, false}, {"legacy %d:", 3 * recent, true},
		{"reaction %d:", 3 * recent, true}, {"outside:", 3 * recent, true}, {"odd:", 3 * recent, true}, {"msg:", 3 * recent, true}, {"legacy:", 3 * recent, true},
		{"msg m1:", 3 * recent, true}, {"legacy m1:", 3 * recent, true},
	} {
		script := "msg m1:\n"
		for i := range tc.events {
			script += strings.Replace(tc.kind, "%d", fmt.Sprint(i), 1) + "\n"
		}
		s := tell(t, script)
		newest, known := s.chat.LastMessageSeq, slices.Contains(s.chat.Recent.IDs, shortID("m1"))
		s.do("msg m1:")
		if again := s.chat.LastMessageSeq == newest; again != tc.known || known != tc.known {
			t.Errorf("after %d of %q it is recognised: %t, want %t", tc.events, tc.kind, again, tc.known)
		}
	}
}

func TestCancelRead(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"of this pack only": `
			msg m1: settle mark_read 30s; codes mark_read 30s
			reaction: settle cancel_read
			1.0 dropped cancelled
			1.1 waiting`,
		"in the order the rules ran": `
			msg m1: codes mark_read; codes cancel_read; codes mark_read
			1.0 dropped cancelled
			1.1 waiting`,
		"in shadow none": `
			msg m1: settle mark_read 30s
			reaction: settle cancel_read shadow
			1.0 waiting`,
		"not other kinds": `
			msg m1: settle send; settle cancel_read
			1.0 waiting`,
	})
}

func TestOffMeansOff(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"all that the pack has waiting": `
			msg m1: settle mark_read 30s; settle send; settle set_timer 1m name=x; codes mark_read 30s
			off settle
			1.0 dropped pack_inactive
			1.1 dropped pack_inactive
			1.3 waiting
			advance 1m
			fires nothing`,
		"of one version": `
			msg m1: settle mark_read 1h
			reaction: settle send v=v2
			off settle v1
			1.0 dropped pack_inactive
			2.0 waiting`,
		"a timer whose event is journaled no longer stands": `
			msg m1: settle set_timer 1m name=x
			advance 1m
			fires x
			stands x
			off settle
			gone x`,
		"a message in flight is on its way": `
			msg m1: bot send
			calls 1.0
			off bot
			1.0 dropped pack_inactive
			ok
			1.0 done veto_too_late`,
		"and stays off if its call fails": `
			msg m1: bot send
			calls 1.0
			off bot
			retry 1s
			1.0 dropped pack_inactive
			advance 1m
			no call`,
		"or was never made": `
			msg m1: bot react
			calls 1.0
			off bot
			unmade
			1.0 dropped pack_inactive`,
	})
}

func TestDepth(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"up to five is fine": `
			outside depth=5: loop mark_read
			calls 1.0`,
		"beyond it a request is refused": `
			outside depth=6: loop mark_read; loop send; loop typing; loop react
			1.0 dropped too_deep
			1.1 dropped too_deep
			1.2 dropped too_deep
			1.3 dropped too_deep
			no call`,
		"timers too": `
			outside depth=6: loop set_timer 1s name=x
			advance 1m
			fires nothing`,
		"a veto is not, nor is a hold": `
			msg m1: settle mark_read 30s
			outside depth=6: loop keep_unread
			1.0 dropped vetoed
			outside depth=6: loop hold 1d
			msg m2: codes mark_read
			no call
			4.0 dropped held`,
		"and a release, for a hold keeps a chat unread": `
			operator hold 1d
			outside depth=6: loop release
			msg m1: codes mark_read
			no call
			2.0 dropped held`,
	})
}

func stories(t *testing.T, scripts map[string]string) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, script)
		})
	}
}

// One message comes as message.received and as lead_reply, in either order and
// by any of its names.
func TestOneMessageByManyEvents(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a message whose lead_reply came first is still new when it comes": `
			msg m1: codes mark_read
			calls 1.0
			ok
			legacy m2:
			msg m2: codes mark_read
			calls 3.0`,
		"the same by its text alone": `
			msg m1 text=one: codes mark_read
			calls 1.0
			ok
			legacy text=two:
			msg m2 text=two: codes mark_read
			calls 3.0`,
		"it supersedes reads requested before its lead_reply": `
			msg m1: codes mark_read 1h
			legacy m2:
			msg m2: other sees
			1.0 dropped superseded`,
		"but not reads that its lead_reply requested": `
			msg m1: codes sees
			legacy text=two: codes mark_read 1h
			msg m2 text=two: other sees
			2.0 waiting`,
		"nor reads of a pack that saw its lead_reply": `
			legacy m1: codes sees
			outside: codes mark_read 1h
			msg m1: other sees
			2.0 waiting`,
		"a pack that saw its lead_reply has seen the message": `
			legacy text=one: codes sees
			msg m1 text=one:
			outside: codes mark_read 1h; other mark_read 1h
			3.0 waiting
			3.1 dropped superseded`,
		"it supersedes later reads of a pack that did not see its lead_reply": `
			legacy m1:
			outside: codes mark_read 1h; other mark_read 1h
			msg m1: other mark_read 2h
			2.0 waiting
			outside: other cancel_read
			2.0 dropped superseded
			3.0 dropped cancelled`,
		"even if the lead_reply came after another message": `
			msg m1: codes sees; other sees
			legacy m2: other sees
			odd: codes mark_read 1h; other mark_read 1h
			msg m2:
			3.0 waiting
			outside: other cancel_read
			3.0 dropped superseded`,
		"a message that was read with its lead_reply is not read again": `
			legacy m1: codes mark_read
			calls 1.0
			ok
			msg m1: codes mark_read
			no call
			2.0 dropped already_read`,
		"one that came since is newer": `
			legacy m1:
			msg m2: vip keep_unread
			msg m1: codes mark_read
			no call
			3.0 dropped vetoed`,
		"its text shows it to be the newest, once more": `
			msg m1 text=one:
			legacy text=one: codes sees
			outside: codes mark_read 1h
			3.0 waiting`,
		"an id that came along later is as good": `
			msg m1 g1:
			msg g1 h1:
			legacy h1: codes sees
			outside: codes mark_read 1h
			4.0 waiting`,
		"it supersedes reads requested before the pack ran again on its lead_reply": `
			legacy m1:
			odd: codes mark_read 1h
			missed 1: codes sees
			msg m1:
			2.0 dropped superseded`,
		"two messages with one text are two": `
			msg text=ok: codes mark_read
			calls 1.0
			ok
			msg text=ok: codes mark_read
			calls 2.0`,
		"a second id is as good as the first": `
			msg m1 g1:
			legacy g1: codes sees
			outside: codes mark_read 1h
			3.0 waiting`,
		"a crash forgets none of it": `
			legacy text=one: codes sees
			crash
			msg m1 text=one:
			crash
			legacy m1: late sees
			crash
			outside: codes mark_read 1h; late mark_read 1h
			4.0 waiting
			4.1 waiting`,
	})
}

// A veto drops every read that covers the vetoed event, whenever the read is requested.
func TestVetoWinsOverLaterReadOfTheSameMessage(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"of a timer that the message set": `
			msg m1: settle set_timer 30s name=t; vip keep_unread
			advance 30s
			fires t
			fired t: settle mark_read; settle mark_read even_if_newer rule=sure
			2.0 dropped vetoed
			2.1 dropped vetoed`,
		"of a timer that was set before": `
			msg m1: settle set_timer 30s name=t
			msg m2: settle sees; vip keep_unread
			advance 30s
			fires t
			fired t: settle mark_read
			3.0 dropped vetoed`,
		"the veto of a reaction, too": `
			msg m1: settle set_timer 30s name=t
			reaction: vip keep_unread
			advance 30s
			fires t
			fired t: settle mark_read
			3.0 dropped vetoed`,
		"a newer message ends it": `
			msg m1: settle sees; vip keep_unread
			msg m2: settle set_timer 30s name=t
			advance 30s
			fires t
			fired t: settle mark_read
			calls 3.0`,
		"and so does an event of an unknown type, for itself": `
			msg m1: settle sees; vip keep_unread
			odd: settle mark_read
			calls 2.0`,
		"a waiting read is vetoed by a later message that it covers": `
			msg m1: settle sees
			outside: settle mark_read 1h
			msg m2: settle sees; vip keep_unread
			2.0 dropped vetoed`,
	})
}

// A veto that is missing blocks the reads that it would have dropped.
func TestMissingVetoBlocksLaterReads(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"of a timer whose read covers the message": `
			failing msg m1: settle set_timer 30s name=t
			advance 30s
			fires t
			fired t: settle mark_read
			2.0 blocked blocked
			missed 1: vip keep_unread
			revive 2.0
			2.0 dropped vetoed`,
		"until it is known": `
			failing msg m1: settle set_timer 30s name=t
			advance 30s
			fires t
			fired t: settle mark_read
			2.0 blocked blocked
			missed 1:
			revive 2.0
			calls 2.0`,
		"but not of the next message": `
			failing msg m1: settle mark_read
			msg m2: settle mark_read
			1.0 blocked blocked
			calls 2.0`,
		"unless the pack may hold the chat": `
			failing holding msg m1: settle mark_read
			msg m2: settle mark_read
			2.0 blocked blocked
			advance 59m
			msg m3: settle mark_read
			3.0 blocked blocked
			advance 1m
			msg m4: settle mark_read
			calls 4.0`,
		"a crash forgets none of it": `
			failing holding msg m1: settle sees
			crash
			msg m2: settle mark_read
			2.0 blocked blocked
			advance 1h
			crash
			outside: settle mark_read
			3.0 waiting`,
	})
}

// A chat's call is for a read that may go; the actions of one handler go in the
// order requested.
func TestCallsOfOneHandlerKeepTheirOrder(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read whose pack has not seen the newest message waits for one that has": `
			msg m1: codes mark_read 2s
			msg m2: settle mark_read 1h
			next 1h
			advance 2s
			no call
			1.0 waiting
			advance 1h
			calls 2.0 1.0`,
		"one whose pack has seen it does not": `
			msg m1: codes mark_read 2s
			msg m2: settle mark_read 1h; codes sees
			next 2s
			advance 2s
			calls 1.0 2.0`,
		"a timer's that has not, and what nobody saw": `
			msg m1: settle set_timer 2s name=t
			msg m2:
			msg m3: codes mark_read 1h
			advance 2s
			fires t
			fired t: settle mark_read
			4.0 dropped superseded`,
		"even_if_newer does not care": `
			msg m1: codes mark_read 2s even_if_newer
			msg m2: settle mark_read 1h
			next 2s`,
		"a read waits for what its handler sent before, and that for it": `
			msg m1: codes send; codes mark_read; codes send
			calls 1.0
			retry 5s
			no call
			advance 5s
			calls 1.0
			ok
			calls 1.1
			retry 5s
			no call
			advance 5s
			calls 1.1
			ok
			calls 1.2`,
		"not for what another handler sent, nor a message for a delayed read": `
			msg m1: codes send; settle mark_read; settle mark_read 1h rule=late; settle send rule=late
			calls 1.0
			retry 5s
			calls 1.1 1.2`,
		"a timer that is due comes first": `
			msg m1: codes mark_read 30s; codes set_timer 30s name=t
			advance 30s
			no call
			fires t
			no call
			fired t: vip keep_unread
			1.0 dropped vetoed`,
	})
}

// Where only lead_replies come, a veto of one does not hit the reads of the next.
func TestVetoesAmongLeadReplies(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a timer's read of the next goes out": `
			legacy m1: vip keep_unread
			legacy m2: settle set_timer 30s name=t
			advance 30s
			fires t
			fired t: settle mark_read
			calls 3.0`,
		"one of the same does not": `
			legacy m1: settle set_timer 30s name=t
			legacy m1: vip keep_unread
			advance 30s
			fires t
			fired t: settle mark_read
			3.0 dropped vetoed`,
	})
}

// A message that was sent before the newest one never counts as newer, whichever event
// brings it and however late: it may be a message whose id is forgotten.
func TestOlderMessageIsNotTheNewest(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("msg sent=10m:\n", 2*recent)
	stories(t, map[string]string{
		"its read does not cover the newer ones": `
			msg m1 sent=1m: codes sees
			` + many + `
			msg m1 sent=1m: codes mark_read
			no call`,
		"nor goes out over their veto": `
			msg m1 sent=1m: codes sees
			` + many + `
			msg m2 sent=11m: vip keep_unread; codes sees
			msg m1 sent=1m: codes mark_read; codes mark_read even_if_newer rule=sure
			no call`,
		"it supersedes nothing": `
			msg m2 sent=2m: codes mark_read 1h
			msg m1 sent=1m:
			1.0 waiting`,
		"one of the same time is newer": `
			msg m1 sent=1m: codes mark_read 1h
			msg m2 sent=1m:
			1.0 dropped superseded`,
		"a clock that is ahead makes none that follow look older": `
			msg m1 sent=900h: codes mark_read 1h
			advance 1s
			msg m2 sent=3601s:
			1.0 dropped superseded`,
		"a crash forgets none of it": `
			msg m2 sent=2m: vip sees
			crash
			msg m1 sent=1m: codes mark_read
			2.0 dropped superseded`,
	})
}

// The newest message is the one that came last, whatever time and id it has.
func TestNewestMessageIsTheLastToArrive(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"is the last": `
			newest 0
			msg m1:
			msg m2:
			newest 2 m2`,
		"has its first id": `
			msg m1 g1:
			newest 1 m1`,
		"or none": `
			msg m1:
			msg:
			newest 2`,
		"comes once": `
			msg m1:
			msg m2:
			msg m1:
			legacy m1:
			newest 2 m2`,
		"is known by every id that one of its events had": `
			legacy m1 g1:
			msg m1 h1:
			msg m2:
			msg g1:
			msg h1:
			legacy h1:
			newest 3 m2`,
		"under a new id that came along, too": `
			msg m1 g1:
			msg g1 h1:
			msg h1:
			newest 1 m1`,
		"is never that of a lead_reply or of another event": `
			legacy m1:
			reaction m2:
			odd:
			newest 0`,
		"came with its lead_reply": `
			legacy m1:
			outside:
			msg m1:
			newest 1 m1`,
		"or with the first of those, known by the ids of all": `
			legacy m1:
			legacy m1 g1:
			legacy g1 h1:
			outside:
			msg h1:
			newest 1 h1`,
		"but not if what came since is newer": `
			legacy m1:
			msg m2:
			msg m1:
			newest 2 m2`,
		"nor if a call has read it since": `
			msg m1: codes mark_read
			legacy m2:
			calls 1.0
			ok
			msg m2:
			newest 1 m1`,
		"may be journaled before the read that covers it, and handled since": `
			msg m1: codes mark_read
			journaled 2
			calls 1.0
			ok
			msg m2: codes mark_read
			newest 2 m2
			no call
			2.0 dropped already_read`,
	})
}

// A message that no read covered once it was handled supersedes reads that are
// revived later, even if it is read by then.
func TestRevivedReadStaysSupersededByUnrequestedMessage(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"the read that waited was for an older message": `
			failing msg m1: codes mark_read
			msg m2: sure mark_read 1h even_if_newer
			msg m3:
			advance 1h
			calls 2.0
			ok
			odd:
			revive 1.0
			1.0 dropped superseded
			no call`,
		"the read was in shadow": `
			failing msg m1: codes mark_read
			msg m2: other mark_read shadow; sure sees
			outside: sure mark_read even_if_newer
			calls 3.0
			ok
			odd:
			revive 1.0
			1.0 dropped superseded`,
		"the message was to be typed at, no more": `
			failing msg m1: codes mark_read
			msg m2: other typing; sure sees
			calls 2.0
			ok
			outside: sure mark_read even_if_newer
			calls 3.0
			ok
			odd:
			revive 1.0
			1.0 dropped superseded`,
		"a read that is blocked stands": `
			failing msg m1: codes mark_read
			failing msg m2: settle mark_read
			revive 1.0 2.0
			calls 2.0 1.0`,
		"one that waits stands": `
			failing msg m1: codes mark_read
			msg m2: settle mark_read
			revive 1.0
			calls 2.0 1.0`,
		"one of a pack that has seen the message, too": `
			failing msg m1: codes mark_read
			msg m2: settle mark_read 1h
			outside: settle mark_read 1h
			2.0 dropped replaced
			revive 1.0
			1.0 waiting
			advance 1h
			calls 3.0 1.0`,
	})
}
