package sqlite

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
)

// The tables seen, pending and chats are written late: an insert under a random key
// dirties a page of its own at every commit, which costs as much as all else that an
// event needs. So their rows are collected in memory and written in groups, sorted by
// key, a few with each transaction. Until then late has them for those who ask, and
// after a crash they are made again: those of seen and pending from events, those of
// chats from the table late, which has one row for each transaction.

// lateSizes are the sizes of groups, which tests make smaller.
type lateSizes struct {
	events, chats int // that start a group
	bytes         int // of late chats and their actions that start one; twice as many are written whole
	rows          int // that a transaction writes besides those for its own changes
	idle          int // that one writes that is made for them alone, while no request waits; 0: none is
}

// defaultLate: the larger a group is, the more rows share a page. It takes about 4 MB of
// memory, and some 50 ms to make again at a start. The rows of a transaction take a
// millisecond or two.
var defaultLate = lateSizes{events: 4096, chats: 4096, bytes: 16 << 20, rows: 64, idle: 256}

const (
	// latePerChange is how many late rows a transaction writes for each event or chat that
	// it makes late: more than come in, so that a group ends.
	latePerChange = 6
	// idleTicks is how many ticks (seconds) late rows wait at most for others to share
	// their group.
	idleTicks = 5
)

var (
	insertLate = declare(`INSERT INTO late (n, chats) VALUES (?, ?)`)
	deleteLate = declare(`DELETE FROM late WHERE n <= ?`)
	setLateSeq = declare(`INSERT INTO daemon (id, late_seq) VALUES (1, ?) ON CONFLICT DO UPDATE SET late_seq = excluded.late_seq`)
)

// late has what the tables lack. Only the writer changes it; readers hold mu.
type late struct {
	mu    sync.RWMutex
	ids   map[string]int64    // of events that seen lacks
	chats map[string]*chatRow // as they are; the table has them as they were, or not at all
}

// lateEvent is an event whose id and pending row are late.
type lateEvent struct {
	id, chat string
	slot     int64
	received time.Time
	handled  bool
}

// lateState is the writer's own part of what is late.
type lateState struct {
	late
	sizes  lateSizes
	seq    int64       // up to here seen and pending are complete
	events []lateEvent // those after seq, in the order of the journal
	n      int64       // of the newest row of the table late
	group  *group      // that is being written; nil: none
	wrote  int         // rows of group that are written
	bytes  int         // in chats, since a group ended
	ticks  int         // since something is late
	failed bool        // the last transaction failed: none is made for late rows alone until one succeeds
	stuck  bool        // late rows could not be written: each transaction tries, and fails with them
}

// group is what was late at a time, sorted. It does not change.
type group struct {
	through int64 // up to here seen and pending are complete once it is written
	n       int64 // rows of the table late up to here are of no use then
	seen    []seenRow
	chats   []*chatRow
}

type seenRow struct {
	id  string
	seq int64
}

func (g *group) rows() int { return len(g.seen) + len(g.chats) }

// waits reports whether anything is late.
func (b *lateState) waits() bool { return len(b.events) > 0 || len(b.chats) > 0 || b.group != nil }

// due reports whether it is time to write late rows.
func (b *lateState) due() bool {
	return b.group != nil || b.stuck || len(b.events) >= b.sizes.events || len(b.chats) >= b.sizes.chats ||
		b.bytes >= b.sizes.bytes || b.ticks >= idleTicks && b.waits()
}

// next returns a group of all that is late, without what a group has that is written
// already; nil if there is nothing.
func (b *lateState) next(written *group) *group {
	g := &group{through: b.seq + int64(len(b.events)), n: b.n}
	first := b.seq
	stale := map[string]*chatRow{}
	if written != nil {
		first = written.through
		for _, c := range written.chats {
			stale[c.id] = c
		}
	}
	for seq := first + 1; seq <= g.through; seq++ {
		g.seen = append(g.seen, seenRow{b.events[seq-b.seq-1].id, seq})
	}
	for id, c := range b.chats {
		if stale[id] != c {
			g.chats = append(g.chats, c)
		}
	}
	if g.rows() == 0 {
		return nil
	}
	slices.SortFunc(g.seen, func(x, y seenRow) int { return strings.Compare(x.id, y.id) })
	slices.SortFunc(g.chats, func(x, y *chatRow) int { return strings.Compare(x.id, y.id) })
	return g
}

// writeLate writes late rows within the current transaction, which may be made for them
// alone: some, or all. What fails here concerns every event.
func (w *writer) writeLate(alone, all bool) error {
	b := &w.behind
	limit := b.sizes.rows + latePerChange*(len(w.tx.events)+len(w.tx.chats))
	if alone {
		limit = b.sizes.idle
	}
	err := w.tryLate(limit, all || b.bytes >= 2*b.sizes.bytes)
	w.behind.stuck = err != nil
	return intakeFailed(err)
}

func (w *writer) tryLate(limit int, all bool) error {
	if !all && !w.behind.due() {
		return nil
	}
	if w.tx.group == nil && len(w.tx.ended) == 0 {
		w.tx.group = w.behind.next(nil)
	}
	for w.tx.group != nil {
		g := w.tx.group
		for ; w.tx.wrote < g.rows(); w.tx.wrote++ {
			if !all && limit <= 0 {
				return nil
			}
			limit--
			if err := w.writeLateRow(g, w.tx.wrote); err != nil {
				return err
			}
		}
		if err := w.endGroup(g); err != nil {
			return err
		}
		w.tx.ended = append(w.tx.ended, g)
		w.tx.group, w.tx.wrote = nil, 0
		if all && len(w.tx.ended) == 1 {
			w.tx.group = w.behind.next(g)
		}
	}
	return nil
}

