package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// samples are arguments for every statement that is not costly, with which it
// is run on a small and on a large store. They name what is in both: see fill.
var samples = map[*statement][]driver.Value{
	begin: nil, beginWrite: nil, commit: nil, rollback: nil, // not run
	copyWAL: nil, truncateWAL: nil, quickCheck: nil, readApplication: nil, readVersion: nil, readJournalMode: nil, readSynchronous: nil,

	noteOpened:     {int64(1)},
	noteProbed:     {int64(1)},
	setClockOffset: {int64(1)}, selectClockOffset: nil,
	setPaused: {int64(1)}, selectPaused: nil,

	selectLastSeq: {},
	selectMaxSeq:  {},
	selectNewIDs:  {int64(1 << 40)}, selectLastDays: {int64(1 << 40)},
	selectCounts: {}, selectTransactions: {},
	addToCounts: {int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), nil},

	insertSeen:    {"new", int64(1 << 40)},
	selectSeen:    {"event 5"},
	selectSeenIDs: {"event 5", int64(10)},
	selectChatIDs: {"chat 5", int64(10)},
	insertEvent:   append([]driver.Value{int64(1 << 40), "new", "x", "webhook", nil, nil, "chat 5", nil, nil, nil, int64(5), nil, nil, int64(0)}, make([]driver.Value, 5)...),
	insertPending: {int64(1 << 40), int64(5)},
	deletePending: {int64(5)},
	insertLate:    {int64(1 << 40), "[]"},
	deleteLate:    {int64(5)},
	setLateSeq:    {int64(5)}, selectLateSeq: {},

	selectEntriesAfter: {int64(5), int64(50), int64(10)}, selectReceivedFrom: {int64(5)}, selectFirstSeq: {},

	selectPending:        {int64(0), int64(1), int64(0), int64(10)},
	selectNewPending:     {int64(0), int64(1), int64(0), int64(10)},
	selectChatNewPending: {"lone chat"},
	selectChatPending:    nil, // looks at all that wait
	selectLateEvents:     {int64(1 << 40)},
	selectRecords:        {int64(50), int64(10)},
	selectRecord:         {int64(5)},
	selectNewest:         {"chat 5"},
	selectActions:        {int64(5)},
	selectChatOf:         {int64(5)},
	insertQuarantine:     {int64(1), "webhook", "x", nil, []byte("body"), int64(0), []byte("sum"), "event 5", "body 5", "event 5"},

	insertDecision: {nil, nil, int64(0), int64(0), nil, nil, nil, int64(1 << 40), nil, nil, nil},
	updateDecision: {nil, nil, int64(0), int64(0), nil, nil, nil, int64(5), nil, nil, nil},
	updateActions:  {"[]", int64(5)},
	upsertOpen:     {int64(5), int64(0), "dead", "read", "chat 5", "pack", "v", int64(5), int64(2002), int64(404)},
	deleteOpen:     {int64(5), int64(0)},
	upsertAttempt:  {int64(5), int64(0), int64(2), int64(1), nil, nil, int64(404), int64(2002), "trace", "x"},
	deleteAttempt:  {int64(5), int64(0), int64(1)}, selectAttempts: {int64(5), int64(0)},
	selectDeadAfter: {nil, nil, nil, int64(5), int64(0), int64(10)},
	updateChat:      sampleChat,
	insertChat:      sampleChat,
	upsertTimer:     {"chat 5", "pack", "timer", "v", int64(5), nil, int64(5), int64(0), int64(0), int64(0), "rule"},
	deleteTimer:     {"chat 5", "pack", "timer", int64(5), int64(0)},
	upsertState:     {"pack", "chat 5", "1"},
	deleteState:     {"pack", "chat 5"},

	selectChat:      {"chat 5"},
	selectChatKnown: {"chat 5"},
	selectHolds:     {int64(5), int64(20)},
	selectPostponed: {int64(5), int64(20)},
	selectState:     {"pack", "chat 5"},
	selectCallsDue:  {int64(0), "", int64(10), "+1"},
	selectTimersDue: {int64(0), "", int64(10)},

	selectVersion: {"pack", "key 5", int64(0)},
	selectLive:    {"pack", "key 5", int64(0)},
	selectUsage:   {"pack"},
	selectExpired: {"pack", int64(10)},
	selectValue:   {"pack", "key 5"},
	upsertKV:      {"pack", "key 5", "1", nil, int64(2)},
	selectKV:      {"pack", "key 5"},
	selectKVs:     {"pack", "key 5", "key 6", int64(0), int64(5)},
	selectKVsUp:   {"pack", "key 5", nil, int64(0), int64(5)},

	upsertMissed:  {"pack", int64(5), "chat 5", int64(5), int64(5), "v", "failed", int64(1), nil, nil, int64(1)},
	deleteMissed:  {"pack", int64(5)},
	selectMissed:  {"pack", int64(5), int64(0), int64(1), int64(0), int64(10)},
	selectVetoes:  {"chat 5"},
	selectBlocked: {"chat 5"},

	insertVersionFile: {"pack", "v2", int64(0), "a.lua", "rules", []byte("x")},
	upsertVersion:     {"pack", "v", nil, int64(1), int64(1), int64(0), int64(0), nil, int64(0)},
	countCompared:     {"pack", "v", "", "agreed", int64(1), int64(1)},
	selectCompared:    {"pack", "v", ""},
	selectDifferences: {"pack", "v", "", int64(100)},
	insertDifference:  {"pack", int64(1), "v", "", "veto"},
	pruneDifferences:  {"pack", int64(100)},
	countRule:         {"pack", "rule", int64(0), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1)},
	countVeto:         {"pack", "rule", "vip/hold", int64(1)},
	insertRule:        {"pack", "new", int64(1)},
	selectRulesSince:  {}, selectRulesAfter: {}, selectRulesLate: {},
	countVersion:          {int64(1), int64(0), "pack", "v"},
	selectVersionsLike:    {"pack", "v", "w"},
	selectVersionFiles:    {"pack", "v"},
	upsertPack:            {"pack", nil, nil, nil, nil, nil, nil, nil, int64(0), int64(0), nil, int64(1000), nil, int64(0), "anna", nil, nil, int64(5), nil, nil},
	setPackPendingKept:    {"pack", int64(1)},
	setRulesDeleted:       {"pack", int64(0)},
	setVersionPendingKept: {int64(1), "pack", "v"},
	selectIgnoreFile:      {}, upsertIgnoreFile: {[]byte("x")}, deleteIgnoreFile: {},
	deletePack:            {"pack"},
	selectQuarantineAfter: {int64(0), int64(10)},
	selectLogCursor:       {"log"}, upsertLogCursor: {"log", int64(1)},
	insertEarly: {"early 5", "x", "webhook", int64(1), []byte("{}")}, selectEarly: {int64(0), int64(10)}, countEarly: {}, deleteEarly: {int64(1)},
	upsertCallPause: {"credential", int64(1), int64(2), nil},
	selectCallPause: {"credential"},
	upsertLineStop:  {"credential", "line", int64(1), int64(4001), int64(502), nil, nil}, deleteLineStop: {"credential", "line"}, selectLineStops: {"credential"},
	upsertLearnedRate:  {"credential", 4.8, 0.005, int64(1)},
	selectLearnedRate:  {"credential"},
	upsertSchedule:     {"pack", "rule 5", "1h", int64(5), nil},
	deleteSchedule:     {"pack", "rule 5", "1h"},
	selectSchedule:     {"pack", "rule 5", "1h", int64(5)},
	selectAllMembers:   nil, // reads a whole list, at the start
	selectListMember:   {"list 5", "member 5"},
	selectListMembers:  {"list 5", "member 5", int64(10)},
	upsertList:         {"list 5", int64(5), int64(5)},
	selectListHistory:  {"list 5", int64(10)},
	selectOldChanges:   {"list 5", int64(10)},
	deleteListChange:   {"list 5", int64(5), "member 5"},
	deleteListMember:   {"list 5", "member 5"},
	upsertReadCount:    {"pack 5", int64(1), int64(300), int64(5)},
	selectReadCount:    {"pack 5"},
	upsertReadCall:     {"pack 5", int64(5), int64(1), int64(5)},
	deleteReadCall:     {"pack 5", int64(5)},
	selectReadCalls:    {"pack 5"},
	selectWaitingChats: {"+1", "", int64(10)}, selectBlockedChats: {"", int64(10)}, selectChatsLike: {"notify:", "notify;"},
	upsertSelectionHold: {int64(5), "+1", nil, "alice", nil, int64(1), int64(2), int64(3), int64(0), nil, int64(0), int64(0)}, deleteSelectionHold: {int64(5)},
}

