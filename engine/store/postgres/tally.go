package postgres

import (
	"slices"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// statuses are all statuses of an action, in the order of the columns of counts.
var statuses = [...]chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed}

// countOf returns the place of a status in statuses; -1: there is no such status.
func countOf(s chat.Status) int { return slices.Index(statuses[:], s) }

// waits reports whether an action with a status is among those that wait in its chat.
func waits(s chat.Status) bool { return s == chat.Waiting || s == chat.Sent }

// isOpen reports whether actions with a status are in the table open_actions.
func isOpen(s chat.Status) bool { return s == chat.Blocked || s == chat.Dead }

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
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Rule == "" {
			continue
		}
		k := versionKey{r.Pack, r.Version}
		at := slices.IndexFunc(list, func(t took) bool { return t.versionKey == k })
		if at < 0 {
			at = len(list)
			list = append(list, took{versionKey: k})
		}
		list[at].failed = list[at].failed || r.Failed()
	}
	return list
}
