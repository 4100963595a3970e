package chert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// Key is a secret that signs API calls (the signing secret) or webhooks (the secret of
// their subscription). It keeps the state of the hash, which makes further signatures
// cheaper. Any number of goroutines may use it.
type Key struct{ states sync.Pool }

// state is what one signature at a time uses.
type state struct {
	hash hash.Hash
	head []byte // "<timestamp>."
}

// NewKey returns the key of a secret.
func NewKey(secret string) *Key {
	k := &Key{}
	k.states.New = func() any { return &state{hash: hmac.New(sha256.New, []byte(secret))} }
	return k
}

// Signature returns the value of the header x-chert-signature for a request body:
// "v1,<timestamp>,<hex>". timestamp is Unix seconds in decimal.
func (k *Key) Signature(timestamp string, body []byte) string {
	b := make([]byte, 0, len("v1,")+20+len(",")+2*sha256.Size) // on the stack
	b = append(append(append(b, "v1,"...), timestamp...), ',')
	return string(hex.AppendEncode(b, k.Digest(timestamp, body)))
}

// Digest returns the HMAC-SHA256 over "<timestamp>.<body>". Without a body the signed
// text ends in the dot. timestamp is the text in the header, as it came. Compare digests
// with hmac.Equal.
func (k *Key) Digest(timestamp string, body []byte) []byte {
	s := k.states.Get().(*state)
	defer k.states.Put(s)
	s.head = append(append(s.head[:0], timestamp...), '.')
	s.hash.Reset()
	s.hash.Write(s.head)
	s.hash.Write(body)
	return s.hash.Sum(make([]byte, 0, sha256.Size))
}
