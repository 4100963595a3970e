package turn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// keySends gives each message and notification that rules requested on an event its idempotency
// key. The key follows from the event, the rule, the chat and the text alone: an event that is
// handled again after a backup was restored requests the same message under the same key, and
// Chert sends it once. A rule that requests the same text more than once on an event gets a key
// for each.
func keySends(e *event.Event, outcomes []rules.Outcome) {
	var seen map[string]int
	for i := range outcomes {
		for n := range outcomes[i].Requests {
			w := &outcomes[i].Requests[n]
			if w.Kind != chat.RequestSend && w.Kind != chat.RequestNotify {
				continue
			}
			of := fmt.Sprintf("%q %d %q %q %q %q", e.ID, e.At.UnixMilli(), w.Pack, w.Rule, w.Chat, w.Body)
			if seen == nil {
				seen = map[string]int{}
			}
			sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", of, seen[of]))
			seen[of]++
			w.Target = "chertd-" + hex.EncodeToString(sum[:16])
		}
	}
}