var sampleChat = []driver.Value{nil, int64(5), nil, int64(0), int64(5), int64(5), nil, nil, "{}", "chat 5"}

// scansHistory is the plan of a statement that looks at all that ever happened: a store has
// many millions of events, and at a start each million would take half a second.
var scansHistory = regexp.MustCompile(`^SCAN (e|events|d|decisions|seen)\b`)

// fromTheNewest are statements that scan the history from its end, until their caller has
// enough. Only commands of people run them.
var fromTheNewest = []*statement{selectRequested, selectOfMessage, selectTraced, selectNaming}

// TestPlanOfEveryStatement: no statement scans a table, sorts, or makes an index for itself, except
// those that say why they may.
func TestPlanOfEveryStatement(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	fill(t, s.writer.conn, 2000)
	for what := range samples {
		if !slices.Contains(statements, what) {
			t.Errorf("it is run, and is not among those that were declared:\n%s", what.sql)
		}
	}
	for _, what := range statements {
		var plan, costs []string
		err := s.read(t.Context(), "explain", func(c *conn) error {
			explain := &statement{sql: "EXPLAIN QUERY PLAN " + what.sql}
			return c.query(t.Context(), explain, func(row []driver.Value) error {
				line := stringOf(row[3])
				plan = append(plan, line)
				if scansHistory.MatchString(line) && !slices.Contains(fromTheNewest, what) {
					t.Errorf("it looks at the whole history (%s):\n%s", line, what.sql)
				}
				if strings.Contains(line, "AUTOMATIC") {
					t.Errorf("it makes an index for itself each time:\n%s\n%s", what.sql, line)
				}
				if strings.HasPrefix(line, "SCAN ") && line != "SCAN CONSTANT ROW" ||
					strings.HasPrefix(line, "USE TEMP B-TREE") || strings.Contains(line, "IN-OPERATOR") || strings.HasPrefix(line, "LIST SUBQUERY") {
					costs = append(costs, line)
				}
				return nil
			}, make([]driver.Value, parameters(what.sql))...)
		})
		if err != nil && !strings.Contains(err.Error(), "syntax error") { // BEGIN, PRAGMA: they have no plan
			t.Errorf("%s\n%v", what.sql, err)
		}
		if len(costs) > 0 && what.costly == "" {
			t.Errorf("its cost grows with the store, and it does not say why that does no harm (declareCostly):\n%s\n%s", what.sql, strings.Join(plan, "\n"))
		}
		if len(costs) == 0 && what.costly != "" {
			t.Errorf("it may be costly (%s), and is not: declare does\n%s\n%s", what.costly, what.sql, strings.Join(plan, "\n"))
		}
	}
}

