package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// refusalEvery is how often refused signatures are logged at most. A wrong
// secret would write a line for every event otherwise, and any stranger could
// fill the log.
const refusalEvery = time.Minute

// refusals are those not logged yet.
type refusals struct {
	count  map[Refusal]int
	logged time.Time // zero: never
}

// hint says what is likely wrong, to the sender and in the log.
func (r Refusal) hint() string {
	switch r {
	case RefusedWrong:
		return "is the secret that of this subscription, and the body unchanged by proxies?"
	case RefusedStale:
		return "are both clocks right? An old delivery can't be sent again with its old signature."
	case RefusedDuplicate:
		return "one signature header is sent; does a proxy add another?"
	case RefusedMalformed:
		return "X-Webhook-Signature is t=<unix seconds>,v1=<hex> or v1,<unix seconds>,<hex>"
	default:
		return "sign the body with the subscription's secret in X-Webhook-Signature"
	}
}

// refuse counts a refused signature, and logs the first one at once and from
// then on what came together in a minute.
func (w *Webhook) refuse(why Refusal, now time.Time) {
	w.mu.Lock()
	w.stats.Refused[why]++
	if w.refusals.count == nil {
		w.refusals.count = map[Refusal]int{}
	}
	w.refusals.count[why]++
	w.mu.Unlock()
	w.ReportRefusals(now)
}

// ReportRefusals logs the signatures refused since it last did, if there are
// any and a minute has passed. It is called with each refusal; the engine calls
// it now and then too, so that the end of a run does not go untold.
func (w *Webhook) ReportRefusals(now time.Time) {
	w.mu.Lock()
	count := w.refusals.count
	quiet := !w.refusals.logged.IsZero() && now.Sub(w.refusals.logged) < refusalEvery
	if len(count) == 0 || quiet {
		w.mu.Unlock()
		return
	}
	w.refusals = refusals{logged: now}
	w.mu.Unlock()

	total, most := 0, Refusal("")
	var reasons []string
	for _, why := range slices.Sorted(maps.Keys(count)) {
		total += count[why]
		if most == "" || count[why] > count[most] {
			most = why
		}
		reasons = append(reasons, fmt.Sprintf("%s: %d", why, count[why]))
	}
	w.cfg.Log.Error("webhook deliveries refused: their events are lost on this path",
		"count", total, "reasons", strings.Join(reasons, ", "), "hint", most.hint())
}
