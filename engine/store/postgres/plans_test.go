package postgres

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
)

// unendedActions is the query of actions that have not ended. PostgreSQL takes all chats for ones with such
// actions until it has counted them.
const unendedActions = "actions that wait, or are blocked or dead"

// planned are queries that must not look at whole tables, with arguments for the rows of fill.
var planned = map[string]struct {
	query string
	args  []any
}{
	"a record by its id":             {selectRecordByID, []any{"e9"}},
	"records":                        {selectRecords, []any{[]int64{9, 99}}},
	"the newest records":             {selectNewest, []any{1 << 40, 10}},
	"records without actions":        {selectDecisions, []any{[]int64{9, 99}}},
	"what waits in a chat":           {selectChatPending, []any{"c7", 1 << 40}},
	"the chain of a chat":            {selectChain, []any{19007, 64}},
	unendedActions:                   {selectUnended, []any{[]string{"dead"}, true, nil}},
	"the newest actions":             {selectRequested + ` LIMIT 64`, nil},
	"actions of events":              {selectActionsDown, []any{[]int64{9, 99}}},
	"blocked reads":                  {selectBlocked, []any{"c7"}},
	"holds":                          {selectHolds, []any{time.Now(), 10}},
	"postponements":                  {selectPostponed, []any{time.Now(), 10}},
	"dead actions":                   {selectDead, []any{nil, nil, nil, 10}},
	"dead actions after one":         {selectDeadAfter, []any{nil, nil, nil, 9, 0, 10}},
	"attempts":                       {selectAttempts, []any{[]int64{9, 99}, []int64{0, 0}}},
	"lines on which something waits": {selectWaitingLines, []any{"", 10}},
	"chats that wait":                {selectWaitingChats, []any{"l1", "", 10}},
	"chats with blocked reads":       {selectBlockedChats, []any{"", 10}},
	"chats of notifications":         {selectChatsLike, []any{"notify:"}},
	"missed events":                  {selectMissed, []any{[]string{"p1", "p2"}, 9, time.Time{}, 1, 0, 10}},
	"vetoes":                         {selectVetoes, []any{"c7"}},

	"an append":                 {insertEvents, insertionOf([]*arrival{{}}).columns.args()},
	"early events that are new": {insertEarly, []any{[]string{"e9"}, []string{""}, []string{""}, []*time.Time{nil}, [][]byte{nil}}},
	"pending events":            {selectPending, []any{19600, 1, 0, 10, store.PendingBytes}},
	"unhandled events":          {selectUnhandled, []any{"c7"}},

	"old events":            {selectOldEvents, []any{9, 64}},
	"old events in between": {selectOldEvents, []any{15000, 64}},
	"old texts":             {selectOldTexts, []any{15000, 64}},
	"texts to remove":       {lockTexts, []any{[]int64{9, 99}}},
	"errors to remove":      {selectAttemptTexts, []any{[]int64{9, 99}}},
	"events to remove":      {removeEvents, []any{[]int64{9, 99}}},
	"old ids":               {selectOldIDs, []any{"e5", 10000, 64}},
	"ids to remove":         {deleteSeen, []any{[]string{"e9", "e99"}, 10000}},
	"what waits of a pack":  {selectRequestedBy, []any{[]int64{9, 99}, "p"}},
}

// wholeTable matches a plan that looks at a whole table. Most of open_actions are dead.
var wholeTable = regexp.MustCompile(`Seq Scan on (events|decisions|seen|pending|chats|attempts|missed)`)

// fill makes a journal of some thousand events of a thousand chats, with SQL alone.
func fill(t *testing.T, s *Store) {
	t.Helper()
	const n = 20_000
	journaled(t, s, 1) // makes the partitions
	execute(t, s, `INSERT INTO events (seq, id, type, source, chat_id, slot, depth, raw) SELECT n, 'e' || n, 't', 's', 'c' || n % 1000, 0, 0, '{}' FROM generate_series(2, $1::int) n`, n)
	execute(t, s, `INSERT INTO seen SELECT id, seq FROM events WHERE seq > 1`)
	execute(t, s, `INSERT INTO decisions (seq, failed, next_n, prev_seq, actions) SELECT seq, false, 1, nullif(greatest(seq - 1000, 0), 0), '[{"n":0}]' FROM events WHERE seq <= 19500`)
	execute(t, s, `DELETE FROM pending`)
	execute(t, s, `INSERT INTO pending SELECT seq, 0, chat_id FROM events WHERE seq > 19500`)
	execute(t, s, `INSERT INTO chats (id, line, last_seq, waiting, retries, hold_until, postponed_until, state)
		SELECT 'c' || n, 'l' || n % 5, 18500 + n, CASE WHEN n % 50 = 0 THEN '[[9,0]]' END, 0, CASE WHEN n % 50 = 0 THEN now() - '1m'::interval * n END, CASE WHEN n % 50 = 0 THEN now() - '1m'::interval * n END, '{}' FROM generate_series(1, 5000) n`)
	execute(t, s, `INSERT INTO open_actions (event_seq, n, status, kind, chat_id, pack, version, covers_seq, code, http)
		SELECT n, 0, CASE WHEN n % 3 = 0 THEN 'blocked' ELSE 'dead' END, 'read', 'c' || n % 1000, 'p1', 'v', n, 0, 0 FROM generate_series(1, 5000) n`)
	execute(t, s, `INSERT INTO attempts (event_seq, n, attempt, http, code) SELECT n, 0, a, 0, 0 FROM generate_series(1, 1000) n, generate_series(1, 5) a`)
	execute(t, s, `INSERT INTO missed (pack, seq, key, slot, at, version, why, can_veto, can_hold)
		SELECT 'p' || p, n, 'c' || n % 1000, 0, now(), 'v', 'failed', true, false FROM generate_series(1, 2000) n, generate_series(1, 5) p`)
}

// A plan of a query that is asked often, or of a whole journal, does not look at whole tables,
// whether PostgreSQL has counted their rows yet or not.
func TestPlansUseIndexes(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	fill(t, s)
	for _, counted := range []bool{false, true} {
		if counted {
			execute(t, s, `ANALYZE`)
		}
		for name, q := range planned {
			rows, err := s.pool.Query(t.Context(), "EXPLAIN "+q.query, q.args...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			plan := strings.Join(lines, "\n")
			if wholeTable.MatchString(plan) && (counted || name != unendedActions) {
				t.Errorf("%s, rows counted: %t\n%s", name, counted, plan)
			}
		}
	}
}
