package luabind

import "sync/atomic"

// onHeavy is of the process, as the heap is.
var onHeavy atomic.Pointer[func()]

// OnHeavyWork sets the function that is called when work on any pack holds or may soon
// hold much memory: when a large call begins (see MemoryBudget), when a heavy call ends,
// and by HeavyWork. It is called on many goroutines and must return fast.
func OnHeavyWork(f func()) { onHeavy.Store(&f) }

// HeavyWork reports work outside of VMs that holds much memory of a pack, such as the
// reading of its data.
func HeavyWork() {
	if f := onHeavy.Load(); f != nil {
		(*f)()
	}
}

// A call is heavy if it allocates, or the VMs of its pack retain, more than these parts of
// the pack's memory limit. What such a call writes to kv, state and timers is in memory
// until it is committed.
const (
	heavyCall = 128
	heavyPack = 4
)
