package sqlite

import (
	"chertd/engine/store"
)

// versionKey names a version of a pack.
type versionKey struct{ pack, version string }

// took is a version that took part in the decision of an event.
type took struct {
	versionKey
	failed bool // some rule of it did, or was suspended
}

// tally counts decisions.
type tally struct{ events, failures int64 }

// tookPart lists the versions whose rules a decision names, each once. Packs
// are few, and their rules stand together. A line without a rule is of a pack that
// did not run on the event: none of its versions has failed.
func tookPart(d *store.Decision) (list []took) {
next:
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Rule == "" {
			continue
		}
		k := versionKey{r.Pack, r.Version}
		failed := r.Failed()
		for j := len(list) - 1; j >= 0; j-- {
			if list[j].versionKey == k {
				list[j].failed = list[j].failed || failed
				continue next
			}
		}
		list = append(list, took{k, failed})
	}
	return list
}

// handle takes a decided event from those that are pending. Only one that was
// there is counted for its versions: an event that is handled anew, by hand or
// because a batch was repeated, has been counted the first time.
func (w *writer) handle(s *step) error {
	n, err := w.conn.exec(deletePending, s.decided)
	if err != nil || n == 0 {
		return err
	}
	w.rows[pendingCount]--
	for _, t := range s.took {
		c := w.counts[t.versionKey]
		c.events++
		if t.failed {
			c.failures++
		}
		w.counts[t.versionKey] = c
	}
	return nil
}

// count writes what the transaction at hand has counted, one statement a
// version. A version that is not kept has no row, and is not counted.
func (w *writer) count() error {
	for k, c := range w.counts {
		if _, err := w.conn.exec(countVersion, c.events, c.failures, k.pack, k.version); err != nil {
			return err
		}
	}
	return nil
}
