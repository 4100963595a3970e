package sqlite

import (
	"chertd/rules/turn"
)

// versionKey names a version of a pack.
type versionKey struct{ pack, version string }

// took is a version of a pack that took part in a decision.
type took struct {
	versionKey
	failed bool // a rule of it did
}

// tally counts decisions.
type tally struct{ events, failures int64 }

// tookPart lists the versions whose rules a decision names, each once. An entry
// without a rule is of a pack that did not run on the event, and does not count.
func tookPart(d *turn.Decision) (list []took) {
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

// count writes what the current transaction has counted, with one statement for
// each version. A version that is not kept has no row and is not counted.
func (w *writer) count() error {
	for k, c := range w.counts {
		if _, err := w.conn.exec(countVersion, c.events, c.failures, k.pack, k.version); err != nil {
			return err
		}
	}
	return w.countComparisons()
}
