package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/turn"
)

// entryColumns are the columns of events e that entryOf and entryRow read, in this order.
const entryColumns = `e.seq, e.id, e.type, e.source, e.at, e.received_at, e.chat_id, e.line, e.message_id,
	e.direction, e.cause, e.pack, e.depth, e.payload, e.action, e.forward, e.decoded, e.raw`

// entryRow is a row of entryColumns.
type entryRow struct {
	seq                            int64
	id, kind, source               string
	at, received                   *time.Time
	chat, line, message, direction *string
	cause                          *int64
	pack                           *string
	depth                          int
	payload, action                []byte
	forward, decoded, raw          []byte
}

// columns returns where Scan puts entryColumns.
func (r *entryRow) columns() []any {
	return []any{
		&r.seq, &r.id, &r.kind, &r.source, &r.at, &r.received, &r.chat, &r.line, &r.message,
		&r.direction, &r.cause, &r.pack, &r.depth, &r.payload, &r.action, &r.forward, &r.decoded, &r.raw,
	}
}

// entry returns the entry of a row that was scanned.
func (r *entryRow) entry() (turn.Entry, error) {
	e := turn.Entry{Seq: r.seq}
	ev := &e.Event
	ev.ID, ev.Type, ev.Source = untext(r.id), untext(r.kind), untext(r.source)
	ev.At, e.Received = timeOf(r.at), timeOf(r.received)
	if r.cause != nil {
		e.Cause = *r.cause
	}
	ev.Pack, ev.Depth = stringOf(r.pack), r.depth
	ev.Payload, ev.Action, ev.Raw = r.payload, r.action, r.raw
	err := rowjson.Restore(&e, &rowjson.EntryColumns{
		ChatID: stringOf(r.chat), Line: stringOf(r.line), MessageID: stringOf(r.message), Direction: stringOf(r.direction),
		Forward: r.forward, Decoded: r.decoded,
	})
	return e, err
}

// entryOf returns the entry of a row of entryColumns. It is for pgx.CollectRows.
func entryOf(row pgx.CollectableRow) (turn.Entry, error) {
	var r entryRow
	if err := row.Scan(r.columns()...); err != nil {
		return turn.Entry{}, err
	}
	return r.entry()
}

// arrival is an arrival encoded for its row.
type arrival struct {
	turn.Arrival     // as Journaled announces it and Pending returns it
	forward, decoded []byte
	slot             int
	bytes            int // in it, about
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
		var err error
		if a.decoded, err = rowjson.AppendDecoded(nil, e); err != nil {
			return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
		}
		if a.forward, err = rowjson.AppendForward(nil, a.Forward); err != nil {
			return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
		}
		a.slot = store.Slot(a.ShardKey())
		a.bytes = len(e.Raw) + len(e.Payload) + len(e.Action) + len(a.decoded) + len(a.forward) + 200
	}
	return out, nil
}

// eventColumns are the columns of events, of several rows.
type eventColumns struct {
	ids, types, sources              []string
	at, received                     []*time.Time
	chats, lines, messages, directed []*string
	slots                            []int
	causes                           []*int64
	packs                            []*string
	depths                           []int
	payloads, actions                [][]byte
	forwards, decoded                []*string
	raws                             [][]byte
}

func (c *eventColumns) add(a *arrival) {
	e := &a.Event
	var direction *string
	if e.Message != nil {
		direction = optional(e.Message.Direction)
	}
	var cause *int64
	if a.Cause != 0 {
		cause = &a.Cause
	}
	c.ids, c.types, c.sources = append(c.ids, text(e.ID)), append(c.types, text(e.Type)), append(c.sources, text(e.Source))
	c.at, c.received = append(c.at, instant(e.At)), append(c.received, instant(a.Received))
	c.chats, c.lines = append(c.chats, optional(e.ChatID())), append(c.lines, optional(e.Line()))
	c.messages, c.directed = append(c.messages, optional(e.MessageID())), append(c.directed, direction)
	c.slots, c.causes = append(c.slots, a.slot), append(c.causes, cause)
	c.packs, c.depths = append(c.packs, optional(e.Pack)), append(c.depths, e.Depth)
	c.payloads, c.actions, c.raws = append(c.payloads, e.Payload), append(c.actions, e.Action), append(c.raws, e.Raw)
	c.forwards, c.decoded = append(c.forwards, jsonText(a.forward)), append(c.decoded, jsonText(a.decoded))
}

// args returns the arguments of insertEvents.
func (c *eventColumns) args() []any {
	return []any{
		c.ids, c.types, c.sources, c.at, c.received, c.chats, c.lines, c.messages, c.directed,
		c.slots, c.causes, c.packs, c.depths, c.payloads, c.actions, c.forwards, c.decoded, c.raws,
	}
}

// jsonText returns JSON of chertd for a column that has NULL where there is none.
func jsonText(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
