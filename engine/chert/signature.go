package chert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Signature returns the value of the header x-chert-signature for a request body:
// "v1,<timestamp>,<hex>". timestamp is Unix seconds in decimal.
func Signature(secret, timestamp string, body []byte) string {
	return "v1," + timestamp + "," + hex.EncodeToString(Digest(secret, timestamp, body))
}

// Digest returns the HMAC-SHA256 over "<timestamp>.<body>". API calls are signed with
// the signing secret, webhooks with the secret of their subscription. Without a body
// the signed text ends in the dot. timestamp is the text in the header, as it came.
// Compare digests with hmac.Equal.
func Digest(secret, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}
