package chert

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
)

// Each call: what is sent, and what is made of the documented answer.
func TestCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		call    func(*Client) (any, error)
		request string // method, path and query
		body    string
		answer  string
		want    string // the result as JSON
	}{
		{
			"typing",
			func(c *Client) (any, error) { r, err := c.Typing(t.Context(), "c1", "typing"); return r.Status, err },
			"POST /api/v1/chats/c1/typing", `{"state":"typing"}`,
			`{"status": "sent", "chat_id": "c1", "state": "typing"}`, `200`,
		},
		{
			"react",
			func(c *Client) (any, error) { r, err := c.React(t.Context(), "m/1", "love"); return r.Status, err },
			"POST /api/v1/messages/m%2F1/react", `{"reaction":"love"}`,
			`{"status": "sent", "message_id": "m/1", "reaction": "love"}`, `200`,
		},
		{
			"send",
			func(c *Client) (any, error) {
				m, _, err := c.Send(t.Context(), "c1", `say "hi" <b>`, "k1")
				return []string{m.ID, m.Status}, err
			},
			"POST /api/v1/chats/c1/messages",
			`{"message":{"parts":[{"type":"text","value":"say \"hi\" \u003cb\u003e"}],"idempotency_key":"k1"}}`,
			`{"message": {"id": "m9", "status": "queued"}}`, `["m9","queued"]`,
		},
		{
			"send, answered with fields of other types",
			func(c *Client) (any, error) { m, _, err := c.Send(t.Context(), "c1", "hi", "k1"); return m.Status, err },
			"POST /api/v1/chats/c1/messages",
			`{"message":{"parts":[{"type":"text","value":"hi"}],"idempotency_key":"k1"}}`,
			`{"message": {"id": 9, "status": "queued"}}`, `"queued"`,
		},
		{
			"list messages",
			func(c *Client) (any, error) {
				list, more, _, err := c.Messages(t.Context(), "c1")
				return []any{list, more}, err
			},
			"GET /api/v1/chats/c1/messages", ``,
			`{"messages": [{"id":"m1","chat_id":"c1","parts":[{"type":"text","value":"hi"}],"status":"read","direction":"inbound",
			  "created_at":"2026-05-24T01:35:33Z","delivered_at":null,"read_at":null,"service":"imessage"}], "has_more": true}`,
			`[[{"id":"m1","chat_id":"c1","parts":[{"type":"text","value":"hi"}],"status":"read","direction":"inbound",` +
				`"created_at":"2026-05-24T01:35:33Z","delivered_at":"","read_at":"","service":"imessage"}],true]`,
		},
		{
			"phone numbers",
			func(c *Client) (any, error) { list, _, err := c.PhoneNumbers(t.Context()); return list, err },
			"GET /api/v1/phone-numbers", ``,
			`{"phone_numbers":[{"id":"p1","phone_line_id":"l1","phone_number":"+1415","service":"imessage","is_active":true,"capabilities":["send"]}]}`,
			`[{"id":"p1","phone_line_id":"l1","phone_number":"+1415","service":"imessage","is_active":true,"capabilities":["send"]}]`,
		},
		{
			"subscribe",
			func(c *Client) (any, error) {
				s, _, err := c.Subscribe(t.Context(), NewSubscription{URL: "https://example.com/hook", Events: []string{"message.received"}, Version: "2026-05-04"})
				return []string{s.ID, s.Secret}, err
			},
			"POST /api/v1/webhook-subscriptions",
			`{"url":"https://example.com/hook","events":["message.received"],"version":"2026-05-04"}`,
			`{"subscription":{"id":"s1","url":"https://example.com/hook","events":["message.received"],"version":"2026-05-04","is_active":true,"created_at":"2026-05-24T01:35:33Z","secret":"whsec"}}`,
			`["s1","whsec"]`,
		},
		{
			"list subscriptions",
			func(c *Client) (any, error) {
				list, _, err := c.Subscriptions(t.Context())
				if err != nil || len(list) != 1 {
					return len(list), err
				}
				return list[0].ID, nil
			},
			"GET /api/v1/webhook-subscriptions", ``, `{"subscriptions":[{"id":"s1"}]}`, `"s1"`,
		},
		{
			"change a subscription",
			func(c *Client) (any, error) {
				off, all := false, []string{}
				s, _, err := c.UpdateSubscription(t.Context(), "s/1", SubscriptionChange{Events: &all, Active: &off})
				return s.Active, err
			},
			"PATCH /api/v1/webhook-subscriptions/s%2F1", `{"events":[],"is_active":false}`,
			`{"subscription":{"id":"s/1","is_active":false}}`, `false`,
		},
		{
			"replay",
			func(c *Client) (any, error) { r, err := c.Replay(t.Context(), "evt/1", "s1"); return r.Status, err },
			"POST /api/v1/events/evt%2F1/replay?subscription_id=s1", ``, `{"deliveries":1}`, `200`,
		},
		{
			"delete a subscription",
			func(c *Client) (any, error) { r, err := c.DeleteSubscription(t.Context(), "s1"); return r.Status, err },
			"DELETE /api/v1/webhook-subscriptions/s1", ``, `{}`, `200`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				if got := r.Method + " " + r.RequestURI; got != tt.request {
					t.Errorf("asked %s, want %s", got, tt.request)
				}
				if string(body) != tt.body {
					t.Errorf("sent %s, want %s", body, tt.body)
				}
				if got, want := r.Header.Get("X-Chert-Signature"), NewKey(testSecret).Signature("1779586534", body); got != want {
					t.Errorf("signed %s, want %s", got, want)
				}
				io.WriteString(w, tt.answer)
			})
			got, err := tt.call(newClient(t, s.URL, nil))
			if err != nil {
				t.Fatal(err)
			}
			if text := mustJSON(t, got); text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
		})
	}
}

