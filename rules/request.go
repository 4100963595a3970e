package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// maxRequests is how many requests one handler may make in one event, so that an endless
// loop does not fill the store.
const maxRequests = 1000

// requests collects the requests of one handler. It implements luabind.Effects; its
// errors are raised in the rule, at the call.
type requests struct {
	set   *Set
	pack  *Pack
	rule  *Rule
	event *event.Event
	chat  string // of the event; "" where there is none
	role  Role   // of the rule
	asked []Request
	logs  []Log
}

func (w *requests) MarkRead(chatID string, o luabind.ReadOptions) error {
	if o.Delayed && !w.rule.Named {
		return errors.New("a delayed read needs a rule with a name, by which a later one replaces it: write the rule as " +
			`chert.rule { name = "…", on = …, run = … }`)
	}
	return w.add(chatID, chat.Request{Kind: chat.RequestRead, Due: o.Due, Latest: o.Latest, OnlyIf: chat.Condition(o.OnlyIf), Reason: o.Reason, EvenIfNewer: o.EvenIfNewer})
}

func (w *requests) CancelRead(chatID string) error {
	return w.add(chatID, chat.Request{Kind: chat.RequestCancelRead})
}

func (w *requests) Postpone(chatID string, until time.Time, reason string) error {
	return w.add(chatID, chat.Request{Kind: chat.RequestPostpone, Due: until, Reason: reason})
}

func (w *requests) KeepUnread(chatID, reason string) error {
	return w.add(chatID, chat.Request{Kind: chat.RequestKeepUnread, Reason: reason})
}

func (w *requests) Hold(chatID string, until time.Time, reason string) error {
	return w.add(chatID, chat.Request{Kind: chat.RequestHold, Due: until, Reason: reason})
}

func (w *requests) Release(chatID string) error {
	return w.add(chatID, chat.Request{Kind: chat.RequestRelease})
}

func (w *requests) SetTimer(due time.Time, name string, payload json.RawMessage) error {
	return w.timer(chat.Request{Kind: chat.RequestTimer, Due: due, Name: name, Body: payload})
}

func (w *requests) CancelTimer(name string) error {
	return w.timer(chat.Request{Kind: chat.RequestCancelTimer, Name: name})
}

func (w *requests) Typing(chatID, state string) error {
	return w.granted("typing", chatID, chat.Request{Kind: chat.RequestTyping, Body: quoted(state)})
}

// React is ordered with the actions of the event's chat.
func (w *requests) React(message, kind string) error {
	switch {
	case message == "":
		return errors.New("the message's id is empty")
	case w.chat == "":
		return errors.New("this event has no chat, so nothing can be reacted to")
	}
	return w.granted("react", w.chat, chat.Request{Kind: chat.RequestReact, Target: message, Body: quoted(kind)})
}

func (w *requests) Send(chatID, text string) error {
	return w.granted("send", chatID, chat.Request{Kind: chat.RequestSend, Body: quoted(text)})
}

// Notify is ordered with the notifications of its target.
func (w *requests) Notify(target, text string, fields json.RawMessage) error {
	if known := w.pack.Targets; known != nil && slices.Contains(w.pack.Grants, "notify") && !slices.Contains(known, target) {
		return targetError{target, known}
	}
	body, err := json.Marshal(Notification{Text: text, Fields: fields, Event: notifiedOf(w.event)})
	if err != nil {
		return err
	}
	return w.granted("notify", chat.NotifyChat(target), chat.Request{Kind: chat.RequestNotify, Body: body})
}

func (w *requests) Log(level, msg string, fields map[string]any) {
	w.logs = append(w.logs, Log{level, msg, fields})
}

// timer adds a request about a timer, which belongs to the event's chat.
func (w *requests) timer(request chat.Request) error {
	switch {
	case request.Name == "":
		return errors.New("the timer's name is empty")
	case w.chat == "":
		return errors.New("this event has no chat, and a timer belongs to one")
	}
	return w.add(w.chat, request)
}

func (w *requests) granted(capability, chatID string, request chat.Request) error {
	if !slices.Contains(w.pack.Grants, capability) {
		return fmt.Errorf("this pack may not do that: the operator has not granted %q", capability)
	}
	return w.add(chatID, request)
}

func (w *requests) add(chatID string, request chat.Request) error {
	switch {
	case chatID == "":
		return errors.New("the chat's id is empty")
	case request.Kind != chat.RequestNotify && isTarget(chatID):
		return fmt.Errorf("%.60q is a target of notifications, not a chat", chatID)
	case len(w.asked) >= maxRequests:
		return fmt.Errorf("a handler may make at most %d requests in one event", maxRequests)
	}
	request.Pack, request.Version, request.Rule, request.Place, request.Shadow = w.pack.Name, w.pack.Version, w.rule.Name, w.rule.place, w.role != RoleLive || w.set.shadows(w.pack, w.decides(chatID))
	request.Candidate = w.role == RoleCandidate
	w.asked = append(w.asked, Request{Chat: chatID, Request: request})
	return nil
}

// decides returns the chat whose share decides whether a request for a chat is carried out: for
// a notification, that of its event.
func (w *requests) decides(chatID string) string {
	if isTarget(chatID) {
		return w.chat
	}
	return chatID
}

// isTarget reports whether a chat has the notifications of a target.
func isTarget(chatID string) bool {
	_, ok := chat.NotifyTarget(chatID)
	return ok
}

// quoted returns a string as JSON, for the body of a request.
func quoted(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always can
	return b
}

// Words formats a request for logs and explain, e.g. `mark_read after 30s (code)`. It
// names the chat unless it is own, the chat of the event. now is when the event was
// handled.
func (w *Request) Words(own string, now time.Time) string {
	s := string(w.Kind) // and nothing else, for most reads
	switch w.Kind {
	case chat.RequestTimer, chat.RequestCancelTimer:
		s += fmt.Sprintf(" %q", w.Name)
	}
	if target, ok := chat.NotifyTarget(w.Chat); ok {
		s += fmt.Sprintf(" %q", target)
	} else if w.Chat != own {
		s += " chat " + w.Chat
	}
	switch w.Kind {
	case chat.RequestRead, chat.RequestTimer:
		if d := w.Due.Sub(now); d > 0 {
			s += " after " + diag.Duration(d)
		}
		if !w.Latest.IsZero() {
			s += ", at most " + diag.Duration(w.Latest.Sub(now))
		}
	case chat.RequestPostpone:
		if w.Due.After(now) {
			s += " until " + w.Due.UTC().Format(time.RFC3339)
		}
	case chat.RequestHold:
		s += " until " + w.Due.UTC().Format(time.RFC3339)
	}
	if w.OnlyIf != "" {
		s += " only if " + string(w.OnlyIf)
	}
	if w.EvenIfNewer {
		s += " even if newer"
	}
	if w.Reason != "" {
		s += " (" + w.Reason + ")"
	}
	if w.Shadow {
		s += " [shadow]"
	}
	return s
}