// TestCostDoesNotGrowWithTheStore runs every statement that is not costly on a
// small and on a large store, and compares the steps of SQLite's machine.
func TestCostDoesNotGrowWithTheStore(t *testing.T) {
	t.Parallel()
	const small, large = 100, 50_000
	few, many := machineOf(t, small), machineOf(t, large)
	for _, what := range statements {
		args, known := samples[what]
		switch {
		case what.costly != "":
			if known {
				t.Errorf("it is costly, and is among the samples:\n%s", what.sql)
			}
			continue
		case !known:
			t.Errorf("add arguments for it to samples:\n%s", what.sql)
			continue
		case args == nil:
			continue
		case len(args) != parameters(what.sql):
			t.Errorf("%d arguments among samples, %d in\n%s", len(args), parameters(what.sql), what.sql)
			continue
		}
		before, after := few.steps(t, what.sql, args), many.steps(t, what.sql, args)
		if after > before+before/5+20 {
			t.Errorf("%d steps with %d events, %d with %d:\n%s", before, small, after, large, what.sql)
		}
	}
	for what := range samples {
		if what == nil {
			t.Error("samples names a statement that is not there yet")
		}
	}
}

// parameters is how many arguments SQL takes.
func parameters(sql string) (n int) {
	for rest := sql; ; {
		i := strings.IndexByte(rest, '?')
		if i < 0 {
			return n
		}
		rest = rest[i+1:]
		var number int
		if _, err := fmt.Sscanf(rest, "%d", &number); err == nil {
			n = max(n, number)
		} else {
			n++
		}
	}
}

