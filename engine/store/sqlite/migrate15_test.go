package sqlite

import (
	"reflect"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// What was dead before schema 15 is found by its code, and has no attempts but its last one.
func TestDeadActionsOfSchema13HaveTheirCodes(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	if _, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "c1")}); err != nil {
		t.Fatal(err)
	}
	action := func(n int, status chat.Status, http, code int) chat.Action {
		return chat.Action{ID: chat.ActionID{Seq: 1, N: n}, Kind: chat.Read, Chat: "c1", Pack: "codes", Status: status,
			Why: "x", Requested: someTime, Due: someTime, Ended: someTime, Attempts: 1, HTTP: http, Code: code, Error: "an error"}
	}
	all := []chat.Action{action(0, chat.Dead, 404, 2002), action(1, chat.Dead, 0, 0), action(2, chat.Blocked, 503, 4002), action(3, chat.Dead, 404, 2002)}
	if err := s.Commit(t.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: 1, At: someTime}, Chat: &chat.Chat{ID: "c1", Newest: 1}, Actions: all}}); err != nil {
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
	err = c.script(beforeSchema15 + `PRAGMA user_version = 14`)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), path, Options{tick: make(chan time.Time)}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	groups, err := s.DeadGroups(t.Context(), store.DeadFilter{})
	if want := []store.DeadGroup{{HTTP: 404, Code: 2002, Count: 2}, {Count: 1}}; err != nil || !reflect.DeepEqual(groups, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, groups, want)
	}
	code := 2002
	dead, err := s.Dead(t.Context(), store.DeadFilter{Code: &code}, 9)
	if want := []chat.Action{all[3], all[0]}; err != nil || !reflect.DeepEqual(dead, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, dead, want)
	}
}

// beforeSchema19 undoes what schema 19 and later ones have added.
const beforeSchema19 = beforeSchema20 + `
DROP INDEX quarantine_event;
ALTER TABLE quarantine DROP COLUMN event_id;
ALTER TABLE quarantine DROP COLUMN truncated;
DROP TABLE left_quarantine;
`

// beforeSchema16 undoes what schema 16 and later ones have added.
const beforeSchema16 = beforeSchema19 + `
ALTER TABLE decisions DROP COLUMN took;
DROP TABLE learned_rates;
DROP TABLE scrub;
DROP TABLE unsupported_lines;
`

// beforeSchema15 undoes what schema 15 and later ones have added.
const beforeSchema15 = beforeSchema16 + `
DROP TABLE attempts;
DROP INDEX open_actions_dead;
ALTER TABLE open_actions DROP COLUMN code;
ALTER TABLE open_actions DROP COLUMN http;
`
