package spec

import (
	"cmp"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Happening is an entry of a World's log: an event that was handled, a call that was
// made, or one that was not needed.
type Happening struct {
	At    time.Time
	Seq   int64        // of the event
	Chat  string       // of a call
	Note  string       // why rules did not run on the event, or no call was made
	Call  *CallMade    // nil: no call
	Input chat.Input   // of an operator; nil: none
	Lists *rules.Lists // that were set; nil: none were
	Event *event.Event // nil: no event

	Decision *turn.Decision // of the event; nil: no event was handled
	Rules    []Said         // those of Decision, with their outcomes
	Blocked  bool           // a rule that could have vetoed failed
	Actions  []chat.Action  // that it changed, as they were afterwards
}

// Said is the outcome of a rule on an event.
type Said struct {
	rules.Outcome
	Decision *turn.RuleDecision // the same, as the daemon records it
}

// Log returns all that happened, in order. It is empty if WorldConfig.Observe is set.
// The caller must not change it.
func (w *World) Log() []Happening { return w.log }

// Actions returns the actions of a chat ("": of all chats) as they are now, in the order
// of the requests.
func (w *World) Actions(id string) []chat.Action {
	var list []chat.Action
	for _, a := range w.actions {
		if id == "" || a.Chat == id {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b chat.Action) int {
		return cmp.Or(cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
	})
	return list
}

func (w *World) note(h Happening) {
	w.happened++
	if w.c.Observe != nil {
		w.c.Observe(&h)
		return
	}
	w.log = append(w.log, h)
}
