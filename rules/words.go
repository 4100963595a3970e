package rules

import (
	"fmt"
	"strings"
	"time"

	"chertd/rules/chat"
)

// Words formats a request for logs and explain, e.g. `mark_read after 30s (code)`. It
// names the chat unless it is own, the chat of the event. now is when the event was
// handled.
func (w *Request) Words(own string, now time.Time) string {
	var b strings.Builder
	b.WriteString(string(w.Kind))
	switch w.Kind {
	case chat.RequestTimer, chat.RequestCancelTimer:
		fmt.Fprintf(&b, " %q", w.Name)
	}
	if w.Chat != own {
		fmt.Fprintf(&b, " chat %s", w.Chat)
	}
	switch w.Kind {
	case chat.RequestRead, chat.RequestTimer:
		if d := w.Due.Sub(now); d > 0 {
			fmt.Fprintf(&b, " after %s", d)
		}
	case chat.RequestPostpone:
		if w.Due.After(now) {
			fmt.Fprintf(&b, " until %s", w.Due.UTC().Format(time.RFC3339))
		}
	case chat.RequestHold:
		fmt.Fprintf(&b, " until %s", w.Due.UTC().Format(time.RFC3339))
	}
	if w.EvenIfNewer {
		b.WriteString(" even if newer")
	}
	if w.Reason != "" {
		fmt.Fprintf(&b, " (%s)", w.Reason)
	}
	if w.Shadow {
		b.WriteString(" [shadow]")
	}
	return b.String()
}
