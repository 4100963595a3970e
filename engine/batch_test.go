package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// slowReads is a store whose reads of chats take longer than a batch may.
type slowReads struct {
	store.Store
	passed *atomic.Int64 // time, in nanoseconds
	reads  map[string]int
}

func (s *slowReads) Chats(ctx context.Context, ids []string) ([]chat.Chat, error) {
	s.passed.Add(int64(2 * batchTime))
	for _, id := range ids {
		s.reads[id]++
	}
	return s.Store.Chats(ctx, ids)
}

// However long it takes to read the chats of a backlog, a batch handles some of its events,
// and what it does not use is read once.
func TestBacklogReadsEachChatOnce(t *testing.T) {
	t.Parallel()
	for name, pack := range map[string]string{"lent": words, "durable first": counted} {
		var passed atomic.Int64
		began := time.Now()
		r := &rig{t: t, dir: t.TempDir(), shards: 1, now: func() time.Time { return began.Add(time.Duration(passed.Load())) }}
		r.changed.L = &r.mu
		reads := &slowReads{passed: &passed, reads: map[string]int{}}
		r.wrap = func(st store.Store) store.Store { reads.Store = st; return reads }
		r.write("p.lua", pack)
		r.start()
		r.eng.rules.Store(nil) // nothing is handled until there are rules
		const chats = 3 * batchEntries
		var backlog []turn.Arrival
		for i := range chats {
			backlog = append(backlog, turn.Arrival{Event: message(fmt.Sprint("c", i), fmt.Sprint("e", i), "x"), Received: began})
		}
		if _, err := r.st.Append(ctx, backlog); err != nil {
			t.Fatal(err)
		}
		r.load()
		r.handledAll(fmt.Sprint("e", chats-1))
		r.stop()
		for id, n := range reads.reads {
			if n > 1 {
				t.Errorf("%s: chat %s was read %d times", name, id, n)
			}
		}
		if len(reads.reads) == 0 {
			t.Errorf("%s: no chat was read", name)
		}
	}
}
