package chat

import (
	"strings"
	"testing"
	"time"
)

func TestRetries(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"all waiting reads share the back-off": `
			msg m1: codes mark_read; settle mark_read 5s
			calls 1.0 1.1
			retry 1m
			1.0 waiting
			1.1 waiting
			next 1m
			msg m2: other mark_read
			no call
			advance 1m
			calls 2.0 1.0 1.1
			ok
			1.0 done coalesced
			2.0 done read`,
		"what Chert asked to wait is waited, also by the next read": `
			msg m1: codes mark_read
			calls 1.0
			retry 1m
			msg m2:
			1.0 dropped superseded
			msg m3: codes mark_read
			next 1m`,
		"also if the read left while its call was out": `
			msg m1: codes mark_read
			calls 1.0
			msg m2:
			retry 1m
			msg m3: codes mark_read
			next 1m`,
		"a lost answer is a reason to call again": `
			msg m1: codes mark_read
			calls 1.0
			unknown
			1.0 waiting
			advance 1s
			calls 1.0`,
		"after a day it is dead": `
			msg m1: codes mark_read
			calls 1.0
			retry 12h
			advance 12h
			calls 1.0
			retry 11h
			advance 11h
			calls 1.0
			retry 1h
			1.0 dead retries_exhausted
			next never`,
		"but a read that joined late has a day of its own": `
			msg m1: codes mark_read
			calls 1.0
			retry 23h
			advance 23h
			msg m2: other mark_read
			calls 2.0 1.0
			retry 2h
			1.0 dead retries_exhausted
			2.0 waiting
			next 25h`,
		"a permanent refusal ends all actions of the call without a retry": `
			msg m1: codes mark_read; settle mark_read 1h
			calls 1.0 1.1
			refused chat not found
			1.0 dead refused
			1.1 dead refused`,
		"not for what was asked since": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: other mark_read
			refused chat not found
			1.0 dead refused
			calls 2.0`,
		"a dead one revived has a new day": `
			msg m1: bot send
			calls 1.0
			refused no
			advance 2d
			revive 1.0
			calls 1.0
			retry 1s
			1.0 waiting
			advance 1s
			calls 1.0
			ok
			1.0 done send`,
		"a call that never went out changes nothing": `
			msg m1: codes mark_read
			calls 1.0
			unmade
			1.0 waiting
			calls 1.0`,
		"what is done is not revived": `
			msg m1: codes mark_read
			calls 1.0
			ok
			revive 1.0
			1.0 done read
			no call`,
	})
}

func TestReact(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"is sent, then done": `
			msg m1: bot react
			calls 1.0
			1.0 sent
			ok
			1.0 done react`,
		"never again after an unknown answer": `
			msg m1: bot react
			calls 1.0
			unknown
			1.0 dead unknown
			revive 1.0
			1.0 dead unknown
			advance 1h
			no call`,
		"nor after a crash": `
			msg m1: bot react
			calls 1.0
			crash
			advance 1s
			no call
			1.0 dead unknown`,
		"whatever comes first after it": `
			msg m1: bot react
			calls 1.0
			crash
			off bot
			1.0 dead unknown`,
		"a known failure may be tried again": `
			msg m1: bot react
			calls 1.0
			retry 2s
			1.0 waiting
			advance 2s
			calls 1.0`,
		"and so may a call that never went out": `
			msg m1: bot react
			calls 1.0
			unmade
			1.0 waiting
			crash
			calls 1.0`,
	})
}

func TestTyping(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"is worth nothing after ten seconds": `
			msg m1: bot typing
			advance 11s
			no call
			1.0 dropped expired`,
		"but is at ten": `
			msg m1: bot typing
			advance 10s
			calls 1.0
			ok
			1.0 done typing`,
		"is tried once": `
			msg m1: bot typing
			calls 1.0
			retry 1s
			1.0 dropped tried_once
			advance 1s
			no call`,
		"also if the answer or the process is lost": `
			msg m1: bot typing; bot typing
			calls 1.0
			unknown
			1.0 dropped tried_once
			calls 1.1
			crash
			no call
			1.1 dropped tried_once`,
		"a refusal is recorded": `
			msg m1: bot typing
			calls 1.0
			refused not on this line
			1.0 dead refused`,
	})
}

func TestSend(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"is retried, also after a lost answer and a crash": `
			msg m1: bot send
			calls 1.0
			unknown
			advance 1s
			calls 1.0
			crash
			calls 1.0
			ok
			1.0 done send`,
		"for a day": `
			msg m1: bot send
			calls 1.0
			retry 25h
			1.0 dead retries_exhausted`,
		"and not a moment longer": `
			msg m1: bot send
			calls 1.0
			retry 24h
			1.0 dead retries_exhausted`,
		"nor shorter": `
			msg m1: bot send
			calls 1.0
			retry 23h59m59s
			1.0 waiting`,
		"in the order asked, whatever waits": `
			msg m1: bot send; bot send; codes mark_read
			calls 1.0
			retry 1m
			calls 1.2
			ok
			no call
			next 1m
			advance 1m
			calls 1.0
			ok
			calls 1.1`,
		"no veto concerns it": `
			msg m1: bot send; vip keep_unread
			calls 1.0`,
	})
}

func TestTimers(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"fire once, in the order due": `
			msg m1: bot set_timer 2m name=b; bot set_timer 1m name=a
			advance 59s
			fires nothing
			advance 2m
			fires a b
			fires nothing`,
		"the same name replaces": `
			msg m1: bot set_timer 1m name=a
			msg m2: bot set_timer 5m name=a
			advance 1m
			fires nothing
			advance 4m
			fires a`,
		"of another pack it does not": `
			msg m1: bot set_timer 1m name=a; vip set_timer 1m name=a
			advance 1m
			fires a a`,
		"can be cancelled": `
			msg m1: bot set_timer 1m name=a
			msg m2: bot cancel_timer name=a
			advance 1m
			fires nothing`,
		"also between firing and being handled": `
			msg m1: bot set_timer 1m name=a
			advance 1m
			fires a
			msg m2: bot cancel_timer name=a
			gone a`,
		"replaced after firing: the old one does not stand, the new one fires": `
			msg m1: bot set_timer 1m name=a
			advance 1m
			fires a
			msg m2: bot set_timer 1m name=a
			gone a
			advance 1m
			fires a
			stands a`,
		"survive a crash, fired or not": `
			msg m1: bot set_timer 1m name=a; bot set_timer 2m name=b
			advance 1m
			fires a
			crash
			stands a
			fires nothing
			fired a:
			gone a
			advance 1m
			fires b`,
		"may set themselves again": `
			msg m1: bot set_timer 1m name=a
			advance 1m
			fires a
			fired a: bot set_timer 1m name=a; bot mark_read
			2.1 waiting
			gone a
			advance 1m
			fires a`,
		"in shadow they are not set": `
			msg m1: bot set_timer 1m name=a shadow
			advance 1m
			fires nothing`,
	})
}

func TestCooldown(t *testing.T) {
	t.Parallel()
	tell(t, `
		msg m1: codes mark_read; codes rests 10m
		rests codes
		advance 9m
		crash
		rests codes
		advance 1m
		wakes codes
		msg m2: other rests 1m
		wakes codes
		rests other`)
}

func TestChatIsIdleOnceAllActionsEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c, _ := Step(Chat{ID: "c1"}, Outcomes{Seq: 1, New: true, Requests: []Request{{Kind: RequestRead}}}, now)
	if idle(&c) {
		t.Error("idle with a read that waits")
	}
	c, out := Step(c, Ready{Seq: 1}, now)
	if out.Call == nil {
		t.Fatal("no call")
	}
	late := *out.Call
	late.Attempt = 7
	if c, _ = Step(c, Answer{Call: late, OK: true}, now); c.Flight == nil {
		t.Error("the answer of another call ended the flight")
	}
	if c, _ = Step(c, Answer{Call: *out.Call, OK: true}, now); !idle(&c) {
		t.Errorf("not idle: %+v", c)
	}
}

// Dispatch backs off by the attempt's number: it goes up as long as the
// calls fail, and starts again with the first read after the pause has ended.
func TestAttemptsCountUntilTheNextFirstRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := Chat{ID: "c1"}
	seq := int64(0)
	fail := func(wait time.Duration) (attempt int) {
		var out Effects
		seq++
		c, _ = Step(c, Outcomes{Seq: seq, New: true, Message: true, Requests: []Request{{Kind: RequestRead}}}, now)
		now = now.Add(wait)
		if c, out = Step(c, Ready{Seq: seq}, now); out.Call == nil {
			t.Fatal("no call")
		}
		c, _ = Step(c, Answer{Call: *out.Call, Retryable: true, RetryAfter: time.Minute}, now)
		return out.Call.Attempt
	}
	for want := 1; want <= 3; want++ { // each message's read replaces the one before
		if got := fail(time.Minute); got != want {
			t.Errorf("attempt %d, want %d", got, want)
		}
	}
	seq++
	c, _ = Step(c, Outcomes{Seq: seq, New: true, Message: true}, now) // supersedes
	now = now.Add(time.Hour)
	if got := fail(0); got != 1 {
		t.Errorf("attempt %d after the pause was over, want 1", got)
	}
}

// Reads of a pack whose limit leaves no call for another attempt wait until it does,
// and delay no others.
func TestLimitedPacksWaitAndDelayNoOthers(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"what was called for waits for a place": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			full codes 30s
			no call
			next 31s
			advance 29s
			no call
			advance 1s
			calls 1.0`,
		"what was not is called for": `
			msg m1: codes mark_read
			full codes 30s
			calls 1.0`,
		"the call goes out for other packs, without it": `
			msg m1: codes mark_read; settle mark_read
			calls 1.0 1.1
			retry 1s
			advance 1s
			full codes 30s
			calls 1.1
			ok
			1.0 waiting`,
		"a new read of its pack does not wait": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			full codes 30s
			no call
			msg m2: codes mark_read rule=late; codes mark_read rule=other
			calls 2.0 2.1
			ok
			1.0 waiting
			next 31s`,
		"several packs are full, each for its time": `
			msg m1: codes mark_read; settle mark_read; vip mark_read 1h
			calls 1.0 1.1 1.2
			retry 1s
			advance 1s
			full codes 30s
			full vip 1h
			calls 1.1
			refused gone
			full settle 10s
			no call
			next 31s
			advance 30s
			calls 1.0
			ok`,
		"the longer back-off counts": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			full codes 2s
			no call
			advance 2s
			calls 1.0
			retry 1m
			full codes 2s
			no call
			next 63s`,
		"of a pack that is full once more, the later answer counts": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			full codes 1h
			no call
			full codes 5s
			no call
			next 6s`,
		"a crash forgets it": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			full codes 1h
			no call
			crash
			calls 1.0`,
	})
}

