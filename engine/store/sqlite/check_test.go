package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/rules/turn"
)

// TestCheckNamesWhatIsBroken: each fault of the tables is found, by the table that it is in
// and an example, and nothing else is.
func TestCheckNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct{ sql, where, example string }{
		{"INSERT INTO pending VALUES (99, 0)", "pending", "event 99"},
		{"INSERT INTO pending VALUES (1, 0)", "pending", "event 1"},
		{"DELETE FROM pending", "events", "event 2"},
		{"UPDATE pending SET slot = slot + 1 WHERE seq = 2", "pending", "event 2"},
		{"DELETE FROM seen WHERE seq = 2", "seen", "event 2"},
		{"UPDATE daemon SET late_seq = 3; UPDATE seen SET seq = 1 WHERE seq = 4", "seen", "event 4"},
		{"UPDATE daemon SET late_seq = 99", "daemon", "event 99"},
		{"UPDATE events SET decoded = '{' WHERE seq = 2", "events", "event 2"},
		{"UPDATE decisions SET actions = '[{' WHERE seq = 1", "decisions", "event 1"},
		{"UPDATE decisions SET rules = '{'", "decisions", "event 1"},
		{"DELETE FROM open_actions", "open_actions", "1.1"},
		{"INSERT INTO open_actions VALUES (1, 7, 'dead', 'read', 'c1', 'p', 'v1', 1, 0, 0)", "open_actions", "1"},
		{"UPDATE chats SET state = 'x' WHERE id = 'c1'", "chats", `"c1"`},
		{"UPDATE chats SET call_at = call_at + 1 WHERE id = 'c1'", "chats", `"c1"`},
		{"UPDATE chats SET timer_at = NULL WHERE id = 'c1'", "chats", `"c1"`},
		{"UPDATE chats SET hold_until = NULL WHERE id = 'c1'", "chats", `"c1"`},
		{"UPDATE decisions SET actions = replace(actions, '\"waiting\"', '\"done\"') WHERE seq = 1", "chats", `"c1"`},
		{"INSERT INTO late VALUES (99, '[{}')", "late", "row 99"},
		{"UPDATE counts SET events = events + 1", "counts", "events is 5, and there are 4"},
		{"UPDATE counts SET actions_dead = 3", "counts", "actions_dead is 3"},
		{"UPDATE states SET value = '{'", "states", `pack "p", chat "c1"`},
		{"UPDATE kv SET value = '{'", "kv", `pack "p", key "k"`},
		{"UPDATE kv_usage SET bytes = bytes + 1", "kv_usage", `pack "p"`},
		{"UPDATE timers SET payload = '{'", "timers", `timer "t"`},
		{"UPDATE packs SET live = 'gone'", "packs", `version "gone"`},
		{"UPDATE packs SET mode_under = '{'", "packs", `pack "p"`},
		{"UPDATE packs SET rule_modes = '['", "packs", `pack "p"`},
		{"UPDATE selection_holds SET began_seq = 99", "selection_holds", "hold 1"},
		{"UPDATE missed SET seq = 99", "missed", "event 99"},
		{"UPDATE list_members SET list = 'VIPS'", "list_members", `list "VIPS"`},
		{"UPDATE list_changes SET version = 7", "lists", `list "vips"`},
		{"UPDATE pack_files SET bytes = CAST('z' AS BLOB) WHERE n = 0", "pack_files", `pack "p", version "` + filledVersion},
		{"UPDATE rule_totals SET matched = 0, ran = 0", "rule_totals", `rule "p/r"`},
		{"DELETE FROM rule_totals", "rule_totals", `rule "p/r"`},
		{"UPDATE rule_totals SET failed = ran + 1", "rule_totals", `rule "p/r"`},
		{"UPDATE rule_totals SET \"read\" = reads + 1", "rule_totals", `rule "p/r"`},
		{"INSERT INTO rule_vetoes VALUES ('p', 'r', 'vip/hold', 3)", "rule_vetoes", `rule "p/r"`},
		{"DELETE FROM pack_files", "pack_files", `pack "p", version "` + filledVersion},
		{"DROP TABLE call_pauses", "tables", "table call_pauses"},
		{"DROP VIEW chat_details", "tables", "view chat_details"},
		{"ALTER TABLE kv ADD COLUMN more TEXT", "tables", "table kv"},
		{"DROP TRIGGER kv_updated", "triggers", "trigger kv_updated"},
		{"CREATE TRIGGER mine AFTER INSERT ON events BEGIN DELETE FROM pending; END", "triggers", "trigger mine"},
		{"DROP INDEX chats_call", "indexes", "index chats_call"},
		{"DELETE FROM daemon", "tables", "table daemon"},
		{"DELETE FROM counts", "tables", "table counts"},
		{"DELETE FROM events WHERE seq = 1", "events", "event 1"},
		{"DELETE FROM events WHERE seq = 2; DELETE FROM pending WHERE seq = 2", "counts", "events is 4, and there are 3"},
	} {
		t.Run(fault.sql, func(t *testing.T) {
			t.Parallel()
			s, _ := filled(t)
			path := s.path
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			sound(t, path)
			alter(t, path, fault.sql)
			r, err := Check(t.Context(), path, CheckOptions{})
			if err != nil {
				t.Fatal(err)
			}
			named := false
			for _, f := range r.Findings {
				named = named || f.Where == fault.where && strings.Contains(f.What, fault.example)
				if f.Fix == "" {
					t.Errorf("no fix of %+v", f)
				}
				if strings.HasPrefix(fault.sql, "DELETE FROM events") && f.Fix == fixFollows {
					t.Errorf("an event is lost, and the fix says that none is: %+v", f)
				}
			}
			if !named {
				t.Errorf("found %+v", r.Findings)
			}
		})
	}
}

