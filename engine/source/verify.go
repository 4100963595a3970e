package source

import (
	"crypto/hmac"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/chert"
)

// Headers of a delivery. A signature is in one of the first two.
const (
	headerSignature       = "X-Webhook-Signature"
	headerLegacySignature = "X-Chert-Signature"
	headerEvent           = "X-Webhook-Event"
	headerEventID         = "X-Webhook-Event-Id"
)

// maxTimestamps bounds the work that the headers of a delivery can cause: one HMAC of
// the body for each timestamp and secret. Rotation and a proxy that repeats headers
// need two or three.
const maxTimestamps = 8

// signature is one timestamp in the headers of a delivery, and the digests that may
// belong to it.
type signature struct {
	timestamp string // as in the header, which is what was signed
	at        time.Time
	digests   [][]byte
	legacy    bool // in X-Chert-Signature, where the account's signing secret counts, too
}

// verifier checks the signatures of deliveries.
type verifier struct {
	secrets   []*chert.Key  // of webhooks
	signing   *chert.Key    // of the account, for X-Chert-Signature only; nil: none
	tolerance time.Duration // between the signature's time and one of the clocks, either way
}

func newVerifier(secrets []string, signing string, tolerance time.Duration) verifier {
	v := verifier{tolerance: tolerance}
	for _, secret := range secrets {
		v.secrets = append(v.secrets, chert.NewKey(secret))
	}
	if signing != "" {
		v.signing = chert.NewKey(signing)
	}
	return v
}

// verify checks the signature of a delivery over the exact bytes received. One valid
// signature is enough, whatever else the headers say: proxies repeat and join headers,
// and Chert may send both the current and the legacy header. It returns "" if one of
// the secrets made a signature that is within the tolerance of one of the clocks.
func (v verifier) verify(h http.Header, body []byte, clocks ...time.Time) Refusal {
	found, refused := readSignatures(h)
	// Fresh ones come first, so that those a proxy adds can't displace them.
	slices.SortStableFunc(found, func(a, b signature) int {
		return boolOrder(v.fresh(a.at, clocks), v.fresh(b.at, clocks))
	})
	for _, s := range found[:min(len(found), maxTimestamps)] {
		secrets := v.secrets
		if s.legacy && v.signing != nil {
			secrets = append(slices.Clone(secrets), v.signing)
		}
		switch {
		case !s.madeBy(secrets, body):
			if refused != RefusedStale {
				refused = RefusedWrong
			}
		case !v.fresh(s.at, clocks):
			refused = RefusedStale
		default:
			return ""
		}
	}
	return refused
}

// fresh reports whether a time is within the tolerance of one of the clocks.
func (v verifier) fresh(at time.Time, clocks []time.Time) bool {
	return slices.ContainsFunc(clocks, func(now time.Time) bool { return now.Sub(at).Abs() <= v.tolerance })
}

// boolOrder puts true before false.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// madeBy reports whether one of the secrets made one of the digests. It always compares
// all of them, so that the time it takes reveals nothing.
func (s signature) madeBy(secrets []*chert.Key, body []byte) bool {
	made := false
	for _, secret := range secrets {
		want := secret.Digest(s.timestamp, body)
		for _, digest := range s.digests {
			if hmac.Equal(digest, want) {
				made = true
			}
		}
	}
	return made
}

// readSignatures returns all signatures of a delivery. Without one, the refusal says
// whether there was a header at all.
func readSignatures(h http.Header) (all []signature, refused Refusal) {
	refused = refusedMissing
	for _, name := range []string{headerSignature, headerLegacySignature} {
		legacy := name == headerLegacySignature
		for _, value := range h.Values(name) {
			refused = RefusedMalformed
			timestamps, digests := parseSignatures(value)
			for _, ts := range timestamps {
				i := slices.IndexFunc(all, func(s signature) bool { return s.timestamp == ts && s.legacy == legacy })
				if i < 0 {
					at, _ := parseTimestamp(ts)
					i, all = len(all), append(all, signature{timestamp: ts, at: at, legacy: legacy})
				}
				all[i].digests = append(all[i].digests, digests...)
			}
		}
	}
	return slices.DeleteFunc(all, func(s signature) bool { return len(s.digests) == 0 }), refused
}

// parseSignatures reads the value of a header: "t=<ts>,v1=<hex>" or "v1,<ts>,<hex>". A
// proxy may have joined several values by commas, and v1= may occur several times, such
// as while the secret is rotated. Malformed elements are skipped. Each timestamp is
// paired with each digest, as only the secret shows which belong together.
func parseSignatures(value string) (timestamps []string, digests [][]byte) {
	listed := false // after a "v1" without a value
	for element := range strings.SplitSeq(value, ",") {
		name, v, named := strings.Cut(strings.TrimSpace(element), "=")
		if !named {
			v = name
			if strings.HasPrefix(v, "v") {
				listed = v == "v1"
				continue
			}
		}
		if digest, ok := parseDigest(v); ok && (named && name == "v1" || !named && listed) {
			digests = append(digests, digest)
		}
		if _, ok := parseTimestamp(v); ok && (named && name == "t" || !named && listed) {
			timestamps = append(timestamps, v)
		}
	}
	return timestamps, digests
}

// parseTimestamp reads Unix seconds in plain decimal.
func parseTimestamp(ts string) (time.Time, bool) {
	if len(ts) == 0 || len(ts) > 12 || strings.Trim(ts, "0123456789") != "" {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(ts, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// parseDigest reads a SHA-256 digest in hex, of either case.
func parseDigest(digest string) ([]byte, bool) {
	if len(digest) != 64 {
		return nil, false
	}
	b, err := hex.DecodeString(digest)
	return b, err == nil
}
