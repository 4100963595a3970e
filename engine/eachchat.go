package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallelChats is how many chats a command changes concurrently: enough for shards to commit
// hundreds of them together.
const parallelChats = 256

// eachChat calls do with the places of n chats, for parallelChats of them concurrently, and
// returns the first error, after which it begins no more.
func eachChat(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(parallelChats, n) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
