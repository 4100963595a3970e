package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// saboteur has the nth statement of the writer's connection fail, once.
type saboteur struct {
	mu   sync.Mutex
	left int        // statements until the fault; it is over at 0
	hit  *statement // that failed
	with error
	// lost has the statement run, and its answer be lost.
	lost bool
	// dead has every statement fail from then on.
	dead bool
	ran  []*statement
}

func (s *saboteur) due(what *statement) bool {
	if s.dead && s.hit != nil {
		return true
	}
	if s.left--; s.left != 0 {
		return false
	}
	s.hit = what
	return true
}

func (s *saboteur) before(what *statement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran = append(s.ran, what)
	if s.dead && s.hit != nil || !s.lost && s.due(what) {
		return s.with
	}
	return nil
}

func (s *saboteur) after(what *statement, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost && s.due(what) && err == nil {
		return s.with
	}
	return err
}

func (s *saboteur) aim(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.hit, s.ran = n, nil, nil
}

// struck is the statement that failed since aim; nil: none.
func (s *saboteur) struck() *statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hit
}

// dump is all that a store holds, but for what differs from run to run.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	late := newRequest("write what is late")
	late.late = true
	if err := s.submit(context.Background(), late, true); err != nil {
		t.Fatal(err)
	}
	err := s.snapshot(context.Background(), "dump", func(c *conn) error {
		var tables []string
		err := c.query(context.Background(), &statement{sql: "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"}, func(row []driver.Value) error {
			tables = append(tables, stringOf(row[0]))
			return nil
		})
		for _, table := range tables {
			err = errors.Join(err, c.query(context.Background(), &statement{sql: "SELECT * FROM " + table + " ORDER BY 1, 2"}, func(row []driver.Value) error {
				switch table {
				case "daemon":
					row[4] = nil // opened_at
					since, err := c.one(context.Background(), selectRulesSince)
					if err != nil {
						return err
					}
					row[slices.Index(row, since)] = nil
				case "counts":
					row[countTransactions] = nil
				}
				fmt.Fprintln(&b, table, row)
				return nil
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func inChat(id, chatID string) turn.Arrival {
	return turn.Arrival{Event: event.Event{ID: id, Type: "x", Source: event.SourceFile, Chat: &event.Chat{ID: chatID}}}
}

// acts are what is done to a store under sabotage, each as one transaction: whole or
// not at all. Two chats and two packs share a transaction.
var acts = []struct {
	name string
	do   func(*Store) error
}{
	{"append", func(s *Store) error {
		_, err := s.Append(context.Background(), []turn.Arrival{inChat("e1", "c1"), inChat("e2", "c2"), inChat("e1", "c1"), simple("e3")})
		return err
	}},
	{"commit", func(s *Store) error {
		return s.Commit(context.Background(), []turn.Transition{half(1, "p", "c1"), half(2, "q", "c2")})
	}},
	{"commit again", func(s *Store) error { // as after an answer that was lost; kv is read by nobody
		again := half(1, "p", "c1")
		again.Writes = nil
		return s.Commit(context.Background(), []turn.Transition{again})
	}},
	{"settle", func(s *Store) error {
		a := half(1, "p", "c1").Actions[0]
		a.Status = chat.Done
		return s.Commit(context.Background(), []turn.Transition{{Chat: &chat.Chat{ID: "c1", LastEvent: 1}, Actions: []chat.Action{a}}})
	}},
	{"quarantine", func(s *Store) error {
		return s.Quarantine(context.Background(), store.Quarantined{Source: "webhook", Body: []byte("?")})
	}},
	{"save a version", func(s *Store) error {
		return s.SaveVersion(context.Background(), store.Version{Pack: "p", Version: "v2", Since: time.Unix(1, 0), Files: []store.VersionFile{{Name: "a.lua", Bytes: []byte("x")}, {Name: "b.lua"}}})
	}},
	{"make it live", func(s *Store) error {
		return s.SetPackState(context.Background(), store.PackState{Pack: "p", Live: "v2"})
	}},
	{"keep what is pending", func(s *Store) error { return s.SetPendingKept(context.Background(), "p", "", true) }},
	{"keep what is pending of a version", func(s *Store) error { return s.SetPendingKept(context.Background(), "p", "v2", true) }},
	{"delete rules", func(s *Store) error { return s.SetRulesDeleted(context.Background(), "p", true) }},
	{"ignore files", func(s *Store) error { return s.SetIgnoreFile(context.Background(), []byte("*.tmp")) }},
	{"run a schedule and count a read", func(s *Store) error {
		return s.Commit(context.Background(), []turn.Transition{{
			Schedules:  []rules.ScheduleRun{{ScheduleID: rules.ScheduleID{Pack: "p", Rule: "r", Every: "1h"}, Done: time.Unix(1, 0)}},
			ReadCounts: []rules.ReadCount{{Pack: "p", Count: 1}}, ReadCalls: []rules.ReadCall{{Pack: "p", At: time.Unix(1, 0)}},
		}})
	}},
	{"change a list", func(s *Store) error {
		return s.ChangeList(context.Background(), store.ListChange{List: "vips", Version: 1, At: time.Unix(1, 0), By: "ana",
			Set: []store.MemberSet{{Member: "c1"}}, Remove: []string{"c2"}, RemovedAs: store.MemberRemoved})
	}},
	{"pause", func(s *Store) error { return s.SetPaused(context.Background(), true) }},
}

// half is what an event of a chat changes by a rule of a pack.
func half(seq int64, pack, id string) turn.Transition {
	a := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: id, Pack: pack, Status: chat.Waiting}
	timer := chat.Timer{Pack: pack, Name: "t", Seq: seq}
	return turn.Transition{
		Decision: &turn.Decision{Seq: seq, Rules: []turn.RuleDecision{{Pack: pack, Version: "v1", Rule: "r"}}},
		Chat:     &chat.Chat{ID: id, LastEvent: seq, Waiting: []chat.Action{a}, Timers: []chat.Timer{timer}},
		Actions:  []chat.Action{a}, Timers: []chat.TimerChange{{Timer: timer}},
		States: []turn.State{{Pack: pack, Chat: id, Value: json.RawMessage("1")}},
		Writes: []turn.KV{{Pack: pack, Key: "k", Value: json.RawMessage(fmt.Sprint(seq))}},
		Append: []turn.Arrival{inChat("caused by "+id, id)},
	}
}

// realFull is an error of SQLite's that says that the disk is full.
func realFull(t *testing.T) error {
	t.Helper()
	c, err := connect(t.Context(), filepath.Join(t.TempDir(), "full.db"), "rwc")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = c.script("CREATE TABLE t (x); PRAGMA max_page_count = 3; INSERT INTO t VALUES (zeroblob(100000));")
	if !storeFailed(err) {
		t.Fatalf("a full file gives %v", err)
	}
	return err
}

// TestEveryStatementMayFail: a call that reports success has happened and one that reports an error
// has not, whichever statement fails or loses its answer. Repeated, the call succeeds
// with the same result, and each entry is announced once.
func TestEveryStatementMayFail(t *testing.T) {
	t.Parallel()
	errs := map[string]error{"an error": errors.New("injected"), "a full disk": realFull(t)}
	base := t.TempDir()
	n := 0
	// start opens a copy of a store that was closed; "": a new one.
	start := func(of string, with error, lost bool) (*Store, *saboteur, *[]int64) {
		n++
		path := filepath.Join(base, fmt.Sprint(n, ".db"))
		if of != "" {
			b, err := os.ReadFile(of)
			if err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(t.Context(), path, Options{tick: make(chan time.Time), late: &lateSizes{events: 100, chats: 2, bytes: 1 << 20, rows: 2}})
		if err != nil {
			t.Fatal(err)
		}
		<-s.learned
		// A group is due: each transaction begins it, or writes more of it.
		late := make([]turn.Transition, 4)
		for i := range late {
			late[i].Chat = &chat.Chat{ID: fmt.Sprint("late ", i)}
		}
		if err := s.Commit(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		announced := &[]int64{}
		s.Journaled(func(list []turn.Entry) {
			for _, e := range list {
				*announced = append(*announced, e.Seq)
			}
		})
		unsynced(t, s)
		sab := &saboteur{with: with, lost: lost}
		s.writer.conn.faults = sab
		return s, sab, announced
	}
	// What each act finds, leaves, runs and announces without any fault.
	found, want := []string{""}, []string{}
	var statements []int
	var announcedBy [][]int64
	for _, act := range acts {
		s, sab, announced := start(found[len(found)-1], nil, false)
		if len(want) == 0 {
			want = append(want, dump(t, s))
		}
		sab.aim(-1)
		if err := act.do(s); err != nil {
			t.Fatal(act.name, err)
		}
		statements = append(statements, len(sab.ran))
		announcedBy = append(announcedBy, *announced)
		want = append(want, dump(t, s))
		if want[len(want)-1] == want[len(want)-2] && act.name != "commit again" {
			t.Fatalf("%s changes nothing", act.name)
		}
		found = append(found, s.path)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}

	all := slices.Concat(announcedBy...)
	last := all[len(all)-1]
	faults, struck := 0, map[*statement]bool{}
	for name, with := range errs {
		for _, lost := range []bool{false, true} {
			for at, act := range acts {
				for nth := 1; nth <= statements[at]; nth++ {
					s, sab, announced := start(found[at], with, lost)
					sab.aim(nth)
					err := act.do(s)
					hit := sab.struck()
					if hit == nil { // it only reads, and its answer is not lost
						s.Close()
						continue
					}
					faults++
					struck[hit] = true
					sab.aim(-1)
					what := fmt.Sprintf("%s, %s (answer lost: %t) in statement %d, %s", act.name, name, lost, nth, hit.sql)
					if err != nil && dump(t, s) != want[at] {
						t.Errorf("%s: it reported %v, and left\n%s\nwant\n%s", what, err, dump(t, s), want[at])
					}
					if err == nil && dump(t, s) != want[at+1] {
						t.Errorf("%s: it reported success, and left\n%s\nwant\n%s", what, dump(t, s), want[at+1])
					}
					rest := acts[at+1:]
					if err != nil {
						rest = acts[at:]
					}
					for _, after := range rest {
						if err := after.do(s); err != nil {
							t.Errorf("%s: then %s fails: %v", what, after.name, err)
						}
					}
					if got := dump(t, s); got != want[len(want)-1] {
						t.Errorf("%s: in the end there is\n%s\nwant\n%s", what, got, want[len(want)-1])
					}
					if wantAnnounced := slices.Concat(announcedBy[at:]...); !slices.Equal(*announced, wantAnnounced) || s.LastSeq() != last {
						t.Errorf("%s: announced %v, last %d; want %v, last %d", what, *announced, s.LastSeq(), wantAnnounced, last)
					}
					s.Close()
					if t.Failed() {
						return
					}
				}
			}
		}
	}
	for _, what := range []*statement{updateChat, insertChat, deleteLate, setLateSeq, insertLate} {
		if !struck[what] {
			t.Errorf("no fault was injected in %s", what.sql)
		}
	}
	if faults < 100 {
		t.Errorf("%d faults were injected, want 100 at least", faults)
	}
	t.Logf("%d faults", faults)
}

// TestCommitInDoubtIsResolvedBeforeTheNext: a transaction of which it is not known whether it was kept is
// reported as failed, and no other begins before it is known. Its entries are
// announced then.
func TestCommitInDoubtIsResolvedBeforeTheNext(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	var announced []string
	s.Journaled(func(list []turn.Entry) {
		for _, e := range list {
			announced = append(announced, fmt.Sprint(e.Seq, " ", e.Event.ID))
		}
	})
	sab := &saboteur{with: realFull(t), lost: true, dead: true}
	s.writer.conn.faults = sab
	for nth := 1; ; nth++ {
		sab.aim(nth)
		if _, err := s.Append(t.Context(), []turn.Arrival{simple("e1")}); err == nil {
			t.Fatal("COMMIT's answer was not lost")
		}
		if sab.struck() == commit {
			break
		}
		sab.aim(-1)
	}
	if len(announced) > 0 || s.LastSeq() != 0 {
		t.Errorf("announced %v while the outcome is unknown", announced)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e2")}); err == nil {
		t.Error("another transaction began meanwhile")
	}
	sab.aim(-1)
	receipts, err := s.Append(t.Context(), []turn.Arrival{simple("e1"), simple("e2")})
	if err != nil || !receipts[0].Duplicate || receipts[0].Seq != 1 || receipts[1].Duplicate || receipts[1].Seq != 2 {
		t.Errorf("once it is known: %+v, %v", receipts, err)
	}
	if got := strings.Join(announced, ", "); got != "1 e1, 2 e2" {
		t.Errorf("announced %s", got)
	}
}

// TestWeightIsTheNumberOfRowsWritten: a request's weight is how many rows its statements write, and its
// bytes are what they hold.
func TestWeightIsTheNumberOfRowsWritten(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	<-s.learned
	sab := &saboteur{}
	s.writer.conn.faults = sab
	rows := func() (n int) {
		sab.mu.Lock()
		defer sab.mu.Unlock()
		for _, what := range sab.ran {
			if verb, _, _ := strings.Cut(what.sql, " "); (verb == "INSERT" || verb == "UPDATE" || verb == "DELETE") &&
				!slices.Contains([]*statement{addToCounts, countVersion, countRule, countVeto, insertLate, deleteLate, setLateSeq, insertPending, deletePending}, what) {
				n++
			}
		}
		return n
	}
	check := func(r *request, bytes int) {
		t.Helper()
		sab.aim(-1)
		if err := s.submit(t.Context(), r, true); err != nil {
			t.Fatal(err)
		}
		if err := s.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); r.weight != got {
			t.Errorf("%s: weight %d, and %d statements write", r.doing, r.weight, got)
		}
		if r.bytes < bytes || r.bytes > bytes+2000 {
			t.Errorf("%s: %d bytes, want about %d", r.doing, r.bytes, bytes)
		}
	}
	big := inChat("e1", "c1")
	big.Event.Raw = json.RawMessage(`"` + strings.Repeat("x", 50_000) + `"`)
	list, err := prepareArrivals([]turn.Arrival{big, inChat("e2", "c2")})
	if err != nil {
		t.Fatal(err)
	}
	check(newRequest("append", step{arrivals: list}), 50_000)
	steps := make([]step, 2)
	for i, tr := range []turn.Transition{half(1, "p", "c1"), half(2, "q", "c2")} {
		tr.States[0].Value = json.RawMessage(`"` + strings.Repeat("y", 10_000) + `"`)
		tr.Writes[0].Value = json.RawMessage(`"` + strings.Repeat("z", 10_000) + `"`)
		tr.Actions[0].Reason = strings.Repeat("r", 10_000)
		if err := steps[i].encode(&tr); err != nil {
			t.Fatal(err)
		}
	}
	check(newRequest("commit", steps...), 60_000)
}

// TestTransactionsAreBounded: a transaction takes the requests that wait, in their order, up to its
// limits of rows and of bytes; one that exceeds them is the last.
func TestTransactionsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		weight int
		bytes  int
		want   int // of 100 that wait, and the first
	}{
		{"small ones go together", 1, 100, 101},
		{"rows are bounded", maxWeight / 4, 100, 4},
		{"one row less needs another", maxWeight/4 - 1, 100, 5},
		{"bytes are bounded", 1, maxBytes / 4, 4},
		{"one byte less needs another", 1, maxBytes/4 - 1, 5},
		{"a large one goes alone", maxWeight, 0, 1},
		{"a heavy one goes alone", 1, maxBytes, 1},
	} {
		w := &writer{queue: make(chan *request, 100), syncer: newSyncer(nil)}
		var all []*request
		for range 101 {
			all = append(all, &request{weight: tc.weight, bytes: tc.bytes})
		}
		for _, r := range all[1:] {
			w.queue <- r
		}
		group, weight := w.gather([]*request{all[0]})
		if len(group) != tc.want || weight != tc.want*tc.weight || !slices.Equal(group, all[:len(group)]) {
			t.Errorf("%s: %d of weight %d, want %d in their order", tc.name, len(group), weight, tc.want)
		}
		if len(w.queue) != 101-len(group) {
			t.Errorf("%s: %d wait, want %d", tc.name, len(w.queue), 101-len(group))
		}
	}
	w := &writer{queue: make(chan *request), syncer: newSyncer(nil)}
	close(w.queue)
	if group, weight := w.gather([]*request{{weight: 3}}); len(group) != 1 || weight != 3 {
		t.Errorf("at the end: %d of weight %d", len(group), weight)
	}
}

// atCommit does something once, after the next COMMIT.
type atCommit struct{ do func() }

func (a *atCommit) before(*statement) error { return nil }

func (a *atCommit) after(what *statement, err error) error {
	if do := a.do; do != nil && what == commit {
		a.do = nil
		do()
	}
	return err
}