// TestCheckAcceptsWhatAnOperatorAdds: an index and a view of somebody's own change nothing.
func TestCheckAcceptsWhatAnOperatorAdds(t *testing.T) {
	t.Parallel()
	path, _ := backedUp(t)
	alter(t, path, "CREATE INDEX mine ON events (received_at); CREATE VIEW my_events AS SELECT id FROM events; ANALYZE")
	sound(t, path)
}

// sound fails the test if a check finds anything.
func sound(t *testing.T, path string) {
	t.Helper()
	r, err := Check(t.Context(), path, CheckOptions{})
	if err != nil || len(r.Findings) > 0 || r.Partly != "" {
		t.Errorf("check of %s: %+v, %v", path, r, err)
	}
}

// alter runs SQL on a store that nobody has open.
func alter(t *testing.T, path, sql string) {
	t.Helper()
	c, err := connect(t.Context(), path, "rw")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.script(sql); err != nil {
		t.Fatal(err)
	}
}

// reopen opens a store again, altered by SQL while it was closed, until the test ends.
func reopen(t *testing.T, s *Store, sql string, o Options) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, s.path, sql)
	s, err := Open(t.Context(), s.path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestCheckFindsNothingWhileLateRowsAreWritten: a group of late rows takes several
// transactions, and a check may come between any two of them.
func TestCheckFindsNothingWhileLateRowsAreWritten(t *testing.T) {
	t.Parallel()
	s := openWith(t, Options{tick: make(chan time.Time), readers: 2, late: &lateSizes{events: 20, chats: 20, bytes: 1 << 20, rows: 1}})
	between := 0
	for i := range 60 {
		if _, err := s.Append(t.Context(), []turn.Arrival{inChat(fmt.Sprint("e", i), "c1")}); err != nil {
			t.Fatal(err)
		}
		var early int64 // events whose ids are written before late_seq has them
		err := s.snapshot(t.Context(), "look", func(c *conn) error {
			v, err := c.one(t.Context(), onlyChecked("SELECT count(*) FROM seen WHERE seq > (SELECT late_seq FROM daemon)"))
			early = intOf(v)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if early == 0 {
			continue
		}
		between++
		r, err := Check(t.Context(), s.path, CheckOptions{Quick: true})
		if err != nil || len(r.Findings) > 0 {
			t.Fatalf("after event %d: %+v, %v", i, r, err)
		}
		sound(t, s.path)
	}
	if between < 3 {
		t.Fatalf("%d checks between the transactions of a group prove nothing", between)
	}
}

// TestCheckOfAnOpenStore: a check sees what a daemon has written up to then, in its WAL as
// well, and the store works on, with its files as they were.
func TestCheckOfAnOpenStore(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	for i := range 3 {
		sound(t, s.path)
		if _, err := s.Append(t.Context(), []turn.Arrival{inChat(fmt.Sprint("new", i), "c1")}); err != nil {
			t.Fatal(err)
		}
		if err := s.writer.files.check(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckOfCandidatesThatCountAsShadow: an older chertd counted what a candidate did as if
// the rule was in shadow, and a rule that ran as both on an event once.
func TestCheckOfCandidatesThatCountAsShadow(t *testing.T) {
	t.Parallel()
	s := openWith(t, Options{})
	receipts, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "c1")})
	if err != nil {
		t.Fatal(err)
	}
	run := turn.RuleDecision{Pack: "p", Version: "v1", Rule: "r", Shadow: true, Steps: 7}
	beside := run
	beside.Version, beside.Candidate = "v2", true
	d := &turn.Decision{Seq: receipts[0].Seq, At: someTime, Rules: []turn.RuleDecision{run, beside}}
	if err := s.Commit(t.Context(), []turn.Transition{{Decision: d}}); err != nil {
		t.Fatal(err)
	}
	all, err := s.RuleTotals(t.Context())
	if err != nil || len(all.Rules) != 1 || all.Rules[0].Pack != "p" || all.Rules[0].Shadow.Matched != 1 || all.Rules[0].Candidate.Matched != 1 || all.Rules[0].Live != (turn.RuleCounts{}) {
		t.Fatalf("the totals are %+v, %v", all, err)
	}
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
	const forget = `DELETE FROM rule_totals; UPDATE counts SET rules_late = NULL;`
	alter(t, path, forget+` INSERT INTO rule_totals (pack, rule, shadow, matched, ran, steps) VALUES ('p', 'r', 1, 1, 1, 14)`)
	sound(t, path)
	alter(t, path, forget)
	if r, err := Check(t.Context(), path, CheckOptions{}); err != nil || len(r.Findings) != 1 || r.Findings[0].Where != "rule_totals" {
		t.Errorf("without totals: %+v, %v", r, err)
	}
}
