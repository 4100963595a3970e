package chert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// Signature returns the value of the header x-chert-signature for a request body:
// "v1,<timestamp>,<hex>". timestamp is Unix seconds in decimal.
func Signature(secret, timestamp string, body []byte) string {
	return NewKey(secret).signature(timestamp, body)
}

// Digest returns the HMAC-SHA256 over "<timestamp>.<body>". API calls are signed with
// the signing secret, webhooks with the secret of their subscription. Without a body
// the signed text ends in the dot. timestamp is the text in the header, as it came.
// Compare digests with hmac.Equal.
func Digest(secret, timestamp string, body []byte) []byte {
	return NewKey(secret).Digest(timestamp, body)
}

// Key is a secret that signs many times: it keeps the state of the hash, so that a
// signature takes half the time. Any number of goroutines may use it.
type Key struct{ states sync.Pool }

// NewKey returns the key of a secret.
func NewKey(secret string) *Key {
	k := &Key{}
	k.states.New = func() any { return hmac.New(sha256.New, []byte(secret)) }
	return k
}

// Digest is the function Digest with the key's secret.
func (k *Key) Digest(timestamp string, body []byte) []byte {
	h := k.states.Get().(hash.Hash)
	defer k.states.Put(h)
	h.Reset()
	var head [32]byte // of a timestamp and the dot: it needs no memory of its own
	h.Write(append(append(head[:0], timestamp...), '.'))
	h.Write(body)
	return h.Sum(make([]byte, 0, sha256.Size))
}

// signature is the function Signature with the key's secret.
func (k *Key) signature(timestamp string, body []byte) string {
	const scheme = "v1,"
	b := make([]byte, 0, len(scheme)+len(timestamp)+1+2*sha256.Size)
	b = append(append(append(b, scheme...), timestamp...), ',')
	return string(hex.AppendEncode(b, k.Digest(timestamp, body)))
}
