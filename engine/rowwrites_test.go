package engine

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	moderncsqlite "modernc.org/sqlite"

	"chertd/engine/store/sqlite"
)

// TestRowWritesOfAnEvent counts what the store writes for an event on the whole way, from
// the webhook to the answer of the call, a chat an event: rows of tables, and entries of
// indexes, which cost as much. It knows nothing of the schema.
func TestRowWritesOfAnEvent(t *testing.T) {
	t.Parallel()
	const (
		events, conns = 300, 64
		// perEvent is for the event, its decision with its actions, that decision once
		// the call has ended, the id that was seen, and the chat.
		//
		// perTransaction is for what a transaction writes besides its events: the counts, those
		// of a version, and a row of all changed chats, which is deleted once they are written.
		perEvent, perTransaction = 5, 4
	)
	dir := t.TempDir()
	path := filepath.Join(dir, "chertd.db")
	w := watchWrites(path)
	t.Run("way", func(t *testing.T) {
		r := newRoad(t, 0)
		r.webhook = startDaemon(t, dir, r.url)
		// The first call of a line asks the store what else is due, which writes all that is late:
		// with many events on their way, those as well that would never be.
		r.post(t, 1, 1, 0)
		r.await(t)
		w.reset()
		r.post(t, events, conns, 0)
		r.await(t)
	})
	// What is not written yet is at the next start.
	st, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	counts := w.count(t)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		total += counts[name]
		t.Logf("%-20s %5.2f an event", name, float64(counts[name])/events)
	}
	t.Logf("%-20s %5.2f an event, in %d transactions", "all", float64(total)/events, w.transactions)
	if counts["events"] < events {
		t.Errorf("%d events were written, want %d: the test proves nothing", counts["events"], events)
	}
	if most := perEvent*events + perTransaction*w.transactions; total > most {
		t.Errorf("%d events wrote %d rows in %d transactions, want at most %d: %d an event and %d a transaction",
			events, total, w.transactions, most, perEvent, perTransaction)
	}
}

// writes has all that is written to one database.
type writes struct {
	path string

	mu           sync.Mutex
	rows         []rowWrite
	transactions int
}

// rowWrite is a row that was inserted, updated or deleted.
type rowWrite struct {
	table    string
	old, new []any // nil: there is none
}

// watched has the writes of databases by path.
var watched sync.Map

func init() { moderncsqlite.RegisterConnectionHook(watchConn) }

// watchWrites keeps what is written to a database by connections that are opened from now
// on.
func watchWrites(path string) *writes {
	w := &writes{path: path}
	watched.Store(path, w)
	return w
}

// watchConn is called with each new connection of this process.
func watchConn(conn moderncsqlite.ExecQuerierContext, dsn string) error {
	path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file://"), "?")
	v, ok := watched.Load(path)
	if !ok {
		return nil
	}
	hooks, ok := conn.(moderncsqlite.HookRegisterer)
	if !ok {
		return fmt.Errorf("connections of the sqlite driver are %T, without hooks", conn)
	}
	w := v.(*writes)
	hooks.RegisterPreUpdateHook(w.note)
	hooks.RegisterCommitHook(func() int32 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.transactions++
		return 0
	})
	return nil
}

func (w *writes) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows, w.transactions = nil, 0
}

// note keeps a row that is about to be written.
func (w *writes) note(d moderncsqlite.SQLitePreUpdateData) {
	r := rowWrite{table: d.TableName}
	// Old and New fill the slice that is passed.
	if row := make([]any, d.Count()); d.Old(row...) == nil {
		r.old = row
	}
	if row := make([]any, d.Count()); d.New(row...) == nil {
		r.new = row
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = append(w.rows, r)
}

// count returns how many rows were written to each table, and how many entries to each
// index. No connection may be open.
func (w *writes) count(t *testing.T) map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	indexes := indexesOf(t, db)
	counts := map[string]int{}
	for _, r := range w.rows {
		counts[r.table]++
		for _, index := range indexes[r.table] {
			before, after := index.entry(t, r.old), index.entry(t, r.new)
			switch {
			case before == after:
			case before == "" || after == "":
				counts[r.table+": "+index.name]++
			default:
				counts[r.table+": "+index.name] += 2 // one goes, one comes
			}
		}
	}
	return counts
}

// tableIndex is an index that is not the table.
type tableIndex struct {
	name string
	key  *sql.Stmt // of a row's columns: the row's entry, none if it has none
}

// entry returns the entry of a row; "": it has none.
func (i *tableIndex) entry(t *testing.T, row []any) (key string) {
	t.Helper()
	if row == nil {
		return ""
	}
	if err := i.key.QueryRow(row...).Scan(&key); err != nil && err != sql.ErrNoRows {
		t.Fatalf("index %s: %v", i.name, err)
	}
	return key
}

// indexesOf returns the indexes of each table.
func indexesOf(t *testing.T, db *sql.DB) map[string][]tableIndex {
	t.Helper()
	rows, err := db.Query(`SELECT t.name, i.name, ifnull(s.sql, ''),
		(SELECT group_concat(quote(c.name)) FROM pragma_index_info(i.name) c),
		(SELECT group_concat('? AS ' || quote(c.name)) FROM pragma_table_info(t.name) c)
		FROM pragma_table_list t, pragma_index_list(t.name) i JOIN sqlite_schema s ON s.name = i.name
		WHERE t.schema = 'main' AND t.type = 'table' AND NOT (i.origin = 'pk' AND t.wr)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string][]tableIndex{}
	for rows.Next() {
		var table, name, declared, names, columns string
		if err := rows.Scan(&table, &name, &declared, &names, &columns); err != nil {
			t.Fatal(err)
		}
		key, where := strings.ReplaceAll(names, "'", `"`), "true"
		if _, keys, ok := strings.Cut(declared, "("); ok { // may have expressions
			if before, condition, partial := strings.Cut(keys, "WHERE"); partial {
				keys, where = before, condition
			}
			key = keys[:strings.LastIndexByte(keys, ')')]
		}
		stmt, err := db.Prepare(fmt.Sprintf("SELECT json_array(%s) FROM (SELECT %s) WHERE %s", key, columns, where))
		if err != nil {
			t.Fatalf("index %s: %v", name, err)
		}
		all[table] = append(all[table], tableIndex{name, stmt})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
