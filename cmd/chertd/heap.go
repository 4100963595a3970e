package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap of a Go program grows to several times its live size before the collector
// runs. If rules fill their memory limit, that would be hundreds of megabytes of
// garbage. For that reason the runtime has a soft limit: below smallHeap the collector
// runs rarely, and above it the heap may grow by a third.
const (
	smallHeap = 36 << 20
	headroom  = 6 << 20
)

// boundHeap keeps the soft limit in proportion to the live heap: it adjusts the limit
// after every collection. It does nothing if the operator has set GOMEMLIMIT.
func boundHeap() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(smallHeap)
	afterNextCollection(smallHeap)
}

// afterNextCollection sets the limit after each collection.
func afterNextCollection(limit int64) {
	type sentinel struct{ _ *byte } // a pointer in it keeps it out of the tiny allocator
	runtime.AddCleanup(&sentinel{}, func(limit int64) {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		live := int64(sample[0].Value.Uint64())
		// Setting the limit stops the world for some microseconds, so do it only if it
		// changes enough.
		if want := max(smallHeap, live+live/3+headroom); want > limit+limit/16 || want < limit-limit/16 {
			limit = want
			debug.SetMemoryLimit(limit)
		}
		afterNextCollection(limit)
	}, limit)
}
