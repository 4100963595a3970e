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

// NewKey returns the key of a secret.
func NewKey(secret string) *Key {
	k := &Key{}
	k.states.New = func() any { return hmac.New(sha256.New, []byte(secret)) }
	return k
}

// Signature returns the value of the header x-chert-signature for a request body:
// "v1,<timestamp>,<hex>". timestamp is Unix seconds in decimal.
func (k *Key) Signature(timestamp string, body []byte) string {
	const scheme = "v1,"
	b := make([]byte, 0, len(scheme)+len(timestamp)+1+2*sha256.Size)
	b = append(append(append(b, scheme...), timestamp...), ',')
	return string(hex.AppendEncode(b, k.Digest(timestamp, body)))
}

// Digest returns the HMAC-SHA256 over "<timestamp>.<body>". Without a body the signed
// text ends in the dot. timestamp is the text in the header, as it came. Compare digests
// with hmac.Equal.
func (k *Key) Digest(timestamp string, body []byte) []byte {
	h := k.states.Get().(hash.Hash)
	defer k.states.Put(h)
	h.Reset()
	var head [32]byte // of a timestamp and the dot: it needs no memory of its own
	h.Write(append(append(head[:0], timestamp...), '.'))
	h.Write(body)
	return h.Sum(make([]byte, 0, sha256.Size))
}
