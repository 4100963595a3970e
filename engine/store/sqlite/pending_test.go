package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// Large bodies come in several pages, and none is left out.
func TestPendingIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "chertd.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const events, size = 40, 1 << 20
	raw := append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, size-2)...), '"')
	for i := range events {
		ev := event.Event{ID: fmt.Sprint("e", i), Type: "x", Source: event.SourceWebhook, Raw: raw}
		if _, err := s.Append(ctx, []turn.Arrival{{Event: ev}}); err != nil {
			t.Fatal(err)
		}
	}
	got, after := 0, int64(0)
	for {
		page, err := s.Pending(ctx, store.Shard{Of: 1}, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if bytes := len(page) * size; bytes > store.PendingBytes+size {
			t.Errorf("a page of %d bytes, want about %d at most", bytes, store.PendingBytes)
		}
		got, after = got+len(page), page[len(page)-1].Seq
	}
	if got != events {
		t.Errorf("%d events were pending, want %d", got, events)
	}
}
