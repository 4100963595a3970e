package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"

	"chertd/luabind"
)

// The heap of a Go program grows to several times its live size before the collector
// runs. If rules fill their memory limit, that would be hundreds of megabytes of
// garbage. For that reason the runtime has a soft limit, which counts all memory of the
// Go runtime. Below the limit the collector runs rarely. The resident set is about 30 MB
// larger: the program itself, and SQLite's memory, which is not the Go runtime's.
const (
	// ownHeap is the daemon's limit while no rule needs much memory: three to six times its
	// live heap under load. Near the live heap the collector takes more time than all
	// else: of an event 559 us at 36 MiB, 32 at 64, 11 at 96.
	ownHeap = 96 << 20
	// rulesHeap is the limit while rules need much memory, and of other commands. Above it
	// the heap may grow by a third and headroom.
	rulesHeap = 36 << 20
	headroom  = 6 << 20
	// calmAfter is after how many collections without heavy work of rules ownHeap
	// applies again: what rules have written is in memory until it is committed.
	calmAfter = 20
	// batchPercent is the growth of the heap at which a command that runs many events
	// collects, unless the limit is reached before: ownHeap, or twice the live heap and
	// headroom. A backtest of 50,000 events takes 2.4 s of the processor with it, and 5.3 s
	// with the limits of other commands.
	batchPercent = 400
)

// heap is the bound of the process's heap.
var heap heapBound

// heapBound keeps the soft limit in proportion to the live heap: it adjusts the limit
// after every collection, and when rules begin to need much memory. The zero value does
// nothing.
type heapBound struct {
	mu     sync.Mutex
	bound  bool
	daemon bool  // ownHeap applies
	batch  bool  // the command runs many events, and ends
	limit  int64 // bytes, as all below
	live   int64 // as the last collection has found
	heavy  int   // for how many further collections rules count as needing much memory
}

// start binds the heap, unless the operator has set GOMEMLIMIT.
func (h *heapBound) start() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	h.bound = true
	h.adjust()
	luabind.OnHeavyWork(h.heavyWork)
	h.afterNextCollection()
}

// serve gives the daemon the memory that other commands have no use for.
func (h *heapBound) serve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.daemon = true
	h.adjust()
}

// runMany gives a command that runs many events the memory to do that fast.
func (h *heapBound) runMany() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bound {
		debug.SetGCPercent(batchPercent)
	}
	h.batch = true
	h.adjust()
}

// afterNextCollection adjusts the limit after each collection.
func (h *heapBound) afterNextCollection() {
	type sentinel struct{ _ *byte } // a pointer in it keeps it out of the tiny allocator
	runtime.AddCleanup(&sentinel{}, func(h *heapBound) {
		h.collected(liveHeap())
		h.afterNextCollection()
	}, h)
}

// liveHeap returns the live heap that the last collection has found, in bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// collected notes that a collection has ended, and the live heap that it has found.
func (h *heapBound) collected(live int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = live
	h.heavy = max(0, h.heavy-1)
	h.adjust()
}

// heavyWork lowers the limit before the next collection, which may be 100 MB away.
func (h *heapBound) heavyWork() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heavy = calmAfter
	h.adjust()
}

// adjust sets the limit if it changes enough: that stops the world for some microseconds.
func (h *heapBound) adjust() {
	if want := h.wanted(); h.bound && (want > h.limit+h.limit/16 || want < h.limit-h.limit/16) {
		h.limit = want
		debug.SetMemoryLimit(want)
	}
}

func (h *heapBound) wanted() int64 {
	if h.batch && h.heavy == 0 {
		return max(ownHeap, 2*h.live+headroom)
	}
	floor := int64(rulesHeap)
	if h.daemon && h.heavy == 0 {
		floor = ownHeap
	}
	return max(floor, h.live+h.live/3+headroom)
}
