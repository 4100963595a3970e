package sqlite

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// filter is a set of strings that may contain more than was added: a Bloom filter that
// grows. What it denies was certainly not added, and costs no read of the store; what it
// affirms has to be looked up. Any goroutine may use it at any time.
//
// It grows by segments, and a key is in one of them. Has looks at all, so each segment adds
// its part to the false answers: 0.4 % for one that is full, 5 % with ten million keys.
type filter struct {
	segments atomic.Pointer[[]segment] // the newest last; the list is replaced, never changed
	full     atomic.Bool               // Has affirms all
	keys     atomic.Int64

	adding sync.Mutex // held by Add
	room   int        // for keys in the newest segment
	limit  int        // of segments
}

// segment is a part of a filter of a fixed size.
type segment []block

// block is a cache line: a key sets one bit in each of its words, so a look at a segment
// misses the cache once.
type block [8]uint64

const (
	segmentKeys = 1 << 20 // of a segment of full size
	// segmentBlocks gives each key 12 bits: 1.5 MiB, and 0.4 % false answers.
	segmentBlocks = segmentKeys * 12 / 512
	// maxSegments bounds a filter to 24 MiB, for 17 million keys. With more than that
	// every key is looked up, and 7 % of the unknown were before.
	maxSegments = 18
)

// small are the sizes of the first segments, so that a small store needs little memory.
// With 24 bits for each key they hardly add to the false answers.
var small = []struct{ keys, blocks int }{
	{1 << 14, 1 << 14 * 24 / 512}, // 48 KiB
	{1 << 17, 1 << 17 * 24 / 512}, // 384 KiB
}

// hashSeed is the seed of the hashes that are kept in memory alone. A stranger who chooses
// ids can't make them collide.
var hashSeed = maphash.MakeSeed()

// hashOf returns the 64-bit hash of a key.
func hashOf(key string) uint64 { return maphash.String(hashSeed, key) }

func newFilter() *filter {
	f := &filter{limit: maxSegments}
	f.segments.Store(new([]segment))
	return f
}

// Has reports whether a key may have been added. false: it was certainly not.
func (f *filter) Has(key string) bool {
	h := hashOf(key)
	for _, s := range slices.Backward(*f.segments.Load()) { // what comes again is mostly recent
		if s.has(h) {
			return true
		}
	}
	return f.full.Load() // after the segments: it is set before they go
}

// Add adds a key. One that was added before takes as much room as another, so add what Has
// denies.
func (f *filter) Add(key string) {
	h := hashOf(key)
	f.adding.Lock()
	defer f.adding.Unlock()
	f.keys.Add(1)
	if f.full.Load() {
		return
	}
	segments := *f.segments.Load()
	if f.room == 0 {
		if len(segments) == f.limit {
			f.full.Store(true)
			f.segments.Store(new([]segment))
			return
		}
		keys, blocks := segmentKeys, segmentBlocks
		if n := len(segments); n < len(small) {
			keys, blocks = small[n].keys, small[n].blocks
		}
		grown := append(slices.Clip(segments), make(segment, blocks))
		f.segments.Store(&grown)
		segments, f.room = grown, keys
	}
	f.room--
	segments[len(segments)-1].add(h)
}

// Len returns how many keys were added, those that were added again included.
func (f *filter) Len() int { return int(f.keys.Load()) }

// block returns the block of a hash: its upper 16 bits choose it, and the lower 48 the bits
// in it.
func (s segment) block(h uint64) *block {
	n, _ := bits.Mul64(h, uint64(len(s)))
	return &s[n]
}

func (s segment) has(h uint64) bool {
	b := s.block(h)
	for i := range b {
		if atomic.LoadUint64(&b[i])&(1<<(h>>(6*i)&63)) == 0 {
			return false
		}
	}
	return true
}

// add sets the bits of a hash, for one goroutine at a time.
func (s segment) add(h uint64) {
	b := s.block(h)
	for i := range b {
		if was, bit := b[i], uint64(1)<<(h>>(6*i)&63); was&bit == 0 {
			atomic.StoreUint64(&b[i], was|bit)
		}
	}
}
