package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// stopCodes are the codes after which every other call would fail as well.
var stopCodes = []int{2001, 2004, 2005, 2007, 2008, 2012, 2013}

// Each code of Chert's: those about the account or the clock stop all calls, the
// rate limit pauses all calls, and no other does either. 9999 is in no table.
func TestEachCodeStopsWhatItIsAbout(t *testing.T) {
	t.Parallel()
	stops := map[int]bool{}
	for _, code := range stopCodes {
		stops[code] = true
	}
	for _, code := range slices.Concat(chert.Codes, []int{9999}) {
		d, known := chert.LookUp(code)
		if stops[code] != (d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock) {
			t.Errorf("code %d is of scope %q, and stops calls: %t", code, d.Scope, stops[code])
		}
		delete(stops, code)
		g := NewGovernor(0, 0)
		err := &chert.Error{Status: max(d.Status, 400), Code: code, Retryable: d.Retryable}
		for i := range 5 {
			g.Answered(epoch, Permit{}, fmt.Sprint("c", i), err)
		}
		if s := g.Stopped(); (s != nil) != (d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock) || s != nil && s.Code != code {
			t.Errorf("code %d: stopped is %+v", code, s)
		}
		if paused := g.Pause().Until.After(epoch); paused != (d.Scope == chert.ScopeRate) {
			t.Errorf("code %d of scope %q: all calls pause: %t", code, d.Scope, paused)
		}
		if !known && code != 9999 {
			t.Errorf("code %d is not documented", code)
		}
	}
	for code := range stops {
		t.Errorf("code %d stops calls, and is not one of Chert's codes", code)
	}
}

// What is wrong with one chat or one request ends that call, and says nothing
// about the other calls of its line; what may be due to the line does.
func TestEachCodeEndsOrRepeatsItsCall(t *testing.T) {
	t.Parallel()
	for _, code := range chert.Codes {
		d, _ := chert.LookUp(code)
		dispatcher := New(Config{Jitter: func() float64 { return 0 }})
		answer := chat.Answer{Call: chat.Call{Chat: "c", Attempt: 1}}
		dispatcher.failed(&answer, &chert.Error{Status: d.Status, Code: code, Retryable: d.Retryable, RetryAfter: 3 * time.Second})
		if answer.NotSent != (d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock) {
			t.Errorf("code %d of scope %q: the call counts as unmade: %t", code, d.Scope, answer.NotSent)
		}
		if answer.Retryable != d.Retryable || answer.RetryAfter != 3*time.Second {
			t.Errorf("code %d: retryable %t after %v", code, answer.Retryable, answer.RetryAfter)
		}
		switch failed := lineFailed(&answer); d.Scope {
		case chert.ScopeRequest, chert.ScopeLine, chert.ScopeAccount, chert.ScopeClock, chert.ScopeRate:
			if failed {
				t.Errorf("code %d of scope %q delays the other calls of the line", code, d.Scope)
			}
		case chert.ScopeChat, chert.ScopeService:
			if failed != d.Retryable {
				t.Errorf("code %d of scope %q delays the other calls of the line: %t", code, d.Scope, failed)
			}
		}
	}
}
