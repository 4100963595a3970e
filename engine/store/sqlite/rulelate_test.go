package sqlite

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// TestRulesAreCountedLateAndNotLost: totals are the same before they are written, after a
// crash, and once they are written because they are many or all that is late is.
func TestRulesAreCountedLateAndNotLost(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	written := func(s *Store) int64 {
		t.Helper()
		v, err := s.readOne(t.Context(), "count", &statement{sql: "SELECT ifnull(sum(matched), 0) FROM rule_totals"})
		if err != nil {
			t.Fatal(err)
		}
		return intOf(v)
	}
	handle := func(n int, rule string) {
		t.Helper()
		receipts, err := s.Append(t.Context(), []turn.Arrival{inChat(fmt.Sprint("e", n), "c1")})
		if err != nil {
			t.Fatal(err)
		}
		seq := receipts[0].Seq
		a := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: "c1", Pack: "p\x00\"", Rule: rule, Status: chat.Dropped, Why: chat.WhyVetoed,
			Requested: someTime, Due: someTime, Ended: someTime, EndedBy: chat.Ender{By: "vip/\"hold\""}}
		d := &turn.Decision{Seq: seq, At: someTime.Add(time.Duration(n) * time.Second), Took: time.Millisecond,
			Rules: []turn.RuleDecision{{Pack: "p\x00\"", Rule: rule, Steps: 7, Asked: []string{"mark_read"}, Shadow: n%3 == 0, Error: []string{"", "it failed"}[n%2]}}}
		if err := s.Commit(t.Context(), []turn.Transition{{Decision: d, Actions: []chat.Action{a}}}); err != nil {
			t.Fatal(err)
		}
	}
	same := func(when string, other *Store, late bool) {
		t.Helper()
		want, err := s.RuleTotals(t.Context())
		if err != nil || len(want.Rules) == 0 {
			t.Fatalf("%s: %+v, %v", when, want, err)
		}
		got, err := other.RuleTotals(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", when, err, got, want)
		}
		sum := int64(0)
		for _, r := range got.Rules {
			sum += r.Live.Matched + r.Shadow.Matched
		}
		if n := written(other); (n < sum) != late {
			t.Errorf("%s: %d of %d are written", when, n, sum)
		}
	}
	for n := range 5 {
		handle(n, fmt.Sprint("rule ", n%2))
	}
	same("before they are written", s, true)
	crashed := copied(t, s, Options{tick: make(chan time.Time)})
	same("after a crash", crashed, true)
	path := crashed.path
	if err := crashed.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Check(context.Background(), path, CheckOptions{}); err != nil || len(r.Findings) > 0 {
		t.Errorf("a check finds %+v, %v", r.Findings, err)
	}
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	same("once all that is late is written", s, false)
	for n := range 12 {
		handle(5+n, fmt.Sprint("rule with a long name, so that few fill the room that there is for them: ", n))
	}
	if n := written(s); n <= 5 {
		t.Errorf("of many rules %d events are written", n)
	}
	same("of many rules", copied(t, s, Options{tick: make(chan time.Time)}), written(s) < 17)
}
