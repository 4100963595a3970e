package backtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

// noon is when the stories of the tests begin.
var noon = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

// load loads packs, each a file: its name and text.
func load(t testing.TB, packs map[string]string) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	for name, text := range packs {
		if err := os.WriteFile(filepath.Join(dir, name+".lua"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if diags.Errors() {
		t.Fatal(diags)
	}
	return set
}

// said is an inbound message in a chat, so many seconds after noon.
func said(t testing.TB, n int, chat, text string, after time.Duration) Event {
	t.Helper()
	at := noon.Add(after)
	body := fmt.Sprintf(`{"event_type":"message.received","event_id":"e%d","timestamp":%q,"data":{"chat":{"id":%q,"is_group":false},"message":{"id":"m%d","direction":"inbound","sender_handle":{"handle":"+14155551234"},"parts":[{"type":"text","value":%q}]}}}`,
		n, at.Format(time.RFC3339), chat, n, text)
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	return Event{Event: ev, Received: at, Seq: int64(n)}
}

// list returns a source of events.
func list(all []Event) func() (Event, bool, error) {
	return func() (Event, bool, error) {
		if len(all) == 0 {
			return Event{}, false, nil
		}
		ev := all[0]
		all = all[1:]
		return ev, true, nil
	}
}

func mustRun(t testing.TB, c Config, events []Event) *Result {
	t.Helper()
	r, err := Run(context.Background(), c, list(events))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
