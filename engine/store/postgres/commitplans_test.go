package postgres

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// plannedCommits are statements of commits, and what the engine reads between them, with arguments
// for the rows of fill and fillMemory.
var plannedCommits = map[string]struct {
	query string
	args  []any
}{
	"events to handle":         {lockPending, []any{[]int64{19600, 19700}}},
	"decisions to change":      {lockDecisions, []any{[]int64{9, 19600}, 9, 19600}},
	"actions to change":        {updateActions, []any{[]int64{9, 99}, []string{"[]", "[]"}, 9, 99}},
	"handled events":           {deletePending, []any{[]int64{19600, 19700}}},
	"actions that are closed":  {deleteOpen, []any{[]int64{9, 99}, []int64{0, 0}}},
	"attempts to remove":       {deleteAttempts, []any{[]int64{9, 99}, []int64{0, 0}, []int64{1, 2}}},
	"missed events to remove":  {deleteMissed, []any{[]string{"p1", "p2"}, []int64{9, 99}}},
	"timers to remove":         {deleteTimers, []any{[]string{"c1", "c2"}, []string{"p1", "p1"}, []string{"t", "t"}, []*int64{nil, nil}, []*int64{nil, nil}}},
	"states to remove":         {deleteStates, []any{[]string{"p1", "p2"}, []string{"c1", "c2"}}},
	"entries":                  {selectKVOf, []any{[]string{"p1", "p2"}, [][]byte{[]byte("k1"), []byte("k2")}}},
	"expired entries":          {selectExpired, []any{"p1", time.Now(), [][]byte{[]byte("k1")}}},
	"expired entries to clear": {clearExpired, []any{"p1", time.Now(), 256}},
	"an entry":                 {selectKV, []any{"p1", []byte("k1")}},
	"a page of entries":        {selectKVs, []any{"p1", []byte("k1"), []byte("k2"), time.Now(), 10, 1000}},
	"a page from one on":       {selectKVs, []any{"p1", []byte("k1"), nil, time.Now(), 10, 1000}},
	"the bytes of a pack":      {selectUsage, []any{"p1", time.Now(), [][]byte{[]byte("k1"), []byte("k2")}}},
	"a state":                  {selectState, []any{"p1", "c1"}},
	"chats":                    {selectChats, []any{[]string{"c1", "c2"}}},
	"timers of chats":          {selectTimers, []any{[]string{"c1", "c2"}}},
	"actions of chats":         {selectActions, []any{[]int64{9, 99}, 9, 99}},
	"lines with calls":         {selectCallLines, []any{"", true, 10}},
	"calls of a line":          {selectCallsDue, []any{time.Time{}, "", 10, "l1"}},
	"timers that are due":      {selectTimersDue, []any{time.Time{}, "", 10}},
}

// fillMemory adds what rules remember to the rows of fill.
func fillMemory(t *testing.T, s *Store) {
	t.Helper()
	execute(t, s, `INSERT INTO kv (pack, key, value, bytes, expires_at, version)
		SELECT 'p' || n % 5, convert_to('k' || n, 'UTF8'), '1', 3, CASE WHEN n % 10 = 0 THEN now() + '1s'::interval * (n - 20000) END, 1 FROM generate_series(1, 20000) n`)
	execute(t, s, `INSERT INTO states (pack, chat_id, value) SELECT 'p' || p, 'c' || n, '1' FROM generate_series(1, 2000) n, generate_series(1, 5) p`)
	execute(t, s, `INSERT INTO timers (chat_id, pack, name, version, event_seq, n, depth, fired) SELECT 'c' || n, 'p' || p, 't', 'v', n, 0, 0, false FROM generate_series(1, 2000) n, generate_series(1, 5) p`)
	execute(t, s, `INSERT INTO pending SELECT n, 0, 'c1' FROM generate_series(30001, 50000) n`) // fewer are read whole
	execute(t, s, `UPDATE chats SET call_at = now(), timer_at = now() WHERE last_seq % 10 = 0`)
}

// wholeMemory matches a plan that looks at a whole table.
var wholeMemory = regexp.MustCompile(`Seq Scan on (events|decisions|pending|chats|open_actions|attempts|missed|kv|states|timers)(_p\d+)?\b`)

// A statement of a commit does not look at whole tables, whether PostgreSQL has counted their rows
// yet or not.
func TestPlansOfCommits(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	fill(t, s)
	fillMemory(t, s)
	for _, counted := range []bool{false, true} {
		if counted {
			execute(t, s, `ANALYZE`)
		}
		for name, q := range plannedCommits {
			rows, err := s.pool.Query(t.Context(), "EXPLAIN "+q.query, q.args...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if plan := strings.Join(lines, "\n"); wholeMemory.MatchString(plan) {
				t.Errorf("%s, rows counted: %t\n%s", name, counted, plan)
			}
		}
	}
}
