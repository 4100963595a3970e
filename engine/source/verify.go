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

// Headers of a delivery. The names of the first two are the only ones a
// signature is looked for in.
const (
	headerSignature       = "X-Webhook-Signature"
	headerLegacySignature = "X-Chert-Signature"
	headerEvent           = "X-Webhook-Event"
	headerEventID         = "X-Webhook-Event-Id"
)

// maxTimestamps bounds what a delivery's headers may ask to be computed: each
// timestamp costs one HMAC of the body for each secret. Rotation and a proxy that
// repeats headers need two or three.
const maxTimestamps = 8

// signature is one timestamp of a delivery's headers and the digests that may
// have been made with it.
type signature struct {
	timestamp string // as it stands in the header: that is what was signed
	at        time.Time
	digests   [][]byte
	legacy    bool // in X-Chert-Signature: the account's signing secret counts, too
}

// verifier checks the signatures of deliveries.
type verifier struct {
	secrets   []string      // of webhooks
	signing   string        // of the account; "": none. It counts in X-Chert-Signature alone
	tolerance time.Duration // between the signature's time and one of the clocks, either way
}

// verify checks a delivery's signature over the exact bytes received. One valid
// signature is enough, whatever else the headers say: proxies repeat and join
// headers, and Chert may send the current one and the legacy one. It returns ""
// if some secret made one of them within the tolerance of one of the clocks.
func (v verifier) verify(h http.Header, body []byte, clocks ...time.Time) Refusal {
	found, refused := readSignatures(h)
	// Those that are fresh go first: what a proxy adds can't crowd them out.
	slices.SortStableFunc(found, func(a, b signature) int {
		return boolOrder(v.fresh(a.at, clocks), v.fresh(b.at, clocks))
	})
	for _, s := range found[:min(len(found), maxTimestamps)] {
		secrets := v.secrets
		if s.legacy && v.signing != "" {
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

// readSignatures reads all signatures of a delivery. If there are none, the
// refusal says whether a header was there at all.
func readSignatures(h http.Header) (all []signature, refused Refusal) {
	refused = RefusedMissing
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

// parseSignatures reads the value of a header: "t=<ts>,v1=<hex>" or
// "v1,<ts>,<hex>". A proxy may have joined several values by commas, and v1= may
// be there several times, as while the sender's secret is being changed; what
// can't be read is left out. Each timestamp of a value goes with each of its
// digests: which were made together, the secret tells.
func parseSignatures(value string) (timestamps []string, digests [][]byte) {
	listed := false // behind a "v1" without a value
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

// parseTimestamp takes Unix seconds in plain decimal.
func parseTimestamp(ts string) (time.Time, bool) {
	if len(ts) == 0 || len(ts) > 12 || strings.Trim(ts, "0123456789") != "" {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(ts, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// parseDigest takes a SHA-256 digest in hex, of either case.
func parseDigest(digest string) ([]byte, bool) {
	if len(digest) != 64 {
		return nil, false
	}
	b, err := hex.DecodeString(digest)
	return b, err == nil
}