// The secret of a new subscription is found in each form that Chert answers.
func TestSecretOfSubscriptionIsFoundInEachForm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"subscription": {"id": "s1", "secret": "whsec"}}`:                                       "whsec",
		`{"subscription": {"id": "s1", "webhook_secret": "whsec"}}`:                               "whsec",
		`{"subscription": {"id": "s1"}, "secret": "whsec"}`:                                       "whsec",
		`{"subscription": {"id": "s1"}, "webhook_secret": "whsec"}`:                               "whsec",
		`{"subscription": {"id": "s1", "secret": null}, "webhook_secret": "whsec"}`:               "whsec",
		`{"subscription": {"id": "s1", "secret": "whsec"}, "secret": "other"}`:                    "whsec",
		`{"subscription": {"id": "s1", "secret": "", "webhook_secret": "whsec"}, "secret": "no"}`: "whsec",
		`{"id": "s1", "secret": "whsec"}`:                                                         "whsec",
		`{"id": "s1", "webhook_secret": "whsec"}`:                                                 "whsec",
		`{"subscription": {"id": "s1"}}`:                                                          "",
	} {
		s := newServer(t, answering(200, nil, answer))
		got, _, err := newClient(t, s.URL, nil).Subscribe(t.Context(), NewSubscription{URL: "https://example.com"})
		if err != nil || got.ID != "s1" || got.Secret != want {
			t.Errorf("%s: %v with the secret %q, want %q (%v)", answer, got, got.Secret, want, err)
		}
	}
}

// An answer that is not understood may hold the secret, so that its error quotes nothing.
func TestErrorsOfSubscribeQuoteNoSecret(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"webhook": {"secret": "whsec_hidden"}}`, `["whsec_hidden"]`, `{"subscription": {"id": 7, "secret": "whsec_hidden"}}`, `{"error": "no", "secret": "whsec_hidden"}`} {
		s := newServer(t, answering(200, nil, answer))
		_, _, err := newClient(t, s.URL, nil).Subscribe(t.Context(), NewSubscription{URL: "https://example.com"})
		if err == nil || strings.Contains(err.Error(), "whsec_hidden") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestSendNeedsAKey(t *testing.T) {
	t.Parallel()
	_, _, err := newClient(t, "http://127.0.0.1:1", nil).Send(t.Context(), "c1", "hi", "")
	if e := wantError(t, err); e.Retryable || e.Unknown {
		t.Errorf("%+v, want a permanent refusal", e)
	}
}

func TestEventsLog(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 1)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r.RequestURI
		if r.URL.Query().Get("cursor") != "" {
			io.WriteString(w, `{"events": [], "next_cursor": null, "count": 0}`)
			return
		}
		io.WriteString(w, `{"events": [
			{"id": "evt_2", "type": "message.received", "event_id": "e2", "lead_id": "ld", "convo_id": "cv",
			 "payload": {"event":"message.received","event_id":"e2"}, "delivery": {}, "created_at": "2026-04-29T18:15:25Z"},
			{"id": 7, "type": "ping", "created_at": "yesterday"},
			"nonsense"], "next_cursor": "2026-04-29T18:14:11Z|evt_2", "count": 3}`)
	})
	c := newClient(t, s.URL, nil)
	since := time.Date(2026, 4, 29, 20, 0, 0, 0, time.FixedZone("", 2*3600))
	page, _, err := c.Events(t.Context(), EventQuery{Type: "message.received", Status: "failed", LeadID: "l", Since: since, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := <-requests, "/api/v1/events?lead_id=l&limit=200&since=2026-04-29T18%3A00%3A00Z&status=failed&type=message.received"; got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
	if len(page.Rows) != 3 || page.Next != "2026-04-29T18:14:11Z|evt_2" {
		t.Fatalf("%d rows and cursor %q, want 3 and one", len(page.Rows), page.Next)
	}
	row := page.Rows[0]
	if _, err := event.Decode(row.Raw, event.Hints{}); err != nil {
		t.Errorf("row can't be decoded: %v", err)
	}
	row.Raw = nil
	if want := (Row{ID: "evt_2", Type: "message.received", EventID: "e2", CreatedAt: time.Date(2026, 4, 29, 18, 15, 25, 0, time.UTC)}); !reflect.DeepEqual(row, want) {
		t.Errorf("got %+v, want %+v", row, want)
	}
	// Bad rows are there, for event.Decode to say what is wrong with them.
	if bad := page.Rows[1]; bad.ID != "7" || bad.Type != "ping" || !bad.CreatedAt.IsZero() || string(page.Rows[2].Raw) != `"nonsense"` {
		t.Errorf("bad rows came as %+v and %s", bad, page.Rows[2].Raw)
	}

	last, _, err := c.Events(t.Context(), EventQuery{Cursor: page.Next})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := <-requests, "/api/v1/events?cursor=2026-04-29T18%3A14%3A11Z%7Cevt_2"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if len(last.Rows) != 0 || last.Next != "" {
		t.Errorf("last page %+v, want an empty one", last)
	}
}

func TestEventsLogOfAnotherShape(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"events":{}}`, `{"events":"none"}`, `{"data":[]}`, `{"events":[],"next_cursor":7}`} {
		s := newServer(t, answering(200, nil, body))
		page, _, err := newClient(t, s.URL, nil).Events(t.Context(), EventQuery{})
		if err == nil {
			t.Errorf("%s was taken for %+v", body, page)
			continue
		}
		if e := wantError(t, err); !e.Retryable {
			t.Errorf("%s: %+v, want it retryable", body, e)
		}
	}
}
