package chat

import (
	"encoding/json"
	"time"
)

// Wish is one request of a handler for this chat.
type Wish struct {
	Kind    WishKind
	Pack    string
	Version string
	Rule    string
	Place   string // file:line of the rule
	Reason  string
	Shadow  bool // recorded, without effect

	Due         time.Time       // WishRead, WishHold and WishPostpone (their end), WishTimer
	EvenIfNewer bool            // WishRead
	Name        string          // WishTimer, WishCancelTimer
	Body        json.RawMessage // WishTimer: payload; WishTyping, WishReact, WishSend: what to send
	Target      string          // WishReact: message id
}

// WishKind is the name of the function that the rule called.
type WishKind string

const (
	WishRead        WishKind = "mark_read"
	WishCancelRead  WishKind = "cancel_read"
	WishPostpone    WishKind = "postpone"
	WishKeepUnread  WishKind = "keep_unread"
	WishHold        WishKind = "hold"
	WishRelease     WishKind = "release"
	WishTimer       WishKind = "set_timer"
	WishCancelTimer WishKind = "cancel_timer"
	WishTyping      WishKind = "typing"
	WishReact       WishKind = "react"
	WishSend        WishKind = "send"
)

// IsAction reports whether the request becomes an action, which can wait. Others take effect
// immediately.
func (w *Wish) IsAction() bool { return w.Kind.action() != "" }

// KeepsUnread reports whether the request keeps a chat unread and does nothing else.
func (w *Wish) KeepsUnread() bool {
	return w.Kind == WishKeepUnread || w.Kind == WishHold || w.Kind == WishPostpone || w.Kind == WishCancelRead
}

// action returns the kind of action that a request becomes; "" for one that takes effect
// immediately.
func (k WishKind) action() Kind {
	switch k {
	case WishRead:
		return Read
	case WishTyping:
		return Typing
	case WishReact:
		return React
	case WishSend:
		return Send
	}
	return ""
}

// timer returns the name of the timer that the request sets or cancels; "" for other requests.
func (w *Wish) timer() string {
	if w.Kind == WishTimer || w.Kind == WishCancelTimer {
		return w.Name
	}
	return ""
}
