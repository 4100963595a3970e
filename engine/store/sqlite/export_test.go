package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"reflect"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// Recount counts rows, and returns how Stats differs from them; "": it does not.
func Recount(ctx context.Context, s *Store) (string, error) {
	want := store.Stats{Actions: map[chat.Status]int64{}}
	err := s.snapshot(ctx, "count", func(c *conn) error {
		for table, n := range map[string]*int64{"events": &want.Events, "pending": &want.Pending, "quarantine": &want.Quarantined, "chats": &want.Chats, "early_events": &want.Early} {
			v, err := c.one(ctx, &statement{sql: "SELECT count(*) FROM " + table})
			if err != nil {
				return err
			}
			*n = intOf(v)
		}
		return c.query(ctx, &statement{sql: "SELECT status, count(*) FROM actions GROUP BY status"}, func(row []driver.Value) error {
			want.Actions[chat.Status(stringOf(row[0]))] = intOf(row[1])
			return nil
		})
	})
	if err != nil {
		return "", err
	}
	got, err := s.Stats(ctx)
	want.Bytes = got.Bytes
	if err != nil || reflect.DeepEqual(got, want) {
		return "", err
	}
	return fmt.Sprintf("stats are %+v, the rows %+v", got, want), nil
}

// OneChat returns the only chat of a list.
func OneChat(list []chat.Chat, err error) (chat.Chat, error) {
	if len(list) != 1 || err != nil {
		return chat.Chat{}, err
	}
	return list[0], nil
}

// Small returns the options of a store that writes late rows, and runs a checkpoint, every few
// events, and whose syncs sync reports.
func Small(sync func(*os.File) error) Options {
	return Options{
		sync: sync, tick: make(chan time.Time), pragmas: []string{"wal_autocheckpoint(20)"},
		late: &lateSizes{events: 5, chats: 5, bytes: 1 << 20, rows: 2},
	}
}

// SetOff sets synchronous=OFF of the connection that writes, of a store that was just opened.
func SetOff(s *Store) error { return s.writer.conn.script("PRAGMA synchronous = OFF") }