// fill makes a store of n events, of which all but every tenth are pending, and
// as much of everything else. "lone chat" has ten events, all handled, among
// the oldest that are pending.
func fill(t testing.TB, c *conn, n int) {
	t.Helper()
	script := fmt.Sprintf(`BEGIN;
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d) SELECT i FROM n;
INSERT INTO events SELECT i, 'event ' || i, 'message.received', 'webhook', i, i, iif(i < 100 AND i %% 10 = 1, 'lone chat', 'chat ' || i), '+1', 'm' || i,
	'inbound', i %% 65536, NULL, NULL, 0, NULL, NULL, NULL, '{}', NULL FROM numbers;
INSERT INTO seen SELECT 'event ' || i, i FROM numbers;
INSERT INTO pending SELECT i, i %% 65536 FROM numbers WHERE i %% 10 <> 1;
INSERT INTO decisions SELECT i, i, NULL, 0, 1, NULL, NULL, NULL, '[{"n":0,"kind":"read","pack":"pack","version":"v","status":"waiting"}]', NULL, NULL FROM numbers WHERE i %% 10 = 1;
INSERT INTO open_actions SELECT i, 0, iif(i %% 2 = 0, 'dead', 'blocked'), 'read', 'chat ' || i, 'pack', 'v', i, 2002, 404 FROM numbers;
INSERT INTO attempts SELECT i, 0, 1, i, NULL, NULL, 404, 2002, 'trace', 'x' FROM numbers;
INSERT INTO chats SELECT 'chat ' || i, '+1', i, '[[' || i || ',0]]', 0, i, i, i, i, '{"id":"chat ' || i || '"}' FROM numbers;
INSERT INTO late SELECT i, '[]' FROM numbers WHERE i < 20;
UPDATE daemon SET late_seq = %[1]d;
INSERT INTO timers SELECT 'chat ' || i, 'pack', 'timer', 'v', i, NULL, i, 0, 0, 0, NULL FROM numbers;
INSERT INTO missed (pack, seq, key, slot, at, version, why, can_veto, cause, chats) SELECT 'pack', i, 'chat ' || i, i %% 65536, i, 'v', 'failed', 1, NULL, NULL FROM numbers;
INSERT INTO states SELECT 'pack', 'chat ' || i, '1' FROM numbers;
INSERT INTO kv SELECT 'pack', 'key ' || i, '1', NULL, 1 FROM numbers;
INSERT INTO quarantine SELECT i, i, 'webhook', 'x', NULL, 'body ' || i, 'sum ' || i, 'event ' || i, 0 FROM numbers;
INSERT INTO left_quarantine SELECT 'event ' || i, i FROM numbers;
INSERT INTO pack_versions VALUES ('pack', 'v', NULL, 1, 1, 0, 0, NULL, 0, 0);
INSERT INTO pack_files VALUES ('pack', 'v', 0, 'a.lua', 'rules', 'x');
INSERT INTO packs (pack, live) VALUES ('pack', 'v');
INSERT INTO selection_holds SELECT i, '+1', NULL, 'alice', NULL, 1, 2, 3, 0, NULL, 0, 0 FROM numbers;
INSERT INTO schedules SELECT 'pack', 'rule ' || i, '1h', i, NULL FROM numbers;
INSERT INTO lists SELECT 'list ' || i, i, i FROM numbers WHERE i < 20;
INSERT INTO list_members SELECT 'list 5', 'member ' || i, i, 'op', NULL, NULL FROM numbers;
INSERT INTO list_changes SELECT 'list 5', i, 'member ' || i, i, 'op', 'added', NULL, NULL FROM numbers;
INSERT INTO read_counts SELECT 'pack ' || i, 1, 300, 5 FROM numbers;
INSERT INTO read_calls SELECT 'pack ' || i, 5, 1, i FROM numbers;
COMMIT;`, n)
	script = strings.NewReplacer("'body ' || i, 'sum ' || i", "CAST('body ' || i AS BLOB), CAST('sum ' || i AS BLOB)", "'rules', 'x')", "'rules', x'00')").Replace(script)
	if err := c.script(script); err != nil {
		t.Fatal(err)
	}
}

