package sqlite

import (
	"maps"
	"sync"
)

// waitingKeys counts the events that wait to be handled, by chat, so that whether a chat has
// one costs no read of the store. Any goroutine may use it at any time.
//
// It keeps a 64-bit hash of each key: two chats with the same one count as one, which delays a
// read of the one while events of the other wait. A million chats need about 38 MB, which
// are given back as their events are handled.
type waitingKeys struct {
	parts [64]waitingPart // by the upper bits of the hash, so that shards seldom meet
}

type waitingPart struct {
	mu     sync.Mutex
	counts map[uint64]int32 // without zeros
	most   int              // entries of counts since it was made: a map does not shrink
}

// add counts an event of a key that waits.
func (w *waitingKeys) add(key string) { w.count(key, 1) }

// done counts that an event of a key was handled.
func (w *waitingKeys) done(key string) { w.count(key, -1) }

// has reports whether an event of a key may wait.
func (w *waitingKeys) has(key string) bool {
	p, h := w.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[h] > 0
}

func (w *waitingKeys) count(key string, by int32) {
	p, h := w.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = map[uint64]int32{}
	}
	n := p.counts[h] + by
	if n != 0 {
		p.counts[h] = n
		p.most = max(p.most, len(p.counts))
		return
	}
	delete(p.counts, h)
	// A map keeps the memory of its most entries. The copy is a quarter of them at most,
	// and made once for three quarters that were handled.
	if left := len(p.counts); p.most > 256 && left <= p.most/4 {
		smaller := make(map[uint64]int32, left)
		maps.Copy(smaller, p.counts)
		p.counts, p.most = smaller, left
	}
}

func (w *waitingKeys) part(key string) (*waitingPart, uint64) {
	h := hashOf(key)
	return &w.parts[h>>58], h
}