// A read call counts once for each version of a pack of which it serves a read.
func TestCallCountsOnceForEachReader(t *testing.T) {
	t.Parallel()
	read := func(name string, attempts int) Action {
		return Action{Kind: Read, Pack: name[:1], Version: name[1:], Attempts: attempts}
	}
	failed := read("a1", 0)
	failed.Error = "bad signature"
	for name, c := range map[string]struct {
		actions []Action
		readers string
		repeats string
	}{
		"none":               {},
		"one":                {[]Action{read("a1", 0)}, "a1", ""},
		"each once":          {[]Action{read("b1", 1), read("a1", 0), read("b1", 1), read("a1", 0)}, "b1 a1", "b1"},
		"one of two is new":  {[]Action{read("a1", 1), read("a1", 0)}, "a1", ""},
		"both are not":       {[]Action{read("a1", 1), read("a1", 2)}, "a1", "a1"},
		"two versions":       {[]Action{read("a1", 1), read("a2", 0)}, "a1 a2", "a1"},
		"a call was stopped": {[]Action{failed}, "a1", "a1"},
		"no read":            {[]Action{{Kind: Send, Pack: "a"}}, "", ""},
	} {
		call := Call{Actions: c.actions}
		var all, repeats []string
		for _, r := range call.Readers() {
			all = append(all, r.Pack+r.Version)
			if call.Repeats([]Reader{r}) {
				repeats = append(repeats, r.Pack+r.Version)
			}
		}
		if got := strings.Join(all, " "); got != c.readers {
			t.Errorf("%s: counts for %q, want %q", name, got, c.readers)
		}
		if got := strings.Join(repeats, " "); got != c.repeats {
			t.Errorf("%s: repeats those of %q, want %q", name, got, c.repeats)
		}
	}
	if call := (Call{Actions: []Action{read("a1", 1), read("a2", 0)}}); call.Repeats(call.Readers()) {
		t.Error("one of two versions was never called for, and both count as repeated")
	}
}

