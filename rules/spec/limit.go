package spec

import (
	"context"
	"fmt"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// toShadow does what follows from a limit that is reached: from now on the pack is
// in shadow, and its reads that wait are dropped.
func (w *World) toShadow(ctx context.Context, full turn.Full) error {
	if w.set.Mode(full.Pack) == rules.Shadow {
		return nil
	}
	w.set = w.set.Shadowed(full.Pack)
	w.note(Happening{At: w.now, Note: fmt.Sprintf("pack %s goes to shadow: %s", full.Pack, full.Limit.Reached())})
	for _, id := range w.Chats() {
		d, err := w.move(ctx, id, chat.Cancel{Pack: full.Pack})
		if err != nil {
			return err
		}
		if len(d.Actions) > 0 {
			w.note(Happening{At: w.now, Chat: id, Note: fmt.Sprintf("what pack %s had waiting is dropped", full.Pack), Actions: d.Actions})
		}
	}
	return nil
}
