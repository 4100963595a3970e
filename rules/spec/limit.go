package spec

import (
	"fmt"

	"chertd/rules/chat"
)

// toShadow does what follows from a limit that is reached: the pack's reads that
// wait are dropped, and from now on it is in shadow.
func (w *World) toShadow(pack string) {
	w.note(Happening{At: w.now, Note: fmt.Sprintf("pack %s goes to shadow: %s", pack, w.limits.Reached(pack))})
	for _, id := range w.Chats() {
		if effects := w.step(id, chat.Cancel{Pack: pack}); len(effects.Actions) > 0 {
			w.note(Happening{At: w.now, Chat: id, Note: fmt.Sprintf("what pack %s had waiting is dropped", pack), Actions: effects.Actions})
		}
	}
}
