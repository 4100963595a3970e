package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"chertd/rules/chat"
)

// Results of reads wait for another reason to commit, but not longer than resultsWait, no
// more than resultsMost of them, and not at all once the engine drains.
func TestResultsWaitForABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shard{e: &Engine{}, wake: make(chan struct{}, 1)}
		woken := func() bool {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			select {
			case <-s.wake:
				return s.mustCommitResults()
			default:
				if s.mustCommitResults() {
					t.Error("results must be committed, and the shard sleeps")
				}
				return false
			}
		}
		collect := func(n int) {
			for range n {
				s.collect(request{})
			}
		}
		take := func(want int) {
			t.Helper()
			if got := len(s.takeResults()); got != want {
				t.Errorf("took %d results, want %d", got, want)
			}
		}
		collect(1)
		time.Sleep(resultsWait - time.Nanosecond)
		collect(1)
		if woken() {
			t.Error("the shard wakes up before resultsWait")
		}
		time.Sleep(time.Nanosecond)
		if !woken() {
			t.Error("the shard sleeps after resultsWait")
		}
		take(2)
		collect(resultsMost - 1)
		if woken() {
			t.Error("the shard wakes up before there are resultsMost")
		}
		collect(1)
		if !woken() {
			t.Error("the shard sleeps with resultsMost")
		}
		take(resultsMost)
		// A batch for another reason has taken them, and the next one waits as long.
		collect(1)
		time.Sleep(resultsWait / 2)
		take(1)
		collect(1)
		time.Sleep(resultsWait / 2)
		if woken() {
			t.Error("a result waits for less than resultsWait because another one waited before")
		}
		s.e.draining.Store(true)
		collect(1)
		if !woken() {
			t.Error("the shard sleeps though the engine drains")
		}
		take(2)
		time.Sleep(time.Minute)
	})
}

// What waits for the result of a call has it committed immediately.
func TestAwaitedResultsDoNotWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", readAll, "asks.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)
chert.on("action.done", function(ev) end)`)
	answer := func(change func(*chat.Answer), packs ...string) chat.Answer {
		a := chat.Answer{OK: true, Call: chat.Call{Chat: "c1", Kind: chat.Read}}
		for _, p := range packs {
			a.Call.Actions = append(a.Call.Actions, chat.Action{Kind: chat.Read, Pack: p})
		}
		if change != nil {
			change(&a)
		}
		return a
	}
	for name, tc := range map[string]struct {
		answer chat.Answer
		want   bool
	}{
		"a read":                        {answer(nil, "p"), false},
		"a read that a rule asks about": {answer(nil, "p", "asks"), true},
		"a failure":                     {answer(func(a *chat.Answer) { a.OK = false }, "p"), true},
		"not sent":                      {answer(func(a *chat.Answer) { a.OK, a.NotSent = false, true }, "p"), true},
		"a message":                     {answer(func(a *chat.Answer) { a.Call.Kind = chat.Send }, "p"), true},
	} {
		if got := r.eng.awaited(&tc.answer); got != tc.want {
			t.Errorf("%s: awaited: %t, want %t", name, got, tc.want)
		}
	}
}
