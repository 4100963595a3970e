package chertsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// window is how far a signature's timestamp may be from the server's time.
const window = 5 * time.Minute

// authenticate checks a request's credentials as documented: a signature first
// where one is sent, else a bearer token. nil is welcome.
//
// Not documented, and decided here: a signature without x-chert-tenant counts
// as no credentials; the tenant is looked up before the signature is checked,
// since the secret is the tenant's; a stale timestamp is told before a bad
// digest; a header sent twice is a bad signature.
func (s *Sim) authenticate(r *http.Request, body []byte, now time.Time) *apiError {
	signatures := r.Header.Values("x-chert-signature")
	tenant := r.Header.Get("x-chert-tenant")
	token, bearer := strings.CutPrefix(r.Header.Get("authorization"), "Bearer ")

	switch {
	case len(signatures) == 0 && !bearer:
		return problem(2012, "send x-chert-signature, or authorization: Bearer")
	case len(signatures) > 0 && tenant == "":
		return problem(2012, "x-chert-tenant is required with a signature")
	case tenant != "" && tenant != s.cfg.Tenant:
		return problem(2001, "tenant not found")
	case len(signatures) > 1:
		return problem(2004, "x-chert-signature was sent more than once")
	case len(signatures) == 1:
		return s.checkSignature(signatures[0], body, now)
	case !hmac.Equal([]byte(token), []byte(s.cfg.SigningSecret)):
		return problem(2004, "bad token")
	}
	return nil
}

// checkSignature takes v1,<unix seconds>,<lowercase hex> and nothing else.
func (s *Sim) checkSignature(header string, body []byte, now time.Time) *apiError {
	parts := strings.Split(header, ",")
	if len(parts) != 3 || parts[0] != "v1" {
		return problem(2004, "x-chert-signature must read v1,<unix_seconds>,<hex>")
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || seconds < 0 {
		return problem(2004, "x-chert-signature has no timestamp")
	}
	if off := now.Unix() - seconds; off > int64(window/time.Second) || off < -int64(window/time.Second) {
		return problem(2013, "timestamp is outside the window of 5 minutes")
	}
	if !hmac.Equal([]byte(parts[2]), []byte(digest(s.cfg.SigningSecret, parts[1], body))) {
		return problem(2004, "signature does not match")
	}
	return nil
}

// digest is the lowercase hex HMAC-SHA256 of "<timestamp>.<body>", which both
// requests and deliveries are signed with.
func digest(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
