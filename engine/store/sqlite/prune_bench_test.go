package sqlite

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// BenchmarkPrune is how long one step of retention takes in a store with a history, by
// what it removes and its limit: how long an event that comes in then may wait. With
// -history 1000000 it is that of a large store.
func BenchmarkPrune(b *testing.B) {
	for _, limit := range []int{64, 256} {
		for _, what := range []string{"texts", "events", "ids", "nothing", "append"} {
			b.Run(fmt.Sprintf("%s/%d", what, limit), func(b *testing.B) {
				path := b.TempDir() + "/chertd.db"
				open := func() *Store {
					s, err := Open(b.Context(), path, Options{tick: make(chan time.Time)})
					if err != nil {
						b.Fatal(err)
					}
					return s
				}
				s := open()
				fillHandled(b, s.writer.conn, *history)
				s.Close() // its WAL is as large as the store
				s = open()
				defer s.Close()
				young := time.Unix(1<<40, 0)
				step := map[string]func() (store.Pruned, error){}
				var at store.Cursor
				step["texts"] = func() (store.Pruned, error) { return s.PruneTexts(b.Context(), young, at, limit) }
				step["events"] = func() (store.Pruned, error) { return s.PruneEvents(b.Context(), young, at, limit) }
				step["ids"] = func() (store.Pruned, error) { return s.PruneSeen(b.Context(), young, at, limit) }
				step["append"] = func() (store.Pruned, error) { // for comparison: one event
					_, err := s.Append(b.Context(), []turn.Arrival{simple(fmt.Sprint(time.Now().UnixNano()))})
					return store.Pruned{}, err
				}
				step["nothing"] = func() (store.Pruned, error) { return s.PruneEvents(b.Context(), time.Unix(0, 0), "", limit) }
				if what == "ids" { // their events are gone
					if _, err := s.writer.conn.exec(insertDay, int64(1), int64(1<<40)); err != nil {
						b.Fatal(err)
					}
					if err := s.writer.conn.script("DELETE FROM events"); err != nil {
						b.Fatal(err)
					}
				}
				removed, before := 0, processorTime(b)
				var took []time.Duration
				b.ResetTimer()
				for range b.N {
					began := time.Now()
					p, err := step[what]()
					if err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
					removed, at = removed+p.Removed, p.Next
				}
				slices.Sort(took)
				b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/step")
				b.ReportMetric(float64(removed)/float64(b.N), "removed/step")
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
				b.ReportMetric(float64(took[len(took)*9/10].Microseconds())/1000, "ms-p90")
			})
		}
	}
}

// processorTime returns how much of it the process has taken.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fillHandled makes a store of n handled events, each with a text of about a kilobyte, a
// read that is done, and a chat of its own.
func fillHandled(b *testing.B, c *conn, n int) {
	b.Helper()
	script := fmt.Sprintf(`BEGIN;
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n;
INSERT INTO events SELECT i, 'chert:msg:' || printf('%%024x', i * 2654435761 %% 4294967296), 'message.received', 'webhook', i, i, 'chat ' || (i * 48271 %% 2147483647), '+1', 'm' || i,
	'inbound', i %% 65536, NULL, NULL, 0, NULL, NULL, NULL, '{"text":"a code","chat":{},"message":{}}', '{"raw":"' || hex(zeroblob(450)) || '"}' FROM numbers;
INSERT INTO seen SELECT id, seq FROM events ORDER BY id;
INSERT INTO decisions SELECT i, i, NULL, 0, 1, NULL, '[{"pack":"codes","version":"3f786850e387","rule":"codes#1","place":"codes.lua:3","asked":["mark_read"],"steps":21}]' FROM numbers;
INSERT INTO actions SELECT seq, 0, 'read', chat_id, 'done', 'read', 'codes', '3f786850e387', 'codes#1', 'codes.lua:3', NULL, 0, NULL, NULL, 0, at, at, at, 1, 0, 200, 'trace', NULL, seq, 0 FROM events ORDER BY seq;
INSERT OR IGNORE INTO chats SELECT chat_id, '+1', seq, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL FROM events ORDER BY chat_id;
INSERT INTO counts VALUES (1, 0, %[1]d, 0, 0, %[1]d, 0, 0, %[1]d, 0, 0, 0, 0) ON CONFLICT DO UPDATE SET events = excluded.events, actions_done = excluded.actions_done;
DROP TABLE numbers;
COMMIT;`, n)
	if err := c.script(script); err != nil {
		b.Fatal(err)
	}
}
