package engine

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"chertd/engine/wait"
)

// heapCeiling is the heap, in bytes and with garbage, at which VMs are discarded. Each VM
// has the memory limit of its pack; the ceiling is for hundreds of packs that are all
// close to theirs. An ordinary daemon uses up to 100 MB, see cmd/chertd/heap.go.
const heapCeiling = 512 << 20

// pressureEvery is how often the heap is measured, which takes about a microsecond.
const pressureEvery = time.Second

// watchHeap discards the VMs of all rules when the heap is above a ceiling, in addition
// to the limits of each pack. Nothing is lost that a rule may rely on: ev.state and kv
// are in the store.
func (e *Engine) watchHeap(ctx context.Context, every time.Duration, ceiling uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	var logged time.Time
	for wait.For(ctx, every) {
		metrics.Read(sample)
		live := sample[0].Value.Uint64()
		if live < ceiling {
			continue
		}
		if now := e.c.Now(); now.Sub(logged) >= time.Minute {
			logged = now
			e.c.Log.Error("low memory: discarding Lua tables that rules kept between events",
				"heap_bytes", live, "ceiling_bytes", ceiling, "hint", "keep it in ev.state or kv; see limits.memory in pack.yaml")
		}
		for _, s := range e.shards {
			s.shed.Store(true)
			s.wakeUp()
		}
		debug.FreeOSMemory()
	}
}
