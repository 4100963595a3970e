package turn

import (
	"context"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Places reserves places for read calls: each pack that has a read in a call must have a
// place left within its limits.reads.
type Places interface {
	// Reserve takes a place for the chat's next call in the meter of each of the
	// packs, or in none: then it returns those that have none left.
	Reserve(ctx context.Context, chatID string, packs []string, now time.Time) ([]Full, error)
}

// Full is a pack that has no place left.
type Full struct {
	Pack  string
	Limit rules.Rate
	Until time.Time // when it may have a place again
}

// Call asks the chat for its next call, which reads the journal up to wire.
// Reads of packs that have no place left are dropped, and the packs returned; reads
// that were called for before wait for a place instead.
func (t *Turn) Call(ctx context.Context, wire int64, places Places) (d Done, spent []Full, err error) {
	in := chat.Ready{Seq: wire}
	for {
		next, effects := chat.Step(*t.Chat, in, t.Now, t.Holds...)
		if effects.Call != nil {
			full, err := places.Reserve(ctx, t.Chat.ID, effects.Call.ReadPacks(), t.Now)
			if err != nil {
				return d, nil, err
			}
			for _, f := range full {
				if effects.Call.Repeats(f.Pack) {
					if in.LimitedUntil == nil {
						in.LimitedUntil = map[string]time.Time{}
					}
					in.LimitedUntil[f.Pack] = f.Until
					continue
				}
				in.LimitReached = append(in.LimitReached, f.Pack)
				spent = append(spent, f)
			}
			if len(full) > 0 {
				continue
			}
		}
		t.moved(&next, &effects, &d)
		return d, spent, nil
	}
}
