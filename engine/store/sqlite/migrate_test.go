package sqlite

import (
	"database/sql/driver"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// fill1 is what a chertd that knew only version 1 could have left: an action
// and a timer that wait, and an event that is not handled.
const fill1 = `
INSERT INTO meta VALUES ('last_seq', 3);
INSERT INTO events (seq, id, type, source, slot, depth, chat_id, decoded) VALUES (3, 'e3', 'x', 'file', 1, 0, 'c1', '{"chat": {}}');
INSERT INTO seen VALUES ('e3', 3);
INSERT INTO pending VALUES (3, 1);
INSERT INTO actions (event_seq, n, chat_id, kind, status, pack, version, rule, place, even_if_newer, depth, attempts, code, http)
	VALUES (1, 0, 'c1', 'read', 'waiting', 'codes', 'v1', 'r', 'codes.lua:1', 0, 0, 0, 0, 0),
	       (2, 0, 'c2', 'read', 'done', 'codes', 'v1', 'r', 'codes.lua:1', 0, 0, 0, 0, 0);
INSERT INTO timers VALUES ('c3', 'codes', 'again', 'v0', 1767614400000000, NULL, 2, 1, 0, 0);
INSERT INTO chats (id, last_event_seq, veto_seq, unasked_seq, read_through_seq, retry_attempts) VALUES ('c1', 1, 0, 0, 0, 0);
INSERT INTO states VALUES ('codes', 'c1', '{"n": 1}');
`

// TestMigrationFromVersion1: a store of version 1 is migrated with all that it holds, and what version
// 2 adds works on it.
func TestMigrationFromVersion1(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "chertd.db")
	c, err := connectWriter(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(ctx, c, path, migrations[:1]); err != nil {
		t.Fatal(err)
	}
	if err := c.script(fill1); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.read(ctx, "read the version", func(c *conn) error {
		v, err := c.one(ctx, readVersion)
		if v != int64(len(migrations)) {
			t.Errorf("the schema is version %v, want %d", v, len(migrations))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if got, err := s.Concerned(ctx, "codes", ""); err != nil || !reflect.DeepEqual(got, []string{"c1", "c3"}) {
		t.Errorf("chats in which codes has something that waits: %v, %v", got, err)
	}
	if got, err := s.State(ctx, "codes", "c1"); err != nil || string(got) != `{"n": 1}` {
		t.Errorf("state %s, %v", got, err)
	}
	if err := s.SaveVersion(ctx, store.Version{Pack: "codes", Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, []turn.Transition{{
		Decision: &turn.Decision{Seq: 3, Rules: []turn.RuleDecision{{Pack: "codes", Version: "v1", Rule: "r"}}},
		Chat:     &chat.Chat{ID: "c1", LastEvent: 3},
	}}); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := s.Version(ctx, "codes", "v1"); v.Events != 1 || !ok || err != nil {
		t.Errorf("version %+v, %t, %v; want one event", v, ok, err)
	}
	if got := s.LastSeq(); got != 3 {
		t.Errorf("last sequence %d, want 3", got)
	}
	intact(t, s)
}

// TestConcernedUsesItsIndexes: it reads only what is open and what is postponed, however much is done.
func TestConcernedUsesItsIndexes(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	plan := ""
	err := s.read(t.Context(), "explain", func(c *conn) error {
		return c.query(t.Context(), &statement{sql: "EXPLAIN QUERY PLAN " + selectConcerned.sql}, func(row []driver.Value) error {
			plan += stringOf(row[3]) + "\n"
			return nil
		}, "codes", "")
	})
	if err != nil || !strings.Contains(plan, "SCAN chats USING INDEX chats_waiting") || !strings.Contains(plan, "chats USING INDEX chats_postponed") {
		t.Errorf("%v, the plan is:\n%s", err, plan)
	}
}

// TestMigrationForgetsUncertainGroups: a 0 of version 4 may stand for an event that did not say whether its
// chat is a group, so that only a 1 is kept.
func TestMigrationForgetsUncertainGroups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "chertd.db")
	c, err := connectWriter(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(ctx, c, path, migrations[:4]); err != nil {
		t.Fatal(err)
	}
	if err := c.script(`INSERT INTO chats (id, last_event_seq, veto_seq, unasked_seq, read_through_seq, retry_attempts, is_group)
		VALUES ('zero', 1, 0, 0, 0, 0, 0), ('one', 1, 0, 0, 0, 0, 1);`); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id, want := range map[string]event.Truth{"zero": event.Unknown, "one": event.True} {
		if c, err := OneChat(s.Chats(ctx, []string{id})); err != nil || c.IsGroup != want {
			t.Errorf("chat %s is a group: %d, %v; want %d", id, c.IsGroup, err, want)
		}
	}
	intact(t, s)
}
