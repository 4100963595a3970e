package tracing

import "crypto/sha256"

// traceIDOf returns the id of the trace of an event: the first 16 bytes of the SHA-256 of the
// tenant, a zero byte and the event's id. The same event has the same trace id whenever its
// spans are sent, also after a restart.
func traceIDOf(tenant, eventID string) [16]byte {
	sum := sha256.Sum256([]byte(tenant + "\x00" + eventID))
	return [16]byte(sum[:])
}

// spanIDOf returns the id of the span that has a name of its own within a trace.
func spanIDOf(trace [16]byte, key string) [8]byte {
	sum := sha256.Sum256(append(trace[:], key...))
	return [8]byte(sum[:])
}

// mixed returns a number that is spread evenly over all numbers, for each n another one
// (splitmix64).
func mixed(n int64) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
