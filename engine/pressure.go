package engine

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"chertd/engine/wait"
)

// heapCeiling is the live heap at which VMs are thrown away. Each VM is held to
// its pack's limit; the ceiling is for hundreds of packs that all come close to
// theirs. An ordinary daemon lives on some 20 MB.
const heapCeiling = 512 << 20

// pressureEvery is how often the heap is looked at; reading one metric takes
// about a microsecond.
const pressureEvery = time.Second

// watchHeap throws away what rules keep in their VMs when all of it together
// is too much: the last line behind the limits of each pack. Nothing that a
// rule may rely on is lost: ev.state and kv are in the store.
func (e *Engine) watchHeap(ctx context.Context, every time.Duration, ceiling uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	var told time.Time
	for wait.For(ctx, every) {
		metrics.Read(sample)
		live := sample[0].Value.Uint64()
		if live < ceiling {
			continue
		}
		if now := e.c.Now(); now.Sub(told) >= time.Minute {
			told = now
			e.c.Log.Error("memory is short: what rules keep in tables between events is thrown away",
				"heap_bytes", live, "ceiling_bytes", ceiling, "hint", "keep it in ev.state or kv; see limits.memory in pack.yaml")
		}
		for _, s := range e.shards {
			s.shed.Store(true)
			s.wakeUp()
		}
		debug.FreeOSMemory()
	}
}
