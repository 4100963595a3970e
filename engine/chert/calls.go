package chert

import (
	"context"
	"encoding/json"
	"net/http"
)

// MarkRead marks the unread inbound messages of a chat as read, which sends a read
// receipt. It is idempotent, so any retry is safe. A receipt can't be taken back.
func (c *Client) MarkRead(ctx context.Context, chat string) (Reply, error) {
	return c.do(ctx, call{
		what:   "mark chat %q as read",
		of:     [2]string{chat},
		method: http.MethodPost,
		path:   []string{"chats", chat, "mark-read"},

		success: isRead,
	}, nil)
}

// Typing shows ("typing") or ends ("stopped") the typing indicator in a chat, at best
// effort.
func (c *Client) Typing(ctx context.Context, chat, state string) (Reply, error) {
	return c.do(ctx, call{
		what:   "signal %q in chat %q",
		of:     [2]string{state, chat},
		method: http.MethodPost,
		path:   []string{"chats", chat, "typing"},
		body: struct {
			State string `json:"state"`
		}{state},
		success: statusIs("sent"),
	}, nil)
}

// React adds a reaction to a message: love, like, dislike, laugh, emphasize or
// question. It is not idempotent: don't repeat it after an Error that is Unknown.
func (c *Client) React(ctx context.Context, message, reaction string) (Reply, error) {
	return c.do(ctx, call{
		what:   "react to message %q",
		of:     [2]string{message},
		method: http.MethodPost,
		path:   []string{"messages", message, "react"},
		body: struct {
			Reaction string `json:"reaction"`
		}{reaction},
		success: statusIs("sent"),
	}, nil)
}

// Send sends a text to a chat. Chert sends it once for each key, so a retry with the
// same key is safe. The Message has the fields that the answer has in their
// documented types.
func (c *Client) Send(ctx context.Context, chat, text, key string) (Message, Reply, error) {
	k := call{
		what:    "send a message to chat %q",
		of:      [2]string{chat},
		method:  http.MethodPost,
		path:    []string{"chats", chat, "messages"},
		success: hasObject("message"),
	}
	if key == "" {
		return Message{}, Reply{}, &Error{Call: k.String(), Message: "the idempotency key is empty"}
	}
	type body struct {
		Parts []Part `json:"parts"`
		Key   string `json:"idempotency_key"`
	}
	var got struct {
		Message json.RawMessage `json:"message"`
	}
	k.body = struct {
		Message body `json:"message"`
	}{body{Parts: []Part{{Type: "text", Value: text}}, Key: key}}
	reply, err := c.do(ctx, k, &got)
	if err != nil {
		return Message{}, reply, err
	}
	var m Message
	// A field of another type leaves its zero value: the message was sent.
	_ = json.Unmarshal(got.Message, &m)
	return m, reply, nil
}

// Part is a piece of a message.
type Part struct {
	Type         string `json:"type"` // "text", "media", …
	Value        string `json:"value,omitempty"`
	AttachmentID string `json:"attachment_id,omitempty"`
	MimeType     string `json:"mime_type,omitempty"`
}

// Message is a message as the API lists it. Times are RFC 3339 as Chert wrote them;
// empty where there is none yet.
type Message struct {
	ID          string `json:"id"`
	ChatID      string `json:"chat_id"`
	Parts       []Part `json:"parts"`
	Status      string `json:"status"`
	Direction   string `json:"direction"`
	CreatedAt   string `json:"created_at"`
	DeliveredAt string `json:"delivered_at"`
	ReadAt      string `json:"read_at"`
	Service     string `json:"service"`
}

// Messages returns the latest messages of a chat, at most 200, oldest first. more is set
// if there are older ones.
func (c *Client) Messages(ctx context.Context, chat string) (list []Message, more bool, reply Reply, err error) {
	var got struct {
		Messages []Message `json:"messages"`
		HasMore  bool      `json:"has_more"`
	}
	reply, err = c.do(ctx, call{
		what:   "list the messages of chat %q",
		of:     [2]string{chat},
		method: http.MethodGet,
		path:   []string{"chats", chat, "messages"},

		success: hasList("messages"), list: true,
	}, &got)
	return got.Messages, got.HasMore, reply, err
}

// PhoneNumber is a phone line of the account.
type PhoneNumber struct {
	ID           string          `json:"id"`
	LineID       string          `json:"phone_line_id"`
	Number       string          `json:"phone_number"`
	Service      string          `json:"service"`
	Active       bool            `json:"is_active"`
	Capabilities json.RawMessage `json:"capabilities"` // of no documented shape
}

// PhoneNumbers returns the phone lines of the account. It changes nothing, so it is
// the way to check credentials.
func (c *Client) PhoneNumbers(ctx context.Context) ([]PhoneNumber, Reply, error) {
	var got struct {
		PhoneNumbers []PhoneNumber `json:"phone_numbers"`
	}
	reply, err := c.do(ctx, call{
		what:   "list the phone numbers",
		method: http.MethodGet,
		path:   []string{"phone-numbers"},

		success: hasList("phone_numbers"), list: true,
	}, &got)
	return got.PhoneNumbers, reply, err
}
