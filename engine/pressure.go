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
// are in the store. It also returns memory to the system after a burst of events.
func (e *Engine) watchHeap(ctx context.Context, every time.Duration, ceiling uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	var logged time.Time
	var quiet quietHeap
	for wait.For(ctx, every) {
		metrics.Read(sample)
		if quiet.returns(sample[1].Value.Uint64()) {
			debug.FreeOSMemory()
		}
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

const (
	// quietTicks is after how many measurements with little work memory is returned.
	quietTicks = 60
	// littleWork is what a quiet daemon allocates between two measurements, in bytes: less
	// than 20 events do.
	littleWork = 512 << 10
	// worthReturning is how much must have been allocated since the last time, in bytes.
	worthReturning = 64 << 20
)

// quietHeap decides when the memory of a burst of events is returned to the system: the
// runtime itself keeps as much as the next collection may need, which is three times the
// live heap.
type quietHeap struct {
	last, returned uint64 // bytes allocated since the start: at the last measurement, and when memory was returned
	ticks          int    // measurements with little work since then
}

// returns reports whether memory should be returned now.
func (q *quietHeap) returns(allocated uint64) bool {
	q.ticks++
	if allocated-q.last > littleWork {
		q.ticks = 0
	}
	q.last = allocated
	if q.ticks < quietTicks || allocated-q.returned < worthReturning {
		return false
	}
	q.returned = allocated
	return true
}
