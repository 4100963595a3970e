package chat

import (
	"encoding/json"
	"time"
)

// Request is one request of a handler for this chat.
type Request struct {
	Kind    RequestKind
	Pack    string
	Version string
	Rule    string
	Place   string // file:line of the rule
	Reason  string
	Shadow  bool // recorded, without effect
	// Candidate is set in shadow if the rule is of a version that runs beside the live one.
	Candidate bool `json:",omitempty"`

	Due         time.Time // RequestRead, RequestHold and RequestPostpone (their end), RequestTimer
	Latest      time.Time // RequestRead: see Action.Latest; zero: it has none
	EvenIfNewer bool      // RequestRead
	OnlyIf      Condition // RequestRead
	// Covers is, of an operator's RequestRead, the newest message that it covers, by its
	// journal sequence. 0: the newest of the chat when the request is handled.
	Covers int64 `json:",omitempty"`
	// CoversMessage is set if the event of Covers brings an inbound message. If that is not the
	// newest one, the read does not cover the newest, in whatever order they arrived.
	CoversMessage bool            `json:",omitempty"`
	Name          string          // RequestTimer, RequestCancelTimer
	Body          json.RawMessage // RequestTimer: payload; RequestTyping, RequestReact, RequestSend, RequestNotify: what to send
	Target        string          // RequestReact: message id; RequestSend, RequestNotify: idempotency key
}

// RequestKind is the name of the function that the rule called.
type RequestKind string

const (
	RequestRead        RequestKind = "mark_read"
	RequestCancelRead  RequestKind = "cancel_read"
	RequestPostpone    RequestKind = "postpone"
	RequestKeepUnread  RequestKind = "keep_unread"
	RequestHold        RequestKind = "hold"
	RequestRelease     RequestKind = "release"
	RequestTimer       RequestKind = "set_timer"
	RequestCancelTimer RequestKind = "cancel_timer"
	RequestTyping      RequestKind = "typing"
	RequestReact       RequestKind = "react"
	RequestSend        RequestKind = "send"
	RequestNotify      RequestKind = "notify"
)

// IsAction reports whether the request becomes an action, which can wait. Others take effect
// immediately.
func (w *Request) IsAction() bool { return w.Kind.action() != "" }

// KeepsUnread reports whether the request keeps a chat unread and does nothing else.
func (w *Request) KeepsUnread() bool {
	return w.Kind == RequestKeepUnread || w.Kind == RequestHold || w.Kind == RequestPostpone || w.Kind == RequestCancelRead
}

// action returns the kind of action that a request becomes; "" for one that takes effect
// immediately.
func (k RequestKind) action() Kind {
	switch k {
	case RequestRead:
		return Read
	case RequestTyping:
		return Typing
	case RequestReact:
		return React
	case RequestSend:
		return Send
	case RequestNotify:
		return Notify
	}
	return ""
}

// timer returns the name of the timer that the request sets or cancels; "" for other requests.
func (w *Request) timer() string {
	if w.Kind == RequestTimer || w.Kind == RequestCancelTimer {
		return w.Name
	}
	return ""
}
