package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/turn"
)

// recordColumns are those of the entry and then of its decision.
const recordColumns = entryColumns + `, d.seq, d.at, d.note, d.failed, d.next_n, d.prev_seq, d.packs, d.rules, d.actions, d.took, d.lists`

var (
	selectRecords = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq < ? ORDER BY e.seq DESC LIMIT ?`)
	selectRecord = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq WHERE e.seq = ?`)

	selectOfMessage = declareCostly("looks through the journal, for people", `SELECT seq FROM events WHERE message_id = ? ORDER BY seq DESC LIMIT ?`)
	// The comparison of texts comes first: it is far cheaper than reading the JSON. A raw that is not
	// valid JSON, as of a damaged row, has no trace_id.
	selectTraced = declareCostly("looks through the journal, for people", `SELECT e.seq FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE instr(e.raw, ?1) > 0 AND iif(json_valid(e.raw), e.raw ->> 'trace_id', NULL) = ?1
		OR instr(d.actions, ?1) > 0 AND EXISTS (SELECT 1 FROM json_each(d.actions) a WHERE a.value ->> 'trace_id' = ?1)
		OR EXISTS (SELECT 1 FROM attempts t WHERE t.event_seq = e.seq AND t.trace_id = ?1)
		ORDER BY e.seq DESC LIMIT ?2`)
	selectNaming = declareCostly("looks through the journal, for people", `SELECT seq, chat_id FROM events
		WHERE chat_id IS NOT NULL AND instr(lower(coalesce(decoded, raw)), ?) > 0 ORDER BY seq DESC`)

	// The events of a chat that are handled are found by the chat and by one another;
	// those that are not are looked for among all that wait, for people.
	selectNewest      = declare(`SELECT last_seq FROM chats WHERE id = ?`)
	selectChatPending = declare(`SELECT p.seq FROM pending p JOIN events e ON e.seq = p.seq
		WHERE e.chat_id = ?1 AND p.seq <= (SELECT late_seq FROM daemon WHERE id = 1) ORDER BY p.seq DESC`)
	selectChatNewPending = declare(`SELECT e.seq FROM events e
		WHERE e.seq > (SELECT late_seq FROM daemon WHERE id = 1) AND e.chat_id = ?1
		AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = e.seq) ORDER BY e.seq DESC`)
	// What stays in the journal although newer events were removed (retention).
	selectChatKept = declareCostly("looks at all actions that are blocked or dead, for people", `SELECT event_seq FROM open_actions WHERE chat_id = ?1 AND event_seq < ?2
		UNION SELECT w.value ->> 0 FROM chats c, json_each(c.waiting) w WHERE c.id = ?1 AND w.value ->> 0 < ?2 ORDER BY 1 DESC`)
)

// Event implements store.Reader.
func (s *Store) Event(ctx context.Context, id string) (r store.Record, ok bool, err error) {
	list, err := browse(ctx, s, "read events", func(c *conn) ([]store.Record, error) {
		// Before the table: what leaves the memory is in the table then.
		seq, late := s.writer.behind.seqOf(id)
		if !late {
			v, err := c.one(ctx, selectSeen, id)
			if v == nil || err != nil {
				return nil, err
			}
			seq = intOf(v)
		}
		return list(ctx, c, selectRecord, recordOf, seq)
	})
	if len(list) == 0 || err != nil {
		return store.Record{}, false, err
	}
	return list[0], true, nil
}

// EventBySeq implements store.Reader.
func (s *Store) EventBySeq(ctx context.Context, seq int64) (r store.Record, ok bool, err error) {
	found, err := browse(ctx, s, "read events", func(c *conn) ([]store.Record, error) {
		return list(ctx, c, selectRecord, recordOf, seq)
	})
	if len(found) == 0 || err != nil {
		return store.Record{}, false, err
	}
	return found[0], true, nil
}

// MessageEvents implements store.Reader.
func (s *Store) MessageEvents(ctx context.Context, message string, limit int) ([]int64, error) {
	return browse(ctx, s, "look for a message", func(c *conn) ([]int64, error) {
		return list(ctx, c, selectOfMessage, firstInt, message, int64(max(limit, 0)))
	})
}

// TracedEvents implements store.Reader.
func (s *Store) TracedEvents(ctx context.Context, trace string, limit int) ([]int64, error) {
	return browse(ctx, s, "look for a trace_id", func(c *conn) ([]int64, error) {
		if trace == "" {
			return nil, nil
		}
		return list(ctx, c, selectTraced, firstInt, trace, int64(max(limit, 0)))
	})
}

