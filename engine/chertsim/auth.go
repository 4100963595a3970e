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

// authenticate checks the credentials of a request as documented: the signature if there
// is one, else the bearer token. It returns nil if they are good.
//
// Not documented, and decided here: a signature without x-chert-tenant counts as no
// credentials; the tenant is checked before the signature, as the secret is the tenant's;
// a stale timestamp is reported before a bad digest; a repeated header is a bad
// signature.
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

// checkSignature accepts v1,<unix seconds>,<lowercase hex> and nothing else.
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

// digest returns the lowercase hex HMAC-SHA256 of "<timestamp>.<body>", which signs both
// requests and deliveries.
func digest(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
