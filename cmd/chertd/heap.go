package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap of a Go program grows to several times what lives in it before the
// collector runs. Where rules fill their memory limit that would be hundreds of
// megabytes of garbage, so the runtime has a soft limit: up to smallHeap the
// collector takes its time, and above it the heap may grow by a third.
const (
	smallHeap = 36 << 20
	headroom  = 6 << 20
)

// boundHeap keeps the soft limit in proportion to what lives, from now on: it looks
// after every collection. An operator's GOMEMLIMIT stays.
func boundHeap() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(smallHeap)
	afterNextCollection(smallHeap)
}

// afterNextCollection sets the limit once the collector has run, again and again.
func afterNextCollection(limit int64) {
	type sentinel struct{ _ *byte } // a pointer in it keeps it out of the tiny allocator
	runtime.AddCleanup(&sentinel{}, func(limit int64) {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		live := int64(sample[0].Value.Uint64())
		// Setting it stops the world for some microseconds: only where it matters.
		if want := max(smallHeap, live+live/3+headroom); want > limit+limit/16 || want < limit-limit/16 {
			limit = want
			debug.SetMemoryLimit(limit)
		}
		afterNextCollection(limit)
	}, limit)
}
