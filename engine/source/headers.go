package source

import (
	"net/http"

	"chertd/engine/event"
)

// HintsOf returns what the headers say of a delivery that is in quarantine.
func HintsOf(kept map[string]string) event.Hints {
	return event.Hints{ID: kept[headerEventID], Type: kept[headerEvent]}
}

// keptHeaders returns the headers that are kept of a quarantined delivery: those that
// describe it, without signatures, cookies and tokens.
func keptHeaders(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"Content-Type", "User-Agent", headerEvent, headerEventID, "X-Webhook-Timestamp", "X-Webhook-Subscription-Id"} {
		if v := h.Get(name); v != "" {
			kept[name] = clip(v)
		}
	}
	return kept
}

func clip(s string) string {
	const limit = 512
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
