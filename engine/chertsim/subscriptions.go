package chertsim

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	webhookVersion = "2026-05-04"
	// devInboxURL is the URL of a subscription without deliveries. Its events are read
	// with GET /dev-inbox.
	devInboxURL = "https://dev-inbox"
)

// Subscription is a webhook subscription. Events has exact types; none: all.
type Subscription struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"`
	Version   string   `json:"version"`
	IsActive  bool     `json:"is_active"`
	CreatedAt string   `json:"created_at"`
	Secret    string   `json:"secret,omitempty"` // only in the answer that creates it
}

// subscription is a Subscription with its secret. Sim.mu guards it.
type subscription struct {
	Subscription
	secret string
}

// Subscribe adds an active subscription and returns it with its secret. The URL must be
// public HTTPS, or a loopback address if Config.AllowLoopback is set. An empty secret is
// replaced by a random one.
func (s *Sim) Subscribe(address, secret string, events ...string) (Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.subscribeLocked(address, secret, "", events)
	if err != nil {
		return Subscription{}, err
	}
	out := sub.Subscription
	out.Secret = sub.secret
	return out, nil
}

func (s *Sim) subscribeLocked(address, secret, version string, events []string) (*subscription, error) {
	if err := s.checkURL(address); err != nil {
		return nil, err
	}
	if secret == "" {
		secret = "whsec_" + s.hex(s.ids, 16)
	}
	if version == "" {
		version = webhookVersion
	}
	sub := &subscription{secret: secret, Subscription: Subscription{ID: "sub_" + s.hex(s.ids, 8), URL: address,
		Events: append([]string{}, events...), Version: version, IsActive: true, CreatedAt: s.now().Format(time.RFC3339)}}
	s.subs = append(s.subs, sub)
	return sub, nil
}

func (sub *subscription) wants(typ string) bool {
	return sub.IsActive && (len(sub.Events) == 0 || slices.Contains(sub.Events, typ))
}

// subscriptionLocked returns a subscription, or nil. s.mu is held.
func (s *Sim) subscriptionLocked(id string) *subscription {
	for _, sub := range s.subs {
		if sub.ID == id {
			return sub
		}
	}
	return nil
}

// checkURL checks that an address is public HTTPS.
func (s *Sim) checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("url %q is not an absolute URL", address)
	}
	if address == devInboxURL {
		return nil
	}
	host := u.Hostname()
	ip, ipErr := netip.ParseAddr(host)
	loopback := host == "localhost" || ipErr == nil && ip.IsLoopback()
	switch {
	case loopback && s.cfg.AllowLoopback && (u.Scheme == "http" || u.Scheme == "https"):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("url %q must be https", address)
	case ipErr == nil && (!ip.IsGlobalUnicast() || ip.IsPrivate()),
		ipErr != nil && !strings.Contains(host, "."),
		strings.HasSuffix(host, ".local"), strings.HasSuffix(host, ".internal"), net.ParseIP(host) == nil && loopback:
		return fmt.Errorf("url %q must be public", address)
	}
	return nil
}

type subscriptionBody struct {
	URL      *string  `json:"url"`
	Events   []string `json:"events"`
	Version  *string  `json:"version"`
	IsActive *bool    `json:"is_active"`
}

func (s *Sim) createSubscription(c *call) (any, *apiError) {
	var body subscriptionBody
	if refused := decode(c.body, &body); refused != nil {
		return nil, refused
	}
	if body.URL == nil || *body.URL == "" {
		return nil, problem(1001, "url is required")
	}
	version := ""
	if body.Version != nil {
		version = *body.Version
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.subscribeLocked(*body.URL, "", version, body.Events)
	if err != nil {
		return nil, problem(1002, err.Error())
	}
	out := sub.Subscription
	out.Secret = sub.secret
	return map[string]any{"subscription": out}, nil
}

func (s *Sim) listSubscriptions(*call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		list = append(list, sub.Subscription)
	}
	return map[string]any{"subscriptions": list}, nil
}

func (s *Sim) oneSubscription(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptionLocked(c.id)
	if sub == nil {
		return nil, problem(2011, "subscription not found")
	}
	return map[string]any{"subscription": sub.Subscription}, nil
}

func (s *Sim) updateSubscription(c *call) (any, *apiError) {
	var body subscriptionBody
	if refused := decode(c.body, &body); refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptionLocked(c.id)
	if sub == nil {
		return nil, problem(2011, "subscription not found")
	}
	if body.URL != nil {
		if err := s.checkURL(*body.URL); err != nil {
			return nil, problem(1002, err.Error())
		}
		sub.URL = *body.URL
	}
	if body.Events != nil {
		sub.Events = body.Events
	}
	if body.Version != nil {
		sub.Version = *body.Version
	}
	if body.IsActive != nil {
		sub.IsActive = *body.IsActive
	}
	return map[string]any{"subscription": sub.Subscription}, nil
}

func (s *Sim) deleteSubscription(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptionLocked(c.id)
	if sub == nil {
		return nil, problem(2011, "subscription not found")
	}
	sub.IsActive = false
	s.subs = slices.DeleteFunc(s.subs, func(other *subscription) bool { return other == sub })
	return map[string]any{"id": c.id, "deleted": true}, nil
}
