package source

import (
	"context"
	"sync"
)

// maxUnstored bounds the deliveries that wait to be stored, in bytes. The last one may exceed
// it.
const maxUnstored = 2 << 20

// unstored is a queue of deliveries between the goroutine that reads them and the one that
// stores them. Its size is bounded, so the reader waits for the store.
type unstored struct {
	mu    sync.Mutex
	list  []Delivery
	bytes int
	some  chan struct{} // signals that there are deliveries
	room  chan struct{} // signals that there is room
}

func newUnstored() *unstored {
	return &unstored{some: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// add adds a delivery, once there is room. It returns false if ctx ends before.
func (a *unstored) add(ctx context.Context, d Delivery) bool {
	for {
		a.mu.Lock()
		if len(a.list) < maxBatch && a.bytes < maxUnstored {
			a.list = append(a.list, d)
			a.bytes += len(d.Body)
			a.mu.Unlock()
			signal(a.some)
			return true
		}
		a.mu.Unlock()
		select {
		case <-a.room:
		case <-ctx.Done():
			return false
		}
	}
}

// take waits for deliveries, and returns all that there are; nil if ctx ends before.
func (a *unstored) take(ctx context.Context) []Delivery {
	for {
		a.mu.Lock()
		list := a.list
		a.list, a.bytes = nil, 0
		a.mu.Unlock()
		if len(list) > 0 {
			signal(a.room)
			return list
		}
		select {
		case <-a.some:
		case <-ctx.Done():
			return nil
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