// EventsNaming implements store.Reader.
func (s *Store) EventsNaming(ctx context.Context, part string, limit int) ([]int64, error) {
	return browse(ctx, s, "look for a number", func(c *conn) (seqs []int64, err error) {
		if limit < 1 {
			return nil, nil
		}
		enough, seen := errors.New("enough"), map[string]bool{}
		err = c.query(ctx, selectNaming, func(row []driver.Value) error {
			if id := stringOf(row[1]); !seen[id] {
				seen[id] = true
				seqs = append(seqs, intOf(row[0]))
			}
			if len(seqs) == limit {
				return enough
			}
			return nil
		}, part)
		if errors.Is(err, enough) {
			err = nil
		}
		return seqs, err
	})
}

// Events implements store.Reader.
func (s *Store) Events(ctx context.Context, chat string, before int64, limit int) ([]store.Record, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	limit = max(limit, 0)
	return browse(ctx, s, "read events", func(c *conn) ([]store.Record, error) {
		if chat == "" {
			return list(ctx, c, selectRecords, recordOf, before, int64(limit))
		}
		var all []store.Record
		enough := errors.New("enough")
		err := s.eachRecord(ctx, c, chat, func(r *store.Record) error {
			if len(all) == limit {
				return enough
			}
			if r.Seq < before {
				all = append(all, *r)
			}
			return nil
		})
		if errors.Is(err, enough) {
			err = nil
		}
		return all, err
	})
}

// eachRecord calls each with the records of a chat, the newest first: those of events
// that are not handled, then those that lead to one another, and where one of these was
// removed those before it that stay because of their actions.
func (s *Store) eachRecord(ctx context.Context, c *conn, chat string, each func(*store.Record) error) error {
	// Before the tables are read: what leaves the memory is in the tables then.
	seq, late := s.writer.behind.newest(chat)
	for _, what := range [...]*statement{selectChatNewPending, selectChatPending} {
		seqs, err := list(ctx, c, what, firstInt, chat)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			if _, err := s.eachOf(ctx, c, seq, each); err != nil {
				return err
			}
		}
	}
	if !late {
		v, err := c.one(ctx, selectNewest, chat)
		if err != nil {
			return err
		}
		seq = intOf(v)
	}
	for seq > 0 {
		r, err := s.eachOf(ctx, c, seq, each)
		if err != nil {
			return err
		}
		if r == nil || r.Decision == nil || r.Decision.Prev >= seq {
			break // it was removed
		}
		seq = r.Decision.Prev
	}
	if seq == 0 {
		return nil
	}
	kept, err := list(ctx, c, selectChatKept, firstInt, chat, seq)
	for i := 0; i < len(kept) && err == nil; i++ {
		_, err = s.eachOf(ctx, c, kept[i], each)
	}
	return err
}

// eachOf calls each with the record of an event, and returns it; nil: there is none.
func (s *Store) eachOf(ctx context.Context, c *conn, seq int64, each func(*store.Record) error) (*store.Record, error) {
	found, err := list(ctx, c, selectRecord, recordOf, seq)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], each(&found[0])
}

// Records implements store.Misses.
func (s *Store) Records(ctx context.Context, seqs []int64) (all []store.Record, err error) {
	err = s.read(ctx, "read events", func(c *conn) error {
		for _, seq := range slices.Sorted(slices.Values(seqs)) {
			one, err := list(ctx, c, selectRecord, recordOf, seq)
			if err != nil {
				return err
			}
			for i := range one {
				one[i].Actions = nil
			}
			all = append(all, one...)
		}
		return nil
	})
	return all, err
}

func recordOf(row []driver.Value) (r store.Record, err error) {
	if r.Entry, err = entryOf(row); err != nil {
		return r, err
	}
	if row = row[entryWidth:]; row[0] == nil {
		return r, nil
	}
	d := &turn.Decision{
		Seq: intOf(row[0]), At: timeOf(row[1]), Note: stringOf(row[2]), Failed: intOf(row[3]) != 0, Actions: int(intOf(row[4])), Prev: intOf(row[5]),
	}
	what := fmt.Sprintf("decision of event %d", d.Seq)
	if err = decode(row[6], &d.Packs, what); err == nil {
		err = decode(row[7], &d.Rules, what)
	}
	if err == nil {
		err = decode(row[10], &d.Lists, what)
	}
	if row[9] != nil {
		d.Took = time.Duration(intOf(row[9])) * time.Microsecond
	}
	r.Decision = d
	if text := bytesOf(row[8]); text != nil && err == nil {
		if r.Actions, err = rowjson.ParseActions(text, rowjson.Origin{Seq: d.Seq, ChatID: r.Event.ChatID(), At: d.At, Rules: d.Rules}, func() ([]turn.RuleDecision, error) { return d.Rules, nil }); err != nil {
			err = fmt.Errorf("actions of event %d: %w", d.Seq, err)
		}
	}
	return r, err
}

// firstInt returns the first column of a row.
func firstInt(row []driver.Value) (int64, error) { return intOf(row[0]), nil }
