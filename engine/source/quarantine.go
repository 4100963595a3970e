package source

import (
	"net/http"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
)

func (w *Webhook) quarantine(rw http.ResponseWriter, r *http.Request, body []byte, now time.Time, reason, id string) {
	err := w.cfg.Quarantine(w.patience.context(), store.Quarantined{
		Received: now,
		Source:   event.SourceWebhook,
		Reason:   reason,
		Header:   keptHeaders(r.Header),
		Body:     body,
	})
	if err != nil {
		w.fail(rw, err, now)
		return
	}
	w.count(func(s *WebhookStats) { s.Quarantined++ })
	w.cfg.Log.Warn("delivery quarantined", "source", event.SourceWebhook, "reason", reason)
	answer(rw, "quarantined", id)
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
