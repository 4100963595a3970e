package turn

import (
	"context"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Places reserves places for read calls: each version of a pack that has a read in a
// call must have a place left within its limits.reads.
type Places interface {
	// Reserve takes a place for the chat's next call in each of the meters, or in none:
	// then it returns those that have none left.
	Reserve(ctx context.Context, chatID string, meters []rules.Meter, now time.Time) ([]Full, error)
}

// Full is a meter that has no place left.
type Full struct {
	rules.Meter
	Limit rules.Rate
	Until time.Time // when it may have a place again
}

// Call asks the chat for its next call, which reads the journal up to wire.
// Reads that have no place left are dropped, and their meters returned; reads
// that were called for before wait for a place instead.
func (t *Turn) Call(ctx context.Context, wire int64, places Places) (d Done, spent []Full, err error) {
	in := chat.Ready{Seq: wire}
	for {
		next, effects := chat.Step(*t.Chat, in, t.Now, t.Holds...)
		if effects.Call != nil {
			full, err := places.Reserve(ctx, t.Chat.ID, Meters(t.Set, effects.Call), t.Now)
			if err != nil {
				return d, nil, err
			}
			for _, f := range full {
				readers := t.readers(f.Meter)
				if !effects.Call.Repeats(readers) {
					in.LimitReached = append(in.LimitReached, readers...)
					spent = append(spent, f)
					continue
				}
				if in.LimitedUntil == nil {
					in.LimitedUntil = map[chat.Reader]time.Time{}
				}
				for _, r := range readers {
					in.LimitedUntil[r] = f.Until
				}
			}
			if len(full) > 0 {
				continue
			}
		}
		t.moved(&next, &effects, &d)
		return d, spent, nil
	}
}

// Meters returns the meters in which a call counts, each once.
func Meters(set *rules.Set, call *chat.Call) (meters []rules.Meter) {
	for _, r := range call.Readers() {
		if m := set.Meter(r); !slices.Contains(meters, m) {
			meters = append(meters, m)
		}
	}
	return meters
}

// readers returns those whose reads wait in the chat and count in a meter.
func (t *Turn) readers(m rules.Meter) (all []chat.Reader) {
	for i := range t.Chat.Waiting {
		a := &t.Chat.Waiting[i]
		if r := a.Reader(); a.Kind == chat.Read && t.Set.Meter(r) == m && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}
