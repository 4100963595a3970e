package sqlite

import (
	"reflect"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// beforeSchema22 undoes what schema 22 and later ones have added.
const beforeSchema22 = beforeSchema23 + `
DROP TABLE rule_totals;
DROP TABLE rule_vetoes;
ALTER TABLE counts DROP COLUMN rules_late;
ALTER TABLE daemon DROP COLUMN rules_since;
ALTER TABLE daemon DROP COLUMN rules_after;
`

// TestRulesOfSchema21CountFromTheUpgrade: the totals of an older store begin with the events
// after the upgrade. What becomes of reads of older events is not counted: nobody counted
// those.
func TestRulesOfSchema21CountFromTheUpgrade(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	read := func(seq int64, status chat.Status) chat.Action {
		return chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: "c1", Pack: "p", Rule: "r", Status: status, Requested: someTime, Due: someTime}
	}
	handle := func(s *Store, id string) (seq int64) {
		t.Helper()
		receipts, err := s.Append(t.Context(), []turn.Arrival{inChat(id, "c1")})
		if err != nil {
			t.Fatal(err)
		}
		seq = receipts[0].Seq
		c := chat.Chat{ID: "c1", Waiting: []chat.Action{read(seq, chat.Waiting)}}
		d := &turn.Decision{Seq: seq, At: someTime, Rules: []turn.RuleDecision{{Pack: "p", Rule: "r", Asked: []string{"mark_read"}}}}
		if err := s.Commit(t.Context(), []turn.Transition{{Decision: d, Chat: &c, Actions: c.Waiting}}); err != nil {
			t.Fatal(err)
		}
		return seq
	}
	old := handle(s, "e1")
	upgraded := someTime.Add(time.Hour)
	s = reopen(t, s, beforeSchema22+"PRAGMA user_version = 21", Options{tick: make(chan time.Time), now: func() time.Time { return upgraded }})
	ended := read(old, chat.Done)
	ended.Ended = someTime
	if err := s.Commit(t.Context(), []turn.Transition{{Chat: &chat.Chat{ID: "c1"}, Actions: []chat.Action{ended}}}); err != nil {
		t.Fatal(err)
	}
	all, err := s.RuleTotals(t.Context())
	if err != nil || len(all.Rules) != 0 || !all.Since.Equal(upgraded.Truncate(time.Microsecond)) {
		t.Errorf("%v: after the upgrade %+v, want no rules since %v", err, all, upgraded)
	}
	handle(s, "e2")
	all, err = s.RuleTotals(t.Context())
	want := []store.RuleTotal{{Pack: "p", Rule: "r", Since: all.Since, Live: turn.RuleCounts{
		Matched: 1, Ran: 1, Requests: 1, Reads: 1, LastMatched: rowjson.Micros(someTime), LastRequested: rowjson.Micros(someTime),
	}}}
	if err != nil || !reflect.DeepEqual(all.Rules, want) {
		t.Errorf("%v: after another event\n got %+v\nwant %+v", err, all.Rules, want)
	}
	intact(t, s)
}
