package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard stands before a Handler that is served on TCP, where whoever reaches
// the address can ask, and any web page that the operator's browser shows.
type Guard struct {
	Listen string   // host:port as configured
	Token  string   // "": nothing but probes is answered
	Hosts  []string // further names that a request may ask for (control.hosts)
	Socket string   // for hints
	// Certificate is what the address is served with; nil: plain HTTP.
	Certificate *Certificate
}

// open are the paths that need no token: they tell no event and no secret.
var open = map[string]bool{"/-/healthy": true, "/-/ready": true, "/metrics": true}

// Wrap lets through what may pass. The Host must be an IP address, localhost,
// the host that is listened on or one that the certificate is for: a page whose
// own name was pointed at this address (DNS rebinding) sends its own. All but
// probes need the token.
func (g Guard) Wrap(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(g.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.knows(r.Host) {
			refuse(w, &UserError{
				Status: http.StatusMisdirectedRequest, Message: "the host " + r.Host + " is not this daemon's",
				Hint: "name it by its IP address, localhost, the host of control.listen or that of its certificate, or add its name to control.hosts",
			})
			return
		}
		if open[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		if g.Token == "" {
			refuse(w, &UserError{
				Status: http.StatusForbidden, Message: "no token is configured, so that only health is told here",
				Hint: "set control.token, or use the socket " + g.Socket,
			})
			return
		}
		// Of the hashes, so that the time tells nothing, not even a length.
		got := sha256.Sum256([]byte(bearer(r)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, &UserError{Status: http.StatusUnauthorized, Message: "the token is missing or wrong", Hint: "send the header Authorization: Bearer TOKEN, with control.token"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether a Host header is one that this daemon goes by. HTTP/1.0
// has none, and browsers don't speak that.
func (g Guard) knows(host string) bool {
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
