package sqlite

import (
	"chertd/rules/turn"
	"context"
	"fmt"
	"strings"
)

// noteLastSeq stores the highest sequence, so that it is not given again after its
// event was deleted.
var noteLastSeq = declare(`INSERT INTO daemon (id, last_seq) VALUES (1, ?) ON CONFLICT DO UPDATE SET last_seq = excluded.last_seq`)

// doubt is a transaction that failed. Whether it was kept is not known: COMMIT may
// return an error after the disk has stored it.
type doubt struct {
	first   int64 // the sequence to give next, if it was not
	entries []turn.Entry
}

// transact runs requests in one transaction. errs takes the errors of requests
// that changed nothing; an error returned means that nothing of any was kept.
func (w *writer) transact(group []*request, errs []error) (err error) {
	if _, err := w.settle(); err != nil {
		return err
	}
	first := w.next
	w.entries = make([]turn.Entry, 0, arrivals(group)) // its caller gets it
	clear(w.counts)
	w.rows = rowCounts{}
	_, err = w.conn.exec(beginWrite)
	for i := 0; i < len(group) && err == nil; i++ {
		errs[i], err = w.apply(group[i])
	}
	if err == nil {
		err = w.count()
	}
	if err == nil {
		err = w.keepCounts()
	}
	if err == nil && w.next > first {
		_, err = w.conn.exec(noteLastSeq, w.next-1)
	}
	if err == nil {
		_, err = w.conn.exec(commit)
	}
	if err != nil {
		w.doubt = &doubt{first: first, entries: w.entries}
		if kept, unknown := w.settle(); kept && unknown == nil {
			return nil
		}
		return err
	}
	w.commits++
	return w.committed(w.entries)
}

// committed announces the entries of a transaction that is committed.
func (w *writer) committed(entries []turn.Entry) error {
	if err := w.check(); err != nil {
		// It is committed to a file that the next start does not find.
		w.health.end(err)
		return err
	}
	w.last.Store(w.next - 1)
	if tell := w.journaled.Load(); tell != nil && len(entries) > 0 {
		(*tell)(entries)
	}
	return nil
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
			if err := w.change(&s.changes[j]); err != nil {
				return nil, err
			}
		}
		for j := range s.actions {
			if err := w.writeAction(&s.actions[j]); err != nil {
				return nil, err
			}
		}
		if s.decided != 0 {
			if err := w.handle(s); err != nil {
				return nil, err
			}
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
	}
	return nil, nil
}

func (w *writer) change(c *change) error {
	n, err := w.conn.exec(c.what, c.args...)
	w.rows[c.counts] += n
	if err == nil && n == 0 && c.orElse != nil {
		return w.change(c.orElse)
	}
	return err
}

// settle ends the transaction in doubt, if there is one, and reports whether it was
// kept, by the count of transactions that each one updates. No other may begin until
// that is known: it could give a sequence twice, and entries would not be announced.
func (w *writer) settle() (kept bool, err error) {
	if w.doubt == nil {
		return false, nil
	}
	// SQLite itself has rolled back after some failures.
	if _, err := w.conn.exec(rollback); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		return false, intakeFailed(fmt.Errorf("take the last transaction back: %w", err))
	}
	n, err := w.conn.one(context.Background(), selectTransactions)
	if err != nil {
		return false, intakeFailed(fmt.Errorf("find out what became of the last transaction: %w", err))
	}
	d := w.doubt
	w.doubt = nil
	if intOf(n) == w.commits {
		w.next = d.first
		return false, nil
	}
	w.commits = intOf(n)
	return true, w.committed(d.entries)
}
