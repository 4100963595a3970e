package sqlite

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Rows that schema 11 has written, and what it left late at a crash, read as what they were,
// by the store and by the views.
func TestRowsOfSchema11AreRead(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	if _, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "c1"), inChat("e2", "c2"), inChat("e3", "c3")}); err != nil {
		t.Fatal(err)
	}
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := connect(t.Context(), path, "rw")
	if err != nil {
		t.Fatal(err)
	}
	const micros = 1767614400000000
	err = c.script(fmt.Sprintf(`
INSERT INTO decisions (seq, at, failed, next_n, rules, actions) VALUES
 (1, %[1]d, 0, 1, '[{"pack":"codes","version":"aa","rule":"r","place":"codes.lua:1"}]',
  '[{"n":0,"kind":"read","status":"done","why":"read","pack":"codes","version":"aa","rule":"r","place":"codes.lua:1","requested_at":%[1]d,"due_at":%[1]d,"ended_at":%[1]d,"covers_seq":1}]'),
 (2, %[1]d, 0, 1, NULL, '[{"n":0,"kind":"read","status":"waiting","pack":"p","version":"bb","rule":"r","requested_at":%[1]d}]');
INSERT INTO chats (id, line, last_seq, state) VALUES ('c1', '+1', 1, '{"id":"c1","line":"+1","is_group":false,"last_seq":1,"last_message_id":"m1","recent_messages":{"newest":["m1","x"]}}');
INSERT INTO late (n, chats) VALUES (1, '[{"id":"c2","last_seq":2,"last_event_seq":2,"waiting":[[2,0]]}]');
INSERT INTO late (n, chats) VALUES (2, '[{"chat_id":"c3","line":"+3","last_seq":3,"state":{"last_message_seq":0}}]');
DROP TABLE log_cursors;
DROP TABLE early_events;
DROP TABLE line_stops;
%[2]s
PRAGMA user_version = 11`, micros, beforeSchema15))
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.UnixMicro(micros).UTC()
	waiting := chat.Action{ID: chat.ActionID{Seq: 2}, Kind: chat.Read, Chat: "c2", Pack: "p", Version: "bb", Rule: "r", Status: chat.Waiting, Requested: at}
	done := chat.Action{ID: chat.ActionID{Seq: 1}, Kind: chat.Read, Chat: "c1", Pack: "codes", Version: "aa", Rule: "r", Place: "codes.lua:1",
		Status: chat.Done, Why: chat.WhyRead, Requested: at, Due: at, Ended: at, Covers: 1}
	want := []chat.Chat{
		{ID: "c1", Line: "+1", IsGroup: event.False, Newest: 1, LastMessage: "m1", Recent: chat.Messages{Newest: []string{"m1", "x"}}},
		{ID: "c2", Newest: 2, LastEvent: 2, Waiting: []chat.Action{waiting}},
		{ID: "c3", Line: "+3", Newest: 3, LastEvent: 3},
	}
	got, err := s.Chats(t.Context(), []string{"c1", "c2", "c3"})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	actions, err := s.Actions(t.Context(), store.ActionFilter{})
	if err != nil || !reflect.DeepEqual(actions, []chat.Action{waiting, done}) {
		t.Errorf("%v\n got %+v\nwant %+v", err, actions, []chat.Action{waiting, done})
	}
	sameInView(t, s, waiting, done)
	var events []int64
	for _, row := range query(t, s, `SELECT last_event_seq FROM chat_details ORDER BY id`) {
		events = append(events, intOf(row[0]))
	}
	if !slices.Equal(events, []int64{0, 2, 3}) {
		t.Errorf("chat_details has the last events %v, want 0, 2, 3", events)
	}
}

// The view actions shows each action as it is, whether its row refers to a rule of the
// decision or names the rule itself.
func TestViewShowsActionsAsTheyAre(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	if _, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "c1")}); err != nil {
		t.Fatal(err)
	}
	at := time.UnixMicro(1767614400000000).UTC()
	all := []chat.Action{
		{Kind: chat.Read, Chat: "c1", Covers: 1, Requested: at, Due: at, Status: chat.Waiting},
		{Kind: chat.Read, Chat: "c2", Covers: 0, Requested: at, Due: at.Add(time.Second), Status: chat.Waiting},
		{Kind: chat.Send, Chat: "c1", Requested: at.Add(time.Second), Due: at.Add(time.Second), Status: chat.Dead, Why: "refused", Body: []byte(`{"a": 1}`)},
		{Kind: chat.Read, Chat: "c1", Requested: at.Add(time.Second), Due: at, Status: chat.Done, Why: chat.WhyRead, Called: at.Add(time.Second), Ended: at.Add(1500 * time.Millisecond)},
		{Kind: chat.Read, Chat: "c1", Requested: at, Due: at, Status: chat.Done, Why: chat.WhyCoalesced, EndedBy: chat.Ender{Seq: 7}},
		{Kind: chat.Read, Chat: "c1", Requested: at, Due: at, Status: chat.Dropped, Why: chat.WhyVetoed, EndedBy: chat.Ender{Seq: 1, By: "vip/v"}},
		{Kind: chat.Read, Chat: "c1", Requested: at, Due: at, Status: chat.Dropped, Why: chat.WhyHeld, EndedBy: chat.Ender{By: "operator"}},
	}
	for i := range all {
		all[i].ID = chat.ActionID{Seq: 1, N: i}
		all[i].Pack, all[i].Version, all[i].Rule, all[i].Place = "codes", "aa", "r", "codes.lua:1"
	}
	all[3].Rule = "another" // the decision does not name it
	rules := []turn.RuleDecision{{Pack: "vip", Version: "bb", Rule: "v"}, {Pack: "codes", Version: "aa", Rule: "r", Place: "codes.lua:1"}}
	err := s.Commit(t.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: 1, At: at, Rules: rules}, Chat: &chat.Chat{ID: "c1", Newest: 1}, Actions: all}})
	if err != nil {
		t.Fatal(err)
	}
	sameInView(t, s, all...)
	got, err := s.Actions(t.Context(), store.ActionFilter{})
	slices.Reverse(got)
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, all)
	}
}

// query returns the rows of a query.
func query(t *testing.T, s *Store, sql string, args ...driver.Value) (all [][]driver.Value) {
	t.Helper()
	err := s.read(t.Context(), "query", func(c *conn) error {
		return c.query(t.Context(), &statement{sql: sql}, func(row []driver.Value) error {
			all = append(all, slices.Clone(row))
			return nil
		}, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameInView compares actions with what the view actions shows of them.
func sameInView(t *testing.T, s *Store, all ...chat.Action) {
	t.Helper()
	for i := range all {
		a := &all[i]
		got := query(t, s, `SELECT kind, status, why, chat_id, pack, version, rule, place, requested_at, due_at, called_at, ended_at, ended_by, ended_seq, covers_seq, body
			FROM actions WHERE event_seq = ? AND n = ?`, a.ID.Seq, int64(a.ID.N))
		var endedSeq driver.Value
		if a.EndedBy != (chat.Ender{}) {
			endedSeq = a.EndedBy.Seq
		}
		want := []driver.Value{string(a.Kind), string(a.Status), optional(a.Why), a.Chat, a.Pack, a.Version, a.Rule, optional(a.Place),
			micros(a.Requested), micros(a.Due), micros(a.Called), micros(a.Ended), optional(a.EndedBy.By), endedSeq, a.Covers, optionalJSON(a.Body)}
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("the view has %v of action %s, want %v", got, a.ID, want)
		}
	}
}
