package chert

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Ways to authenticate.
const (
	AuthHMAC   = "hmac"
	AuthBearer = "bearer"
)

// Defaults of a Config.
const (
	DefaultTimeout  = 10 * time.Second
	DefaultMaxConns = 8
)

// Config has the settings of a Client. It prints and logs without its secret.
type Config struct {
	BaseURL       string        // https; http for a loopback host only
	Tenant        string        // slug; may be empty with bearer
	Auth          string        // AuthHMAC (default) or AuthBearer
	SigningSecret string        `json:"-"`
	Timeout       time.Duration // of one call, its answer included; default 10 s
	MaxConns      int           // calls in flight; further calls wait; default 8

	// Now is the clock of signatures; default time.Now. Chert refuses a signature that
	// is more than 5 minutes off, so it should be Chert's time where that is known. It
	// is called from many goroutines.
	Now func() time.Time `json:"-"`

	// Transport makes the requests. The default keeps connections alive and uses the
	// proxy of the environment.
	Transport http.RoundTripper `json:"-"`
}

func (c Config) String() string {
	return fmt.Sprintf("chert(%s tenant=%s auth=%s)", redactURL(c.BaseURL), c.Tenant, c.Auth)
}

// Format prints the configuration without its secret, with any verb.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue logs the configuration without its secret.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// check returns an error for settings that can't work or are not safe. The error shows
// no secret.
func (c Config) check() error {
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("chert base_url %q is not a URL like https://console.trychert.com/api/v1", redactURL(c.BaseURL))
	case u.User != nil:
		return errors.New("chert base_url holds a user name or password: use signing_secret instead")
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("chert base_url %q has a query or fragment: leave it out", redactURL(c.BaseURL))
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return fmt.Errorf("chert base_url %q is not https: plain http is for a loopback host only", c.BaseURL)
	case c.Auth != AuthHMAC && c.Auth != AuthBearer:
		return fmt.Errorf("chert auth %q is neither %q nor %q", c.Auth, AuthHMAC, AuthBearer)
	case c.SigningSecret == "":
		return errors.New("chert signing_secret is empty")
	case !plainASCII(c.SigningSecret):
		return errors.New("chert signing_secret has a space, a line end or another character that a secret can't have")
	case c.Tenant == "" && c.Auth == AuthHMAC:
		return errors.New("chert tenant is empty: a signed call names its tenant")
	case !plainASCII(c.Tenant):
		return fmt.Errorf("chert tenant %q is not a slug like acme-7a3f", c.Tenant)
	case c.Timeout < 0:
		return fmt.Errorf("chert timeout %v is negative", c.Timeout)
	case c.MaxConns < 0:
		return fmt.Errorf("chert concurrency %d is negative", c.MaxConns)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// redactURL returns an address without its password.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}
