package handle

import "strings"

// Reader normalizes the handles of events. It caches them, because the same few senders
// write repeatedly and the library takes some microseconds per number. A Reader is for
// one goroutine.
type Reader struct {
	country string
	known   []remembered // nil until it is needed, then readerSlots of them
}

type remembered struct {
	text   string
	handle Handle
}

const (
	readerSlots = 256
	longHandle  = 64 // bytes; longer ones are not cached
)

// NewReader returns a Reader for a country, as in Parse.
func NewReader(country string) *Reader { return &Reader{country: country} }

// Read returns Normalize(s, country).
func (r *Reader) Read(s string) Handle {
	if h, ok := canonical(s); ok {
		return h
	}
	if len(s) > longHandle || s == "" {
		return Normalize(s, r.country)
	}
	if r.known == nil {
		r.known = make([]remembered, readerSlots)
	}
	slot := &r.known[hash(s)%readerSlots]
	if slot.text != s {
		s = strings.Clone(s) // it may be a part of a whole delivery
		*slot = remembered{s, Normalize(s, r.country)}
	}
	return slot.handle
}

// hash is FNV-1a.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
