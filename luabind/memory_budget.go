package luabind

import (
	"sync"
	"sync/atomic"
)

// Account is what the VMs of one pack share of its memory limit. Any number of
// goroutines may use it.
//
// Limits.Memory is for what a handler allocates and for what the pack keeps
// between events, in all its VMs. So that several handlers at once stay within it
// as well, a call that allocates more than a small part waits until no other one
// of the pack does. Whether it overruns does not depend on that: only when it
// runs does.
type Account struct {
	large  *largeLock
	kept   atomic.Int64 // bytes that all its VMs keep, and the pack without them
	held   int64        // of these, the pack's
	nested bool
}

// NewAccount is the account of one pack.
func NewAccount() *Account { return &Account{large: newLargeLock()} }

// Nested is an account for VMs that call one another on one goroutine, as a spec
// and the pack that it tries do. It waits for the same turn as a does, and what
// its VMs keep counts for itself.
func (a *Account) Nested() *Account {
	if a == nil {
		a = NewAccount()
	}
	n := &Account{large: a.large, nested: true}
	n.Holds(a.held)
	return n
}

// Holds adds bytes that the pack itself keeps, as its data: they come off what its
// handlers may allocate. It is called before any VM is made with the account.
func (a *Account) Holds(bytes int64) {
	a.held += bytes
	a.kept.Add(bytes)
}

// owner is in whose name a VM takes the turn.
func (a *Account) owner(vm *VM) any {
	if a.nested {
		return a
	}
	return vm
}

// smallPart is what share of its memory limit a call may allocate without a
// turn: with four shards, three of them come to a fifth of the limit.
const smallPart = 16

// largeLock is held by one owner at a time, which may take it several times.
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
