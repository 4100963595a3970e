package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// transaction is what the current transaction of the writer changes besides its rows:
// it counts once the transaction is committed.
type transaction struct {
	requests []*request // to answer once it is durable
	errs     []error    // theirs, of those that changed nothing
	proves   bool       // that the store works: it writes

	first    int64            // the sequence to give next, if it is not kept
	last     int64            // the highest sequence given, once it is committed
	entries  []turn.Entry     // that were journaled
	events   []lateEvent      // the same
	ids      map[string]int64 // the same, by id
	chats    map[string]*chatRow
	decided  map[int64]*decided
	cleared  bool      // what is known of actions from before was changed in the tables
	handled  []int64   // events
	ruleLate *ruleLate // as it is after the transaction
	rows     rowCounts
	done     []string // chats of handled events

	// Late rows: groups that are written whole, and the one that is written in part.
	ended []*group
	group *group
	wrote int
}

// doubt is a transaction that failed. Whether it was kept is not known: COMMIT may
// return an error after the disk has stored it.
type doubt struct{ tx *transaction }

// answer answers the requests of a transaction, once.
func (tx *transaction) answer(err error) {
	for i, r := range tx.requests {
		r.answer <- r.failed(cmp.Or(err, tx.errs[i]))
	}
	tx.requests, tx.proves = nil, false
}

// begin begins the notes of a transaction of a group.
func (w *writer) begin(group []*request) {
	clear(w.counts)
	w.compared = comparing{}
	w.rules.clear()
	w.tx = &transaction{
		requests: group, errs: make([]error, len(group)), proves: len(group) == 0 || writes(group),
		first:   w.next,
		entries: make([]turn.Entry, 0, arrivals(group)), // its caller gets it
		group:   w.behind.group, wrote: w.behind.wrote,
		ruleLate: w.ruleLate,
	}
}

// transact runs requests in one transaction, which the syncer makes durable and answers.
// An error means that nothing of any was kept, or that it is in doubt, and that nobody is
// answered.
func (w *writer) transact(group []*request) (err error) {
	if _, err := w.settle(); err != nil {
		return err
	}
	w.begin(group)
	_, err = w.conn.exec(beginWrite)
	all := false
	for i := 0; i < len(group) && err == nil; i++ {
		w.tx.errs[i], err = w.apply(group[i])
		all = all || group[i].late
	}
	if err == nil {
		err = w.writeLate(len(group) == 0, all)
	}
	if err == nil {
		err = w.keepLate()
	}
	if err == nil {
		err = w.count()
	}
	if err == nil {
		err = w.countRules(all || len(group) == 0)
	}
	if err == nil {
		err = w.keepCounts()
	}
	if err == nil {
		_, err = w.conn.exec(commit)
	}
	if err != nil {
		w.doubt = &doubt{w.tx}
		if kept, unknown := w.settle(); kept && unknown == nil {
			return nil
		}
		return err
	}
	w.commits++
	w.committed(w.tx)
	return nil
}

// committed takes over what a committed transaction has changed, on which the next one
// builds, and gives it to the syncer. A chat counts as one with an event that waits from
// here on, and until the transaction that handles it is durable.
func (w *writer) committed(tx *transaction) {
	w.behind.take(tx, w.known)
	if tx.cleared {
		w.recent = recent{}
	}
	w.recent.take(tx.decided)
	w.ruleLate = tx.ruleLate
	for i := range tx.events {
		if id := tx.events[i].chat; id != "" {
			w.waiting.add(id, tx.ids[tx.events[i].id])
		}
	}
	tx.last = w.next - 1
	w.syncer.give(tx)
}

// apply runs one request within the transaction. It refuses one whose reads no
// longer hold before anything of it is written.
func (w *writer) apply(r *request) (refused, err error) {
	entries, refused, err := w.validate(r)
	if refused != nil || err != nil {
		return refused, err
	}
	r.receipts = r.receipts[:0]
	for i := range r.steps {
		s := &r.steps[i]
		for j := range s.changes {
			n, err := w.change(&s.changes[j])
			if err != nil {
				return nil, err
			}
			if s.changes[j].what == insertQuarantine {
				r.receipts = append(r.receipts, store.Receipt{Duplicate: n == 0})
			}
		}
		if s.decision != nil {
			if err := w.decide(s.decision); err != nil {
				return nil, err
			}
		}
		if len(s.actions) > 0 {
			if err := w.changeActions(s.actions); err != nil {
				return nil, err
			}
		}
		if s.chat != nil {
			if w.tx.chats == nil {
				w.tx.chats = map[string]*chatRow{}
			}
			w.tx.chats[s.chat.id] = s.chat
		}
		for _, kv := range s.writes {
			if err := w.writeKV(kv, entries); err != nil {
				return nil, err
			}
		}
		for j := range s.arrivals {
			receipt, err := w.journal(&s.arrivals[j])
			if err != nil {
				return nil, err
			}
			r.receipts = append(r.receipts, receipt)
		}
		for j := range s.early {
			receipt, err := w.keepEarly(&s.early[j])
			if err != nil {
				return nil, err
			}
			r.receipts = append(r.receipts, receipt)
		}
	}
	return nil, nil
}

// change runs a statement, and returns how many rows it has changed.
func (w *writer) change(c *change) (int64, error) {
	n, err := w.conn.exec(c.what, c.args...)
	w.tx.rows[c.counts] += n
	if c.what == clearActions || c.what == eraseActions {
		w.tx.decided, w.tx.cleared = nil, true
	}
	return n, err
}

// settle ends the transaction in doubt, if there is one, and reports whether it was
// kept, by the count of transactions that each one updates. No other may begin until
// that is known: it could give a sequence twice, and entries would not be announced. The
// syncer has nothing left to do afterwards but that transaction.
func (w *writer) settle() (kept bool, err error) {
	if w.doubt == nil {
		return false, nil
	}
	w.syncer.wait()
	// SQLite itself has rolled back after some failures.
	if _, err := w.conn.exec(rollback); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		return false, intakeFailed(fmt.Errorf("take the last transaction back: %w", err))
	}
	n, err := w.conn.one(context.Background(), selectTransactions)
	if err != nil {
		return false, intakeFailed(fmt.Errorf("find out what became of the last transaction: %w", err))
	}
	tx := w.doubt.tx
	w.doubt = nil
	if intOf(n) == w.commits {
		w.next = tx.first
		return false, nil
	}
	w.commits = intOf(n)
	w.committed(tx)
	return true, nil
}
