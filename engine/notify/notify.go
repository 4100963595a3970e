// Package notify delivers notifications of rules to targets of the configuration: an on-call
// pager, a chat tool's incoming webhook, a service of one's own.
//
// A notification is one POST of JSON, signed if the target has a secret. It has the same id in every
// attempt, so that a receiver can recognize one that comes again. When to try again, and in which
// order, is up to the caller.
package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/rules"
	"chertd/rules/chat"
)

const (
	// Timeout is how long one attempt may take. A receiver has to store a notification, not to
	// act on it.
	Timeout = 10 * time.Second
	// MaxTargets is how many targets there may be: each has a place on the wire of its own, so that
	// none waits for another.
	MaxTargets = 50
)

// Target is where notifications go.
type Target struct {
	Name   string
	URL    string // https, or http on a loopback host. Parts of it may be secret
	Secret string // signs each notification; "": they are not signed
}

// Sender delivers notifications. It implements dispatch.Caller; its methods may be called from
// many goroutines.
type Sender struct {
	now    func() time.Time
	client *http.Client

	mu      sync.Mutex
	targets map[string]Target
	// limits are how fast targets may be called. Those of removed targets stay: one that returns
	// has no new burst.
	limits map[string]*rate.Limiter
}

// New returns a Sender without targets. now is the clock that signatures carry.
func New(now func() time.Time) *Sender {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &Sender{now: now, limits: map[string]*rate.Limiter{}, client: &http.Client{
		// A redirect would carry texts to a host that nobody has configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 5 * time.Second,
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}}
}

// Close closes idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// SetTargets replaces the targets. Attempts under way are not affected.
func (s *Sender) SetTargets(all []Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets = make(map[string]Target, len(all))
	for _, t := range all {
		s.targets[t.Name] = t
	}
}

// Resume notes when attempts of notifications of a target were made, in order, by an earlier Sender:
// a restart brings no new burst.
func (s *Sender) Resume(target string, attempts []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range attempts {
		s.limitOf(target).AllowN(at, 1)
	}
}

// limitOf returns the limit of a target. s.mu is locked.
func (s *Sender) limitOf(target string) *rate.Limiter {
	if s.limits[target] == nil {
		s.limits[target] = chat.NewNotifyLimit()
	}
	return s.limits[target]
}

// Names returns the names of the targets, in order.
func (s *Sender) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.targets))
}

// Payload is the body of a notification.
type Payload struct {
	ID      string          `json:"id"` // the same in every attempt
	Target  string          `json:"target"`
	Text    string          `json:"text"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	Pack    string          `json:"pack"`
	Rule    string          `json:"rule"`
	Version string          `json:"version"` // of the pack
	Event   rules.Notified  `json:"event"`
	At      time.Time       `json:"at"` // when the rule requested it
}

// Call makes one attempt of a notification. Its error is nil or a *chert.Error, which names the
// target and not its URL.
func (s *Sender) Call(ctx context.Context, call chat.Call) (dispatch.Reply, error) {
	a := &call.Actions[0]
	name, ok := chat.NotifyTarget(call.Chat)
	what := fmt.Sprintf("notify %q", name)
	if !ok || call.Kind != chat.Notify {
		return dispatch.Reply{}, &chert.Error{Call: string(call.Kind), Message: fmt.Sprintf("%q is a target of notifications, not a chat", call.Chat), Local: true}
	}
	s.mu.Lock()
	t, known := s.targets[name]
	s.mu.Unlock()
	if !known {
		return dispatch.Reply{}, &chert.Error{Call: what, Message: "chertd.yaml has no such target under notify", Local: true}
	}
	body, err := payload(a, name)
	if err != nil {
		return dispatch.Reply{}, &chert.Error{Call: what, Message: err.Error(), Local: true}
	}
	s.mu.Lock()
	limit := s.limitOf(name)
	s.mu.Unlock()
	if err := limit.Wait(ctx); err != nil {
		return dispatch.Reply{}, &chert.Error{Call: what, Message: err.Error(), Retryable: true, Local: true}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	status, err := s.post(ctx, &t, what, a.Target, body)
	return dispatch.Reply{HTTP: status}, err
}

// payload returns the body of a notification.
func payload(a *chat.Action, target string) ([]byte, error) {
	var n rules.Notification
	if err := json.Unmarshal(a.Body, &n); err != nil {
		return nil, fmt.Errorf("its content is gone or damaged: %w", err)
	}
	return json.Marshal(Payload{
		ID: a.Target, Target: target, Text: n.Text, Fields: n.Fields,
		Pack: a.Pack, Rule: a.Rule, Version: a.Version, Event: n.Event, At: a.Requested.UTC(),
	})
}

// post sends a body to a target and judges the answer. It returns the status of a success.
func (s *Sender) post(ctx context.Context, t *Target, what, id string, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, &chert.Error{Call: what, Message: "its url can't be used", Local: true}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "chertd")
	req.Header.Set("X-Chertd-Id", id)
	if t.Secret != "" {
		req.Header.Set("X-Chertd-Signature", sign(t.Secret, s.now(), body))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, &chert.Error{Call: what, Message: "no answer: " + withoutURL(err), Retryable: true, Unknown: true}
	}
	defer resp.Body.Close()
	answer := excerpt(resp.Body, t.secrets(req.Header.Get("X-Chertd-Signature")))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp.StatusCode, nil
	}
	e := &chert.Error{Call: what, Status: resp.StatusCode, Message: answer, Retryable: retryable(resp.StatusCode)}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Message = "the target redirects to " + hostOf(resp.Header.Get("Location")) + ", and redirects are not followed: write the final address as url"
	case e.Message == "":
		e.Message = http.StatusText(resp.StatusCode)
	}
	if e.Retryable {
		e.RetryAfter = RetryAfter(resp.Header.Get("Retry-After"), s.now())
	}
	return 0, e
}

// sign returns the value of X-Chertd-Signature: the time in Unix seconds, and the HMAC-SHA256 of
// "<time>.<body>" under the target's secret, in hexadecimal. It has the form of Chert's own
// webhooks.
func sign(secret string, now time.Time, body []byte) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// CheckURL returns why a URL can't be that of a target, or nil.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("expected a URL like https://hooks.example.com/…")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("notifications to %s would not be encrypted: write https://", u.Host)
	case u.User != nil:
		return fmt.Errorf("expected a URL without a user: the secret signs notifications")
	case u.Port() != "" && !isPort(u.Port()):
		return fmt.Errorf("expected a port from 1 to 65535")
	case u.Fragment != "":
		return fmt.Errorf("expected a URL without a fragment (#…)")
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
