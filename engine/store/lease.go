package store

import (
	"context"
	"errors"
	"time"
)

// ErrFenced is returned by methods that change something if another process has taken the
// lease over. Nothing was kept. What the caller remembers of chats and events is out of date.
var ErrFenced = errors.New("another process has taken over")

// Shared is a store that several processes share. Each joins it as a member. One of them has
// the lease: only that one handles events and makes calls.
type Shared interface {
	Store

	// Join makes the process a member, until the store is closed. From then on Commit returns
	// ErrFenced unless the process has the lease. It is called once.
	Join(ctx context.Context, m Joining) error
	// Acquire waits until the process has the lease: until nobody has it, or who has it seems
	// dead. An error is that of ctx, or ErrClosed.
	Acquire(ctx context.Context) (Lease, error)
	// Members returns all members that live or were alive within the last day, by name and id.
	Members(ctx context.Context) ([]Member, error)
}

// Joining describes a process that joins.
type Joining struct {
	Name    string // of its machine, for people
	Version string // of chertd
}

// Lease is the right to handle events and make calls.
type Lease interface {
	// Lost is closed once another process has taken the lease over.
	Lost() <-chan struct{}
	// Valid reports whether no other process can have it now: right before each call that
	// can't be repeated. It is false while the store does not answer.
	Valid() bool
	// Release gives the lease up, so that another process takes over immediately.
	Release(ctx context.Context) error
}

// Member is a process that shares the store.
type Member struct {
	ID      string // of this run of the process
	Name    string
	Version string
	Began   time.Time
	Beat    time.Time // its last sign of life, by the clock of the store
	Alive   bool      // as far as the process that asks has seen
	Owner   bool      // it has the lease
	Self    bool      // it is the process that asks
}