// machine runs statements on SQLite without the driver, which does not tell
// how many steps they took.
type machine struct {
	tls *libc.TLS
	db  uintptr
}

// machineOf opens a store of n events.
func machineOf(t *testing.T, n int) *machine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chertd.db")
	s, err := Open(context.Background(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.writer.conn, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	m := &machine{tls: libc.NewTLS()}
	name := m.text(t, path)
	out := libc.Xcalloc(m.tls, 1, 8)
	m.check(t, sqlite3.Xsqlite3_open_v2(m.tls, name, out, sqlite3.SQLITE_OPEN_READWRITE, 0))
	m.db = read(out)
	t.Cleanup(func() {
		sqlite3.Xsqlite3_close_v2(m.tls, m.db)
		m.tls.Close()
	})
	return m
}

// steps runs a statement in a transaction that is rolled back.
func (m *machine) steps(t *testing.T, sql string, args []driver.Value) int {
	t.Helper()
	m.run(t, "BEGIN", nil)
	defer m.run(t, "ROLLBACK", nil)
	return m.run(t, sql, args)
}

func (m *machine) run(t *testing.T, sql string, args []driver.Value) int {
	t.Helper()
	out := libc.Xcalloc(m.tls, 1, 8)
	defer libc.Xfree(m.tls, out)
	m.check(t, sqlite3.Xsqlite3_prepare_v2(m.tls, m.db, m.text(t, sql), -1, out, 0))
	stmt := read(out)
	defer sqlite3.Xsqlite3_finalize(m.tls, stmt)
	for i, arg := range args {
		at := int32(i + 1)
		switch v := arg.(type) {
		case nil:
			m.check(t, sqlite3.Xsqlite3_bind_null(m.tls, stmt, at))
		case int64:
			m.check(t, sqlite3.Xsqlite3_bind_int64(m.tls, stmt, at, v))
		case float64:
			m.check(t, sqlite3.Xsqlite3_bind_double(m.tls, stmt, at, v))
		case string:
			m.check(t, sqlite3.Xsqlite3_bind_text(m.tls, stmt, at, m.text(t, v), int32(len(v)), 0))
		case []byte:
			m.check(t, sqlite3.Xsqlite3_bind_blob(m.tls, stmt, at, m.text(t, string(v)), int32(len(v)), 0))
		default:
			t.Fatalf("argument %d of %q is a %T", i+1, sql, v)
		}
	}
	for {
		switch rc := sqlite3.Xsqlite3_step(m.tls, stmt); rc {
		case sqlite3.SQLITE_ROW:
		case sqlite3.SQLITE_DONE:
			return int(sqlite3.Xsqlite3_stmt_status(m.tls, stmt, sqlite3.SQLITE_STMTSTATUS_VM_STEP, 0))
		default:
			m.check(t, rc)
		}
	}
}

func (m *machine) text(t *testing.T, s string) uintptr {
	t.Helper()
	p, err := libc.CString(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { libc.Xfree(m.tls, p) })
	return p
}

func (m *machine) check(t *testing.T, rc int32) {
	t.Helper()
	if rc != sqlite3.SQLITE_OK {
		t.Fatalf("sqlite: %s", libc.GoString(sqlite3.Xsqlite3_errmsg(m.tls, m.db)))
	}
}

// read is the pointer that SQLite wrote to memory of its own.
func read(at uintptr) uintptr { return **(**uintptr)(unsafe.Pointer(&at)) }