// writeLateRow writes the i-th row of a group.
func (w *writer) writeLateRow(g *group, i int) error {
	if i < len(g.seen) {
		_, err := w.conn.exec(insertSeen, g.seen[i].id, g.seen[i].seq)
		return err
	}
	return w.writeChat(g.chats[i-len(g.seen)])
}

// endGroup makes pending complete, and forgets what a crash would have needed.
func (w *writer) endGroup(g *group) error {
	handled := map[int64]bool{}
	for _, seq := range w.tx.handled {
		handled[seq] = true
	}
	from := w.behind.seq
	if n := len(w.tx.ended); n > 0 {
		from = w.tx.ended[n-1].through
	}
	for seq := from + 1; seq <= g.through; seq++ {
		e := &w.behind.events[seq-w.behind.seq-1]
		if e.handled || handled[seq] {
			continue
		}
		if _, err := w.conn.exec(insertPending, seq, e.slot); err != nil {
			return err
		}
	}
	if _, err := w.conn.exec(deleteLate, g.n); err != nil {
		return err
	}
	_, err := w.conn.exec(setLateSeq, g.through)
	return err
}

// keepLate adds a row of the chats that the current transaction changes, from which
// they are made again after a crash.
func (w *writer) keepLate() error {
	if len(w.tx.chats) == 0 {
		return nil
	}
	size := 2
	for _, c := range w.tx.chats {
		size += len(c.state) + len(c.id) + len(c.line) + lateKeys
	}
	text := append(make([]byte, 0, size), '[')
	for _, c := range w.tx.chats {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = appendLate(text, c)
	}
	_, err := w.conn.exec(insertLate, w.behind.n+1, optionalJSON(append(text, ']')))
	return err
}

// lateKeys is how many bytes a chat in the table late has besides its columns.
const lateKeys = 80

// appendLate appends a chat as it is in the table late: its columns, and its state.
func appendLate(b []byte, c *chatRow) []byte {
	b = rowjson.AppendString(append(b, `{"chat_id":`...), c.id)
	b = rowjson.AppendText(b, "line", c.line)
	b = rowjson.AppendInt(b, "last_seq", c.newest)
	b = append(rowjson.AppendKey(b, "state"), c.state...)
	return append(b, '}')
}

// lateJSON is a chat in the table late. Schema 11 had the state alone, with the id in it.
type lateJSON struct {
	ChatID rowjson.Text    `json:"chat_id"`
	Line   rowjson.Text    `json:"line"`
	Newest int64           `json:"last_seq"`
	State  json.RawMessage `json:"state"`
}

// parseLate reads the JSON of appendLate.
func parseLate(b []byte) (chat.Chat, []chat.ActionID, error) {
	var j lateJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return chat.Chat{}, nil, err
	}
	if j.ChatID == "" {
		j.State = b
	}
	return rowjson.ParseChat(string(j.ChatID), string(j.Line), j.Newest, j.State)
}

// take notes what a committed transaction has made late, and what it has written.
func (b *lateState) take(tx *transaction, known *knownIDs) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, seq := range tx.ids {
		b.ids[id] = seq
	}
	b.events = append(b.events, tx.events...)
	for _, seq := range tx.handled {
		if seq > b.seq {
			b.events[seq-b.seq-1].handled = true
		}
	}
	for id, c := range tx.chats {
		b.chats[id] = c
		b.bytes += len(c.state) + c.bodies
	}
	if len(tx.chats) > 0 {
		b.n++
	}
	from := b.wrote
	for _, g := range tx.ended {
		known.wrote(g, from, g.rows())
		from, b.ticks, b.bytes = 0, 0, 0
		for _, row := range g.seen {
			delete(b.ids, row.id)
		}
		for _, c := range g.chats {
			if b.chats[c.id] == c {
				delete(b.chats, c.id)
			}
		}
		b.events = slices.Clone(b.events[g.through-b.seq:])
		b.seq = g.through
	}
	if b.group, b.wrote = tx.group, tx.wrote; b.group != nil {
		known.wrote(b.group, from, b.wrote)
	}
}

// seqOf returns the sequence of an event whose id is late.
func (b *lateState) seqOf(id string) (seq int64, late bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	seq, late = b.ids[id]
	return seq, late
}

// olderThan reports whether an event that is late was received before a time.
func (b *lateState) olderThan(t time.Time) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.ContainsFunc(b.events, func(e lateEvent) bool { return e.received.Before(t) })
}

// chatIDs returns the ids of the chats that are late.
func (b *lateState) chatIDs() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Keys(b.chats))
}

// newest returns the newest handled event of a chat that is late.
func (b *lateState) newest(id string) (seq int64, late bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if c := b.chats[id]; c != nil {
		return c.newest, true
	}
	return 0, false
}

// lateChats sets those of a list of chats that are late, found by their ids, and returns the
// places of the others.
func (b *lateState) lateChats(list []chat.Chat) (others []int, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range list {
		c := b.chats[list[i].ID]
		if c == nil {
			others = append(others, i)
			continue
		}
		if list[i], err = c.restore(); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// catchUp writes all that is late, for those who read the tables. While the store fails it
// does nothing: the tables are some seconds old then.
func (s *Store) catchUp(ctx context.Context) error {
	if !s.writer.behind.late.waits() || s.Healthy() != nil {
		return nil
	}
	r := newRequest("write what is late")
	r.late = true
	return s.submit(ctx, r, false)
}

// waits reports whether rows of chats, seen or pending are late.
func (l *late) waits() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.ids)+len(l.chats) > 0
}
