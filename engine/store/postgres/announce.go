package postgres

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules/turn"
)

// journal is what a process knows about the journal.
type journal struct {
	appends
	now       func() time.Time
	last      atomic.Int64 // the highest sequence that is known
	journaled atomic.Pointer[func([]turn.Entry)]
	began     atomic.Int64  // when who holds mu took it, Unix nanoseconds; 0: nobody holds it
	unsure    atomic.Bool   // there are doubtful entries
	wake      chan struct{} // holds one: follow is to look

	mu sync.Mutex // held from before a transaction that appends until its entries are announced
	// The fields below belong to who holds mu.

	made   int64 // sequences below have partitions
	making int64 // and below this one, once the transaction is committed; 0: as before
	// doubtful are entries of transactions whose answer to COMMIT was lost, by id.
	doubtful map[string]turn.Entry
	// settled are those of them that are kept, once it is known of all.
	settled []turn.Entry
	known   bool

	owns      func() bool // with shared: this process has the lease
	shared    bool        // others append as well: see follow
	announced int64       // with shared: up to here entries were announced, or are read by Pending
}

// Journaled implements store.Store.
func (s *Store) Journaled(f func([]turn.Entry)) {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.journaled.Store(&f)
	j.announced = j.last.Load()
}

// LastSeq implements store.Store.
func (s *Store) LastSeq() int64 { return s.journal.last.Load() }

// lock begins an append. It is called before the transaction begins, as what is announced first
// must be what was committed first.
func (j *journal) lock() {
	j.mu.Lock()
	j.began.Store(j.now().UnixNano())
	j.making, j.settled, j.known = 0, nil, false
}

// unlock ends an append.
func (j *journal) unlock() {
	j.unsure.Store(len(j.doubtful) > 0)
	j.began.Store(0)
	j.mu.Unlock()
}

// announce makes known that a transaction was committed that has appended entries. The caller
// holds the lock.
func (j *journal) announce(entries []turn.Entry) {
	j.made = max(j.made, j.making)
	if j.known {
		// What is doubtful is older than what the same transaction has appended.
		entries = append(j.settled, entries...)
		j.doubtful, j.settled, j.known = nil, nil, false
	}
	// A caller that found out by other means what became of a COMMIT announces it itself.
	for i := range entries {
		delete(j.doubtful, entries[i].Event.ID)
	}
	if len(entries) == 0 {
		return
	}
	if last := entries[len(entries)-1].Seq; last > j.last.Load() {
		j.last.Store(last)
	}
	f := j.journaled.Load()
	if f == nil {
		return
	}
	if j.shared && !j.owns() {
		return
	}
	if j.shared {
		if entries[0].Seq != j.announced+1 {
			j.wakeUp() // those of others come first
			return
		}
		j.announced = entries[len(entries)-1].Seq
	}
	(*f)(entries)
}

// doubt keeps entries of a transaction whose answer to COMMIT was lost. Those that are in the
// journal nevertheless are announced with the next append. The caller holds the lock.
func (j *journal) doubt(entries []turn.Entry) {
	if j.doubtful == nil {
		j.doubtful = map[string]turn.Entry{}
	}
	for _, e := range entries {
		if _, ok := j.doubtful[e.Event.ID]; !ok {
			j.doubtful[e.Event.ID] = e
		}
	}
	j.settled, j.known = nil, false
}

// doubted reports whether the append that gave an id its sequence was one of this process whose
// answer was lost.
func (j *journal) doubted(id string, seq int64) bool {
	e, ok := j.doubtful[id]
	return ok && e.Seq == seq
}

// settle finds out which doubtful entries are in the journal. The transaction has locked
// journal_lock: those in which they were appended have ended.
func (j *journal) settle(ctx context.Context, tx pgx.Tx) error {
	if len(j.doubtful) == 0 || j.known {
		return nil
	}
	var ids []string
	for id := range j.doubtful {
		ids = append(ids, text(id))
	}
	rows, err := tx.Query(ctx, `SELECT id, seq FROM seen WHERE id = ANY($1)`, ids)
	if err != nil {
		return err
	}
	var id string
	var seq int64
	var settled []turn.Entry
	_, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		if id := untext(id); j.doubted(id, seq) {
			settled = append(settled, j.doubtful[id])
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(settled, func(a, b turn.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	j.settled, j.known = settled, true
	return nil
}
