package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func init() {
	samples[noteLastSeq] = []driver.Value{}
	samples[restoreSeqs] = []driver.Value{}
	samples[selectMissedPack] = []driver.Value{""}
	samples[selectMissedSeqs] = []driver.Value{"pack", int64(50), int64(60)}
	samples[selectOldIDs] = []driver.Value{"event 5", int64(50), int64(10)}
	samples[selectDay] = []driver.Value{int64(50)}
	samples[insertDay] = []driver.Value{int64(50), int64(5)}
	samples[deleteDays] = []driver.Value{int64(50)}
}

// TestFileStaysOfOneSizeUnderSteadyLoad: with as many events each day, the rows are level once
// the oldest are removed, and pages are used again, so that the file is.
func TestFileStaysOfOneSizeUnderSteadyLoad(t *testing.T) {
	t.Parallel()
	const (
		events, chats              = 100, 50 // a day; in all
		days, texts, retained, ids = 100, 2, 5, 10
		level                      = 20 // day from which on nothing grows
	)
	s := openInside(t)
	text := strings.Repeat("text ", 200)
	var at, all size
	for day := range days {
		now := time.Date(2026, 1, 1+day, 12, 0, 0, 0, time.UTC)
		if err := s.MarkDay(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		arrivals, outcomes := make([]turn.Arrival, events), make([]turn.Transition, events)
		for i := range arrivals {
			id, chatID := fmt.Sprintf("%08x", uint32(day*events+i)*2654435761), fmt.Sprint("c", i%chats)
			arrivals[i] = turn.Arrival{Received: now, Event: event.Event{ID: id, Type: event.MessageReceived, Source: event.SourceWebhook, Text: text, Raw: json.RawMessage(`"` + text + `"`),
				Chat: &event.Chat{ID: chatID, Line: "+1"}, Message: &event.Message{ID: "m" + id, Direction: "inbound", Text: text}}}
		}
		receipts, err := s.Append(t.Context(), arrivals)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range receipts {
			outcomes[i] = readDone(r.Seq, &arrivals[i])
		}
		if err := s.Commit(t.Context(), outcomes); err != nil {
			t.Fatal(err)
		}
		if err := s.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, sweep := range []struct {
			step func(context.Context, time.Time, store.Cursor, int) (store.Pruned, error)
			days int
		}{{s.PruneEvents, retained}, {s.PruneTexts, texts}, {s.PruneSeen, ids}} {
			for p := (store.Pruned{More: true}); p.More; {
				if p, err = sweep.step(t.Context(), now.AddDate(0, 0, -sweep.days), p.Next, 256); err != nil {
					t.Fatal(err)
				}
			}
		}
		at = sizeOf(t, s)
		if day == level {
			all = at
		}
		if day > level && (at.rows != all.rows || at.used > all.used+all.used/20 || at.pages > all.pages+all.pages/20) {
			t.Fatalf("on day %d the store has %+v, on day %d it had %+v", day, at, level, all)
		}
	}
	want := rows{events: (retained + 1) * events, texts: (texts + 1) * events, decisions: (retained + 1) * events, actions: (retained + 1) * events}
	want.seen, want.days = (ids+2)*events, ids+2 // by whole days
	if at.rows != want {
		t.Errorf("at last %+v, want %+v", at.rows, want)
	}
}

// TestPagesOfTextsAreUsedAgain: an event without its text takes less of the file.
func TestPagesOfTextsAreUsedAgain(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	var batch []turn.Arrival
	for i := range 300 {
		batch = append(batch, turn.Arrival{Event: event.Event{ID: fmt.Sprint("e", i), Type: "x", Source: event.SourceWebhook, Raw: json.RawMessage(`"` + strings.Repeat("text ", 200) + `"`)}})
	}
	receipts, err := s.Append(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var handled []turn.Transition
	for _, r := range receipts {
		handled = append(handled, turn.Transition{Decision: &turn.Decision{Seq: r.Seq}})
	}
	if err := s.Commit(t.Context(), handled); err != nil {
		t.Fatal(err)
	}
	before := sizeOf(t, s)
	for p := (store.Pruned{More: true}); p.More; {
		if p, err = s.PruneTexts(t.Context(), time.Now(), p.Next, 64); err != nil {
			t.Fatal(err)
		}
	}
	if after := sizeOf(t, s); after.rows.texts != 0 || after.used > before.used/2 {
		t.Errorf("%d of %d pages are in use without texts; %d texts", after.used, before.used, after.rows.texts)
	}
	intact(t, s)
}

// size is how large a store is.
type size struct {
	rows        rows
	pages, used int64 // of the file; those that are in use
}

type rows struct{ events, texts, decisions, actions, seen, days int64 }

func sizeOf(t *testing.T, s *Store) (z size) {
	t.Helper()
	var free int64
	err := s.snapshot(t.Context(), "measure", func(c *conn) error {
		for sql, n := range map[string]*int64{
			"SELECT count(*) FROM events": &z.rows.events, "SELECT count(raw) FROM events": &z.rows.texts, "SELECT count(*) FROM decisions": &z.rows.decisions,
			"SELECT count(*) FROM actions": &z.rows.actions, "SELECT count(*) FROM seen": &z.rows.seen, "SELECT count(*) FROM days": &z.rows.days,
			"PRAGMA page_count": &z.pages, "PRAGMA freelist_count": &free,
		} {
			v, err := c.one(t.Context(), &statement{sql: sql})
			if err != nil {
				return err
			}
			*n = intOf(v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	z.used = z.pages - free
	return z
}

// readDone is what an event changes whose read has ended.
func readDone(seq int64, a *turn.Arrival) turn.Transition {
	action := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: a.Event.Chat.ID, Pack: "codes", Version: "3f786850e387", Rule: "codes#1", Place: "codes.lua:3", Status: chat.Done, Why: chat.WhyRead}
	return turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: a.Received, Actions: 1, Rules: []turn.RuleDecision{{Pack: "codes", Version: "3f786850e387", Rule: "codes#1", Place: "codes.lua:3"}}},
		Chat:     &chat.Chat{ID: a.Event.Chat.ID, LastEvent: seq}, Actions: []chat.Action{action},
	}
}
