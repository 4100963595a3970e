package source

import (
	"crypto/hmac"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chertd/engine/chert"
)

// Headers of a delivery. The names of the first two are the only ones a
// signature is looked for in.
const (
	headerSignature       = "X-Webhook-Signature"
	headerLegacySignature = "X-Chert-Signature"
	headerEvent           = "X-Webhook-Event"
	headerEventID         = "X-Webhook-Event-Id"
)

// Refusal says why a delivery's signature was not accepted. Refusals are
// counted by it.
type Refusal string

const (
	RefusedMissing   Refusal = "no signature"
	RefusedMalformed Refusal = "malformed signature header"
	RefusedDuplicate Refusal = "several signature headers"
	RefusedStale     Refusal = "timestamp outside the tolerance"
	RefusedWrong     Refusal = "wrong signature"
)

// maxDigests bounds what a header may ask to compare; rotation needs two.
const maxDigests = 8

// signature is what a delivery's header says.
type signature struct {
	timestamp string // as it stands in the header: that is what was signed
	at        time.Time
	digests   [][]byte
}

// verify checks a delivery's signature over the exact bytes received. It
// returns "" if some secret made it within the tolerance of now.
func verify(h http.Header, body []byte, secrets []string, tolerance time.Duration, now time.Time) Refusal {
	sig, refused := readSignature(h)
	if refused != "" {
		return refused
	}
	// The digest is compared first: only who has the secret learns about clocks.
	if !sig.madeBy(secrets, body) {
		return RefusedWrong
	}
	if age := now.Sub(sig.at); age > tolerance || age < -tolerance {
		return RefusedStale
	}
	return ""
}

// madeBy tries every secret against every digest, all of them in any case, so
// that the time taken tells nothing.
func (s signature) madeBy(secrets []string, body []byte) bool {
	made := false
	for _, secret := range secrets {
		want := chert.Digest(secret, s.timestamp, body)
		for _, digest := range s.digests {
			if hmac.Equal(digest, want) {
				made = true
			}
		}
	}
	return made
}

// readSignature reads the one signature header of a delivery. Both names may
// be there only if they say the same; one name twice is refused, because a
// proxy in between may have looked at the other.
func readSignature(h http.Header) (signature, Refusal) {
	current, legacy := h.Values(headerSignature), h.Values(headerLegacySignature)
	if len(current) > 1 || len(legacy) > 1 {
		return signature{}, RefusedDuplicate
	}
	var s signature
	var refused Refusal
	switch {
	case len(current)+len(legacy) == 0:
		return signature{}, RefusedMissing
	case len(current) == 0:
		s, refused = parseLegacy(legacy[0])
	case len(legacy) == 1 && current[0] != legacy[0]:
		return signature{}, RefusedDuplicate
	case strings.HasPrefix(current[0], "v1,"):
		s, refused = parseLegacy(current[0])
	default:
		s, refused = parseCurrent(current[0])
	}
	return s, refused
}

// parseLegacy reads "v1,<ts>,<hex>".
func parseLegacy(value string) (signature, Refusal) {
	parts := strings.Split(value, ",")
	if len(parts) != 3 || parts[0] != "v1" {
		return signature{}, RefusedMalformed
	}
	var s signature
	if !s.setTimestamp(parts[1]) || !s.addDigest(parts[2]) {
		return signature{}, RefusedMalformed
	}
	return s, ""
}

// parseCurrent reads "t=<ts>,v1=<hex>". v1 may be there several times, as when
// the sender's secret is being changed; elements of other names are left to the
// versions to come.
func parseCurrent(value string) (signature, Refusal) {
	var s signature
	for element := range strings.SplitSeq(value, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(element), "=")
		switch {
		case !ok:
			return signature{}, RefusedMalformed
		case name == "t" && (s.timestamp != "" || !s.setTimestamp(v)):
			return signature{}, RefusedMalformed
		case name == "v1" && (len(s.digests) == maxDigests || !s.addDigest(v)):
			return signature{}, RefusedMalformed
		}
	}
	if s.timestamp == "" || len(s.digests) == 0 {
		return signature{}, RefusedMalformed
	}
	return s, ""
}

// setTimestamp takes Unix seconds in plain decimal.
func (s *signature) setTimestamp(ts string) bool {
	if len(ts) == 0 || len(ts) > 12 || strings.Trim(ts, "0123456789") != "" {
		return false
	}
	seconds, err := strconv.ParseInt(ts, 10, 64)
	s.timestamp, s.at = ts, time.Unix(seconds, 0)
	return err == nil
}

// addDigest takes a SHA-256 digest in hex, of either case.
func (s *signature) addDigest(digest string) bool {
	b, err := hex.DecodeString(digest)
	s.digests = append(s.digests, b)
	return err == nil && len(b) == 32
}
