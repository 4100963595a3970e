package luabind

import (
	"sync"
	"sync/atomic"
)

// MemoryBudget is the memory budget that the VMs of one pack share. Any number of
// goroutines may use it.
//
// Limits.Memory covers what one call allocates and what all VMs of the pack
// retain between calls. To keep several simultaneous calls within it, a call that
// allocates more than a sixteenth of the limit waits until no other such call of
// the pack runs. Waiting changes when a call runs, not whether it exceeds its
// limit.
type MemoryBudget struct {
	large  *largeLock
	kept   atomic.Int64 // bytes that the pack and all its VMs retain
	held   int64        // bytes of kept that the pack retains itself
	nested bool
}

// NewMemoryBudget returns the memory budget of one pack.
func NewMemoryBudget() *MemoryBudget { return &MemoryBudget{large: newLargeLock()} }

// Nested returns a budget for VMs that call each other on one goroutine, such as a
// spec and the pack that it tests. Large calls of its VMs and of a's VMs exclude
// each other, but those of its own VMs do not. It has the same limit as a, and
// counts what its own VMs retain.
func (a *MemoryBudget) Nested() *MemoryBudget {
	if a == nil {
		a = NewMemoryBudget()
	}
	n := &MemoryBudget{large: a.large, nested: true}
	n.Reserve(a.held)
	return n
}

// Reserve reserves bytes that the pack itself retains, such as its data: calls may
// allocate that much less. It must be called before any VM uses the budget.
func (a *MemoryBudget) Reserve(bytes int64) {
	a.held += bytes
	a.kept.Add(bytes)
}

// Kept returns how many bytes the pack and all its VMs retain between calls, as of the last time that
// each was looked at.
func (a *MemoryBudget) Kept() int64 { return a.kept.Load() }

// owner returns the owner for which a VM takes the lock of large calls.
func (a *MemoryBudget) owner(vm *VM) any {
	if a.nested {
		return a
	}
	return vm
}

// smallPart is the divisor of the memory limit below which a call needs no lock:
// with four shards, three small calls allocate at most a fifth of the limit.
const smallPart = 16

// largeLock is a lock that one owner holds at a time. The owner may lock it again.
type largeLock struct {
	mu    sync.Mutex
	free  sync.Cond
	owner any
	n     int
}

func newLargeLock() *largeLock {
	l := &largeLock{}
	l.free.L = &l.mu
	return l
}

func (l *largeLock) lock(owner any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.owner != nil && l.owner != owner {
		l.free.Wait()
	}
	l.owner = owner
	l.n++
}

func (l *largeLock) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n--; l.n == 0 {
		l.owner = nil
		l.free.Signal()
	}
}