// An answer of any kind shows that the call was sent; without one, only a call that
// may have been carried out was.
func TestOnlySentCallsCountForLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer Answer
		want   bool
	}{
		{Answer{}, false},
		{Answer{NotSent: true, Error: "not connected"}, false},
		{Answer{Retryable: true, RetryAfter: time.Second}, false},
		{Answer{OK: true}, true},
		{Answer{Unknown: true}, true},
		{Answer{HTTP: 1}, true},
		{Answer{HTTP: 503}, true},
		{Answer{Code: 1}, true},
	} {
		if got := c.answer.OnWire(); got != c.want {
			t.Errorf("%+v was on the wire: %v", c.answer, got)
		}
	}
}

// After an answer that ends a call, the next one is a first attempt.
func TestAttemptsRestartAfterFinalAnswer(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"after a refusal, for what was asked meanwhile": `
			msg m1: codes mark_read
			calls 1.0
			attempt 1
			retry 1s
			advance 1s
			calls 1.0
			attempt 2
			msg m2: settle mark_read
			refused gone
			calls 2.0
			attempt 1`,
		"after a success": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			calls 1.0
			attempt 2
			msg m2: settle mark_read
			ok
			calls 2.0
			attempt 1`,
		"not after a call that was not made": `
			msg m1: codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			calls 1.0
			unmade
			calls 1.0
			attempt 2`,
		"a send has attempts of its own": `
			msg m1: codes send; codes mark_read
			calls 1.0
			retry 1s
			advance 1s
			calls 1.0
			attempt 2
			ok
			calls 1.1
			attempt 1`,
	})
}

// The reason of an action that was in flight when the process died, and must not be
// repeated, is that the answer is missing.
func TestLostCallsRecordWhy(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a reaction": `
			msg m1: codes react
			calls 1.0
			crash
			outside:
			1.0 dead unknown
			says 1.0 chertd stopped before the answer came`,
		"a typing signal": `
			msg m1: codes typing
			calls 1.0
			crash
			no call
			1.0 dropped tried_once
			says 1.0 chertd stopped before the answer came`,
		"what may be repeated goes out again and says nothing": `
			msg m1: codes send; settle mark_read
			calls 1.0
			crash
			calls 1.0
			says 1.0
			ok
			calls 1.1
			crash
			calls 1.1
			says 1.1`,
		"and so does what was on no wire": `
			msg m1: codes react; codes react
			calls 1.0
			crash
			calls 1.1
			says 1.1`,
	})
}

// A timer that has fired wakes nobody again; until its event is handled it is due.
func TestNextTimerIgnoresFiredTimers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	fired, soon, late := Timer{Due: now, Fired: true}, Timer{Due: now.Add(time.Minute)}, Timer{Due: now.Add(time.Hour)}
	for name, c := range map[string]struct {
		timers []Timer
		next   time.Time
		due    bool
	}{
		"none":        {},
		"the sooner":  {[]Timer{late, soon}, soon.Due, false},
		"fired":       {[]Timer{fired}, time.Time{}, true},
		"after fired": {[]Timer{fired, late}, late.Due, true},
	} {
		chat := Chat{Timers: c.timers}
		if got := chat.NextTimer(); !got.Equal(c.next) || chat.TimerDue(now) != c.due {
			t.Errorf("%s: the next timer is at %v, want %v; one is due: %t", name, got, c.next, !c.due)
		}
	}
}

// A read that was dropped while its call was out has the call's answer.
func TestRecalledReadRecordsTheAnswer(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"it failed": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: vip keep_unread
			retry 1s
			1.0 dropped vetoed
			says 1.0 saturated`,
		"it was refused": `
			msg m1: codes mark_read
			calls 1.0
			off codes
			refused gone
			1.0 dropped pack_inactive
			says 1.0 gone`,
	})
}

// Requests of an event at MaxDepth are carried out; beyond it they are refused.
func TestReleaseBeyondMaxDepthIsRefused(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"at it": `
			msg m1: vip hold 1h
			outside depth=5: vip release
			msg m2: codes mark_read
			calls 3.0`,
		"beyond it": `
			msg m1: vip hold 1h
			outside depth=6: vip release
			msg m2: codes mark_read
			no call
			3.0 dropped held`,
	})
}

// idle reports whether nothing of the chat waits for a time or an answer.
func idle(c *Chat) bool { return len(c.Waiting) == 0 && len(c.Timers) == 0 && c.Flight == nil }
