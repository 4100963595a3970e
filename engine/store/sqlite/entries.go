package sqlite

import (
	"database/sql/driver"
	"fmt"
	"time"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/turn"
)

const (
	// entryColumns are read by entryOf, in this order.
	entryColumns = `e.seq, e.id, e.type, e.source, e.at, e.received_at, e.chat_id, e.line, e.message_id,
		e.direction, e.cause, e.pack, e.depth, e.payload, e.action, e.forward, e.decoded, e.raw`
	entryWidth = 18
)

// arrival is an arrival encoded for the writer, by its caller's goroutine, so that
// the writer has less to do.
type arrival struct {
	turn.Arrival // as Journaled announces it and Pending returns it
	slot         int64
	row          []driver.Value // of insertEvent; row[0] is for the sequence
}

// prepareArrivals encodes arrivals. It cuts times to microseconds, so that an
// arrival announced now equals the one read later.
func prepareArrivals(list []turn.Arrival) ([]arrival, error) {
	out := make([]arrival, len(list))
	for i := range list {
		a := &out[i]
		a.Arrival = list[i]
		e := &a.Event
		if e.ID == "" {
			return nil, fmt.Errorf("journal a %q event: it has no id", e.Type)
		}
		e.At, a.Received = rowjson.Micros(e.At), rowjson.Micros(a.Received)
		if m := e.Message; m != nil && !m.SentAt.Equal(m.SentAt.Truncate(time.Microsecond)) {
			m := *m
			m.SentAt = rowjson.Micros(m.SentAt)
			e.Message = &m
		}
		text, err := rowjson.AppendDecoded(nil, e)
		if err != nil {
			return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
		}
		fwd, err := rowjson.AppendForward(nil, a.Forward)
		if err != nil {
			return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
		}
		a.slot = int64(store.Slot(a.ShardKey()))
		var direction driver.Value
		if e.Message != nil {
			direction = optional(e.Message.Direction)
		}
		var cause driver.Value
		if a.Cause != 0 {
			cause = a.Cause
		}
		a.row = []driver.Value{
			nil, e.ID, e.Type, e.Source, micros(e.At), micros(a.Received),
			optional(e.ChatID()), optional(e.Line()), optional(e.MessageID()),
			direction, a.slot, cause, optional(e.Pack), int64(e.Depth),
			optionalJSON(e.Payload), optionalJSON(e.Action), optionalJSON(fwd), optionalJSON(text), optionalJSON(e.Raw),
		}
	}
	return out, nil
}

// entryOf returns the entry of a row of entryColumns.
func entryOf(row []driver.Value) (turn.Entry, error) {
	e := turn.Entry{Seq: intOf(row[0])}
	ev := &e.Event
	ev.ID, ev.Type, ev.Source = stringOf(row[1]), stringOf(row[2]), stringOf(row[3])
	ev.At, e.Received = timeOf(row[4]), timeOf(row[5])
	e.Cause, ev.Pack, ev.Depth = intOf(row[10]), stringOf(row[11]), int(intOf(row[12]))
	ev.Payload, ev.Action, ev.Raw = bytesOf(row[13]), bytesOf(row[14]), bytesOf(row[17])
	err := rowjson.Restore(&e, &rowjson.EntryColumns{
		ChatID: stringOf(row[6]), Line: stringOf(row[7]), MessageID: stringOf(row[8]), Direction: stringOf(row[9]),
		Forward: bytesOf(row[15]), Decoded: bytesOf(row[16]),
	})
	return e, err
}
