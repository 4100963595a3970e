package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func init() {
	samples[selectStatePack] = []driver.Value{""}
	samples[selectKVPack] = []driver.Value{""}
	samples[selectKVRows] = []driver.Value{"", "", int64(16)}
	samples[selectFreePages], samples[selectPageSize] = nil, nil
	samples[insertScrub] = []driver.Value{int64(100)}
	samples[upsertUnsupported] = []driver.Value{"+1", int64(1), int64(2), nil}
	samples[deleteUnsupported] = []driver.Value{"+1"}
	samples[selectScrub] = []driver.Value{}
	samples[deleteScrub] = []driver.Value{int64(1)}
}

// What is erased is in none of the store's files once they are scrubbed: texts that share a
// page with others, texts of many pages, memory of rules, and what retention had removed
// before.
func TestErasedTextsLeaveTheFiles(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	const marker = "marker-6d1f"
	short, long := marker, strings.Repeat(marker+" ", 20_000)
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	var gone []int64
	for i, text := range []string{short, "other", long, "other", strings.Repeat(marker+" ", 300), "other"} {
		id := string(rune('a' + i))
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		a := turn.Arrival{Received: now, Event: event.Event{ID: id, Type: event.MessageReceived, Source: event.SourceWebhook, Text: text, Raw: raw,
			Chat: &event.Chat{ID: "c" + id}, Message: &event.Message{ID: "m" + id, Direction: "inbound", Text: text}}}
		receipts, err := s.Append(t.Context(), []turn.Arrival{a})
		if err != nil {
			t.Fatal(err)
		}
		outcome := readDone(receipts[0].Seq, &a)
		if text != "other" {
			gone = append(gone, receipts[0].Seq)
			outcome.Chat.Hold = chat.Hold{Until: now, By: "p/r", Reason: text}
			outcome.States = []turn.State{{Pack: "p", Chat: "c" + id, Value: raw}}
			outcome.Decision.Rules = append(outcome.Decision.Rules, turn.RuleDecision{Pack: "p", Version: "v", Rule: "r", Error: text, Asked: []string{text}})
		}
		if err := s.Commit(t.Context(), []turn.Transition{outcome}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		for _, name := range []string{s.path, s.path + "-wal"} {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(text, []byte(marker))
		}
		return n
	}
	if left() == 0 {
		t.Fatal("the files never had the texts: the test proves nothing")
	}
	if n, err := s.EraseTexts(t.Context(), gone); n != 3 || err != nil {
		t.Fatalf("%d erased, %v", n, err)
	}
	for _, id := range []string{"a", "c", "e"} {
		outcome := turn.Transition{Chat: &chat.Chat{ID: "c" + id}, States: []turn.State{{Pack: "p", Chat: "c" + id}}}
		if err := s.Commit(t.Context(), []turn.Transition{outcome}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Errorf("the texts are in the files %d times", n)
	}
	wal, err := os.Stat(s.path + "-wal")
	if err != nil || wal.Size() != 0 {
		t.Errorf("the WAL has %d bytes (%v)", wal.Size(), err)
	}
	if err := s.Healthy(); err != nil {
		t.Errorf("afterwards the store is not healthy: %v", err)
	}
	a := turn.Arrival{Received: now, Event: event.Event{ID: "after", Type: "x", Source: event.SourceWebhook}}
	if _, err := s.Append(t.Context(), []turn.Arrival{a}); err != nil {
		t.Error(err)
	}
	if free, _, err := s.freePages(t.Context()); free == 0 || err != nil {
		t.Errorf("%d pages are free, %v: what was overwritten is used again", free, err)
	}
}

// The row of zeros for a number of free pages fills them to their ends.
func TestZerosFillWholePages(t *testing.T) {
	t.Parallel()
	for _, pages := range []int64{1, 2, 3, 64, scrubPages} {
		s := openInside(t)
		if _, err := s.writer.conn.exec(insertScrub, zerosFor(pages, 4096)); err != nil {
			t.Fatal(err)
		}
		var full int64
		unused := &statement{sql: "SELECT unused FROM dbstat WHERE name = 'scrub' AND pagetype = 'overflow'"}
		err := s.writer.conn.query(t.Context(), unused, func(row []driver.Value) error {
			if full++; intOf(row[0]) != 0 {
				t.Errorf("%d pages: %d bytes of one are not overwritten", pages, intOf(row[0]))
			}
			return nil
		})
		if err != nil || full != pages {
			t.Errorf("%d pages: the row has %d (%v)", pages, full, err)
		}
	}
}
