package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"chertd/engine/control/console"
)

// Guard protects a Handler on TCP, where anyone who reaches the address can send
// requests, and so can any web page in the operator's browser.
type Guard struct {
	Listen string   // host:port as configured
	Token  string   // "": only probes are answered
	Hosts  []string // further names of this daemon (control.hosts)
	Socket string   // for hints
	// Certificate is the certificate of the address; nil: plain HTTP.
	Certificate *Certificate
	// Revoked, if set, is closed once Token is no longer in force: tails that began with it end.
	Revoked <-chan struct{}
}

// revokedKey is the key of Guard.Revoked among the values of a request's context.
type revokedKey struct{}

// untilRevoked returns a context that ends with the one of a request, or once the request's token is
// no longer in force. release frees what it uses.
func untilRevoked(r *http.Request) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(r.Context())
	revoked, _ := ctx.Value(revokedKey{}).(<-chan struct{})
	if revoked == nil {
		return ctx, cancel
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-revoked:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// open are the paths that need no token: they reveal no event and no secret.
var open = map[string]bool{"/-/healthy": true, "/-/ready": true, "/metrics": true}

// Wrap returns a handler that passes permitted requests to next. Host must be an IP
// address, localhost, the host of Listen, one of Hosts or one of the certificate:
// a web page whose name was pointed at this address (DNS rebinding) sends its own
// name. All requests but probes need the token.
func (g Guard) Wrap(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(g.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.allows(r.Host) {
			refuse(w, &UserError{
				Status: http.StatusMisdirectedRequest, Message: "the host " + r.Host + " is not a known name for this daemon",
				Hint: "use the IP address, localhost, or a name in control.listen or in the certificate; or add the name to control.hosts",
			})
			return
		}
		if open[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		if g.Token == "" {
			e := &UserError{
				Status: http.StatusForbidden, Message: "no token is configured: TCP has only probes and metrics",
				Hint: "set control.token, or use the socket " + g.Socket,
			}
			if console.Wanted(r) {
				console.AnswerRefused(w, e.Status, e.Message, e.Hint)
				return
			}
			refuse(w, e)
			return
		}
		// Comparing hashes reveals nothing by its time, not even the length.
		got := sha256.Sum256([]byte(bearer(r)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if console.Wanted(r) {
				console.Answer(w, http.StatusUnauthorized)
				return
			}
			refuse(w, &UserError{Status: http.StatusUnauthorized, Message: "the token is missing or wrong", Hint: "send the header Authorization: Bearer TOKEN, with control.token"})
			return
		}
		if g.Revoked == nil {
			next.ServeHTTP(w, r)
			return
		}
		inner := r.WithContext(context.WithValue(r.Context(), revokedKey{}, g.Revoked))
		next.ServeHTTP(w, inner)
		r.Pattern = inner.Pattern // for the log and the metrics of requests
	})
}

// allows reports whether a Host header names this daemon. HTTP/1.0 has none, and
// browsers don't use that.
func (g Guard) allows(host string) bool {
	if host == "" {
		return true
	}
	name := hostOf(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	if slices.ContainsFunc(g.Hosts, func(h string) bool { return strings.EqualFold(name, h) }) {
		return true
	}
	return strings.EqualFold(name, "localhost") || strings.EqualFold(name, hostOf(g.Listen)) ||
		g.Certificate != nil && g.Certificate.Names(name)
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
