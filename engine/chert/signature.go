package chert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Signature is the value of x-chert-signature for a request body:
// "v1,<timestamp>,<hex>". timestamp is Unix seconds in decimal.
func Signature(secret, timestamp string, body []byte) string {
	return "v1," + timestamp + "," + hex.EncodeToString(Digest(secret, timestamp, body))
}

// Digest is the HMAC-SHA256 over "<timestamp>.<body>" by which Chert signs in
// both directions: API calls with the signing secret, webhooks with the
// subscription's. Without a body the signed text ends in the dot. timestamp is
// taken as it stands, or came, in the header; compare with hmac.Equal.
func Digest(secret, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}
