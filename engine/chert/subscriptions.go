package chert

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

// WebhookVersion is the version of the webhook envelope that chertd understands.
const WebhookVersion = "2026-05-04"

// Subscription is a webhook to which Chert delivers events. It prints and logs without
// its secret.
type Subscription struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"` // exact types; none: all
	Version   string   `json:"version"`
	Active    bool     `json:"is_active"`
	CreatedAt string   `json:"created_at"`       // RFC 3339 as Chert wrote it
	Secret    string   `json:"secret,omitempty"` // signs deliveries; only in the answer that created it
}

// answeredSubscription is a subscription in an answer, which may name the secret in two ways.
type answeredSubscription struct {
	Subscription
	WebhookSecret string `json:"webhook_secret"`
}

// secret returns the secret; "": the answer has none.
func (a *answeredSubscription) secret() string { return cmp.Or(a.Secret, a.WebhookSecret) }

func (s Subscription) String() string {
	return fmt.Sprintf("subscription(%s %s events=%v active=%t)", s.ID, redactURL(s.URL), s.Events, s.Active)
}

// Format prints the subscription without its secret, with any verb.
func (s Subscription) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue logs the subscription without its secret.
func (s Subscription) LogValue() slog.Value { return slog.StringValue(s.String()) }

// NewSubscription describes a subscription to create.
type NewSubscription struct {
	URL     string   `json:"url"`              // public https, or https://dev-inbox
	Events  []string `json:"events,omitempty"` // none: all
	Version string   `json:"version,omitempty"`
}

// SubscriptionChange has the fields of a subscription to change; nil fields stay.
type SubscriptionChange struct {
	URL     *string   `json:"url,omitempty"`
	Events  *[]string `json:"events,omitempty"` // an empty list: all
	Version *string   `json:"version,omitempty"`
	Active  *bool     `json:"is_active,omitempty"`
}

// Subscribe creates a subscription. Only its answer has the secret. It is not idempotent:
// after an Error that is Unknown, look for the subscription in the list.
func (c *Client) Subscribe(ctx context.Context, n NewSubscription) (Subscription, Reply, error) {
	return c.subscription(ctx, call{what: "create a webhook subscription", method: http.MethodPost, path: []string{subscriptions}, body: n, private: true})
}

// Subscriptions returns the subscriptions of the tenant, without their secrets.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, Reply, error) {
	var got struct {
		Subscriptions []Subscription `json:"subscriptions"`
	}
	reply, err := c.do(ctx, call{what: "list the webhook subscriptions", method: http.MethodGet, path: []string{subscriptions},
		success: hasList("subscriptions"), list: true}, &got)
	return got.Subscriptions, reply, err
}

// UpdateSubscription changes a subscription, and returns it as it is then.
func (c *Client) UpdateSubscription(ctx context.Context, id string, change SubscriptionChange) (Subscription, Reply, error) {
	return c.subscription(ctx, call{what: "change webhook subscription %q", of: [2]string{id}, method: http.MethodPatch, path: []string{subscriptions, id}, body: change})
}

// DeleteSubscription deletes a subscription.
func (c *Client) DeleteSubscription(ctx context.Context, id string) (Reply, error) {
	return c.do(ctx, call{what: "delete webhook subscription %q", of: [2]string{id}, method: http.MethodDelete, path: []string{subscriptions, id}}, nil)
}

const subscriptions = "webhook-subscriptions"

// subscription makes a call that is answered with a subscription: in the documented
// wrapper, or bare. The secret may be secret or webhook_secret, beside the wrapper or in it.
func (c *Client) subscription(ctx context.Context, k call) (Subscription, Reply, error) {
	var got struct {
		Wrapped *answeredSubscription `json:"subscription"`
		answeredSubscription
	}
	k.success = func(f fields) string {
		if object(f.get("subscription")) == nil && f.get("id") == nil {
			return "has no subscription"
		}
		return ""
	}
	reply, err := c.do(ctx, k, &got)
	if err != nil {
		return Subscription{}, reply, err
	}
	one := got.answeredSubscription
	if got.Wrapped != nil {
		one = *got.Wrapped
	}
	one.Subscription.Secret = cmp.Or(one.secret(), got.secret())
	return one.Subscription, reply, nil
}
