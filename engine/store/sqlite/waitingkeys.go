package sqlite

import (
	"maps"
	"sync"
)

// waitingKeys counts the events that wait to be handled, by chat, and knows the newest of
// each, so that whether a chat has one costs no read of the store. Any goroutine may use it
// at any time.
//
// It keeps a 64-bit hash of each key: two chats with the same one count as one, which delays a
// read of the one while events of the other wait. A million chats need about 38 MB, which
// are given back as their events are handled.
type waitingKeys struct {
	parts [64]waitingPart // by the upper bits of the hash, so that shards seldom meet
}

type waitingPart struct {
	mu     sync.Mutex
	counts map[uint64]waitingCount // without those of no events
	most   int                     // entries of counts since it was made: a map does not shrink
}

// waitingCount is how many events of a key wait, in the upper 24 bits, and the sequence of
// the newest, in the others. That is room for all that a store takes in for centuries, and
// for more than may wait.
type waitingCount uint64

const (
	oneWaits = 1 << 40
	newestOf = oneWaits - 1
)

// add counts an event of a key that waits.
func (w *waitingKeys) add(key string, seq int64) {
	p, h := w.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = map[uint64]waitingCount{}
	}
	n := p.counts[h]
	p.counts[h] = n&^newestOf + oneWaits + max(n&newestOf, waitingCount(seq))
	p.most = max(p.most, len(p.counts))
}

// done counts that an event of a key was handled.
func (w *waitingKeys) done(key string) {
	p, h := w.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.counts[h]; n >= 2*oneWaits {
		p.counts[h] = n - oneWaits
		return
	}
	delete(p.counts, h)
	// A map keeps the memory of its most entries. The copy is a quarter of them at most,
	// and made once for three quarters that were handled.
	if left := len(p.counts); p.most > 256 && left <= p.most/4 {
		smaller := make(map[uint64]waitingCount, left)
		maps.Copy(smaller, p.counts)
		p.counts, p.most = smaller, left
	}
}

// newest returns the sequence of the newest event of a key that may wait; 0: none does.
func (w *waitingKeys) newest(key string) int64 {
	p, h := w.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.counts[h] & newestOf)
}

func (w *waitingKeys) part(key string) (*waitingPart, uint64) {
	h := hashOf(key)
	return &w.parts[h>>58], h
}
