package chat

import (
	"testing"
	"time"
)

// While the answers are not Chert's, all actions keep waiting. retryFor starts when
// Chert answers again.
func TestAnswersNotFromChertEndNothing(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read waits as long as it takes": `
			msg m1: codes mark_read; settle mark_read 5s
			calls 1.0 1.1
			foreign 1m
			1.0 waiting
			1.1 waiting
			says 1.0 not Chert
			next 1m
			advance 30h
			calls 1.0 1.1
			gateway 20h
			advance 20h
			calls 1.0 1.1
			foreign 30h
			1.0 waiting
			advance 30h
			calls 1.0 1.1
			ok
			1.0 done read
			1.1 done coalesced`,
		"and has its day once Chert answers": `
			msg m1: codes mark_read
			calls 1.0
			retry 1h
			advance 1h
			calls 1.0
			foreign 30h
			advance 30h
			calls 1.0
			retry 23h
			1.0 waiting
			advance 23h
			calls 1.0
			retry 2h
			1.0 dead retries_exhausted`,
		"a veto still wins": `
			msg m1: codes mark_read
			calls 1.0
			foreign 1m
			msg m2: vip keep_unread
			1.0 dropped vetoed
			advance 1h
			no call`,
		"a message is sent again": `
			msg m1: bot send
			calls 1.0
			gateway 30h
			1.0 waiting
			advance 30h
			calls 1.0
			ok
			1.0 done send`,
		"a reaction as well, if it did not get through": `
			msg m1: bot react
			calls 1.0
			foreign 30h
			1.0 waiting
			advance 30h
			calls 1.0
			ok
			1.0 done react`,
		"and never if it may have": `
			msg m1: bot react
			calls 1.0
			gateway 1m
			1.0 dead unknown`,
		"a typing signal is tried once": `
			msg m1: bot typing
			calls 1.0
			foreign 1s
			1.0 dropped tried_once`,
	})
}

// While all calls are stopped, waiting actions say why.
func TestStoppedCallsRecordWhy(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"a read": `
			msg m1: codes mark_read; settle mark_read 5s
			calls 1.0 1.1
			stopped bad signature
			1.0 waiting
			says 1.0 bad signature
			says 1.1 bad signature
			calls 1.0 1.1
			unmade
			says 1.0 bad signature
			advance 2d
			calls 1.0 1.1
			ok
			says 1.0
			1.0 done read`,
		"a reaction, which is not repeated": `
			msg m1: bot react
			calls 1.0
			stopped bad signature
			1.0 waiting
			says 1.0 bad signature
			calls 1.0
			ok
			1.0 done react`,
		"not a read that came since": `
			msg m1: codes mark_read
			calls 1.0
			msg m2: other mark_read
			stopped bad signature
			says 1.0 bad signature
			says 2.0`,
	})
}

// The newest answer that stops all calls is recorded, whichever field changed; the
// same answer again writes nothing.
func TestNewestReasonOfStopIsRecorded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	first := Answer{NotSent: true, Error: "bad signature", Code: 2004, HTTP: 401, TraceID: "t1"}
	for name, tc := range map[string]struct {
		then    Answer
		written bool
	}{
		"the same":          {first, false},
		"another text":      {Answer{NotSent: true, Error: "bad tenant", Code: 2004, HTTP: 401, TraceID: "t2"}, true},
		"another code":      {Answer{NotSent: true, Error: "bad signature", Code: 2005, HTTP: 401, TraceID: "t2"}, true},
		"another status":    {Answer{NotSent: true, Error: "bad signature", Code: 2004, HTTP: 403, TraceID: "t2"}, true},
		"nothing to record": {Answer{NotSent: true}, false},
	} {
		c, _ := Step(Chat{ID: "c1"}, Outcomes{Seq: 1, New: true, Message: true, Requests: []Request{{Kind: RequestRead}}}, now)
		var out Effects
		for _, in := range []Answer{first, tc.then} {
			c, out = Step(c, Ready{Seq: 1}, now)
			if out.Call == nil {
				t.Fatalf("%s: no call", name)
			}
			in.Call = *out.Call
			c, out = Step(c, in, now)
		}
		want := first
		if tc.written {
			want = tc.then
		}
		a := c.Waiting[0]
		if a.Error != want.Error || a.Code != want.Code || a.HTTP != want.HTTP || a.TraceID != want.TraceID || a.Attempts != 0 {
			t.Errorf("%s: recorded is %+v, want of %+v", name, a, want)
		}
		if len(out.Actions) > 0 != tc.written {
			t.Errorf("%s: %d rows are written", name, len(out.Actions))
		}
	}
}
