package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// asked is a store that knows of one chat which of its events waits.
type asked struct {
	store.Store
	newest int64 // not handled
	err    error

	times int
}

func (a *asked) Unhandled(context.Context, string) (int64, error) {
	a.times++
	return a.newest, a.err
}

// A read goes out only if no event of its chat waits. Whether one does is known
// of those in the queue; of the others the store is asked, and if it can't say,
// that is an error and no permission.
func TestNoReadGoesOutOverWhatIsNotHandled(t *testing.T) {
	t.Parallel()
	lost := errors.New("disk I/O error")
	for name, c := range map[string]struct {
		shard *shard
		store asked
		waits bool
		asked bool
		err   error
	}{
		"nothing waits":                  {shard: &shard{newest: 9}},
		"the queue has one":              {shard: &shard{newest: 9, queued: map[string]int{"c1": 1}}, waits: true},
		"the queue has one, and is full": {shard: &shard{newest: 9, behind: true, queued: map[string]int{"c1": 2}}, waits: true},
		"another chat's":                 {shard: &shard{newest: 9, queued: map[string]int{"c2": 1}}},
		"the store has one":              {shard: &shard{newest: 9, behind: true, taken: 5}, store: asked{newest: 6}, waits: true, asked: true},
		"the batch has the store's":      {shard: &shard{newest: 9, behind: true, taken: 6}, store: asked{newest: 6}, asked: true},
		"the store has none":             {shard: &shard{newest: 9, behind: true, taken: 5}, asked: true},
		"the store can't say":            {shard: &shard{newest: 9, behind: true}, store: asked{err: lost}, asked: true, err: lost},
	} {
		c.shard.e = &Engine{c: Config{Store: &c.store}, held: newSelectionHolds(nil)}
		waits, newest, err := c.shard.unhandled(ctx, "c1")
		if waits != c.waits || !errors.Is(err, c.err) || err == nil && newest != 9 {
			t.Errorf("%s: waits: %t, up to %d, %v; want %t, %v", name, waits, newest, err, c.waits, c.err)
		}
		if (c.store.times > 0) != c.asked {
			t.Errorf("%s: the store was asked %d times", name, c.store.times)
		}
	}
}

// While events of a shard are in the store only, a read of a chat without any is handed out
// nevertheless, and none of a chat that has one.
func TestReadsAreHandedOutDuringABacklog(t *testing.T) {
	t.Parallel()
	lost := errors.New("disk I/O error")
	for name, c := range map[string]struct {
		store     asked
		call, ask bool
	}{
		"none of the chat waits": {call: true},
		"one of the chat waits":  {store: asked{newest: 9}},
		"the store can't say":    {store: asked{err: lost}, ask: true},
	} {
		now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
		in := chat.Outcomes{Seq: 5, New: true, Message: true, IDs: []string{"m"}, RanPacks: []string{"p"}, Requests: []chat.Request{
			{Kind: chat.RequestRead, Pack: "p", Rule: "r", Due: now},
		}}
		due, _ := chat.Step(chat.Chat{ID: "c1"}, in, now)
		e := &Engine{c: Config{Store: &c.store, Now: func() time.Time { return now }}, held: newSelectionHolds(nil)}
		e.misses = newMisses(e)
		s := &shard{e: e, newest: 9, behind: true, queued: map[string]int{}, chats: newChatCache(1, 1)}
		s.chats.put("c1", &due, now)
		e.shards = []*shard{s}
		call, ask := e.Ready("c1")
		if (call != nil) != c.call || ask != c.ask || call != nil && call.SentSeq != 9 {
			t.Errorf("%s: %+v, to be asked: %t", name, call, ask)
		}
	}
}
