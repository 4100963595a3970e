package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chertd/luabind"
	"chertd/rules/chat"
)

// maxWishes is how much one handler may ask for in one event. Nothing honest
// comes near it; a loop that does not end must not fill the store.
const maxWishes = 1000

// wishes collects what one handler asks for. It implements luabind.Effects; an
// error it returns is raised in the rule, at the call.
type wishes struct {
	pack   *Pack
	rule   *Rule
	chat   string // of the event; "" where there is none
	shadow bool
	asked  []Wish
	logs   []Log
}

func (w *wishes) MarkRead(chatID string, o luabind.ReadOptions) error {
	if o.Delayed && !w.rule.Named {
		return errors.New("a delayed read needs a rule with a name, by which a later one replaces it: write the rule as " +
			`chert.rule { name = "…", on = …, run = … }`)
	}
	return w.add(chatID, chat.Wish{Kind: chat.WishRead, Due: o.Due, Reason: o.Reason, EvenIfNewer: o.EvenIfNewer})
}

func (w *wishes) CancelRead(chatID string) error {
	return w.add(chatID, chat.Wish{Kind: chat.WishCancelRead})
}

func (w *wishes) Postpone(chatID string, until time.Time, reason string) error {
	return w.add(chatID, chat.Wish{Kind: chat.WishPostpone, Due: until, Reason: reason})
}

func (w *wishes) KeepUnread(chatID, reason string) error {
	return w.add(chatID, chat.Wish{Kind: chat.WishKeepUnread, Reason: reason})
}

func (w *wishes) Hold(chatID string, until time.Time, reason string) error {
	return w.add(chatID, chat.Wish{Kind: chat.WishHold, Due: until, Reason: reason})
}

func (w *wishes) Release(chatID string) error {
	return w.add(chatID, chat.Wish{Kind: chat.WishRelease})
}

func (w *wishes) SetTimer(due time.Time, name string, payload json.RawMessage) error {
	return w.timer(chat.Wish{Kind: chat.WishTimer, Due: due, Name: name, Body: payload})
}

func (w *wishes) CancelTimer(name string) error {
	return w.timer(chat.Wish{Kind: chat.WishCancelTimer, Name: name})
}

func (w *wishes) Typing(chatID, state string) error {
	return w.granted("typing", chatID, chat.Wish{Kind: chat.WishTyping, Body: quoted(state)})
}

// React is ordered with the actions of the event's chat.
func (w *wishes) React(message, kind string) error {
	switch {
	case message == "":
		return errors.New("the message's id is empty")
	case w.chat == "":
		return errors.New("this event has no chat, so nothing can be reacted to")
	}
	return w.granted("react", w.chat, chat.Wish{Kind: chat.WishReact, Target: message, Body: quoted(kind)})
}

func (w *wishes) Send(chatID, text string) error {
	return w.granted("send", chatID, chat.Wish{Kind: chat.WishSend, Body: quoted(text)})
}

func (w *wishes) Log(level, msg string, fields map[string]any) {
	w.logs = append(w.logs, Log{level, msg, fields})
}

// timer adds a wish about a timer, which belongs to the event's chat.
func (w *wishes) timer(wish chat.Wish) error {
	switch {
	case wish.Name == "":
		return errors.New("the timer's name is empty")
	case w.chat == "":
		return errors.New("this event has no chat, and a timer belongs to one")
	}
	return w.add(w.chat, wish)
}

func (w *wishes) granted(capability, chatID string, wish chat.Wish) error {
	if !slices.Contains(w.pack.Grants, capability) {
		return fmt.Errorf("this pack may not do that: the operator has not granted %q", capability)
	}
	return w.add(chatID, wish)
}

func (w *wishes) add(chatID string, wish chat.Wish) error {
	switch {
	case chatID == "":
		return errors.New("the chat's id is empty")
	case len(w.asked) >= maxWishes:
		return fmt.Errorf("a handler may ask for at most %d things in one event", maxWishes)
	}
	wish.Pack, wish.Version, wish.Rule, wish.Place, wish.Shadow = w.pack.Name, w.pack.Version, w.rule.Name, w.rule.place, w.shadow
	w.asked = append(w.asked, Wish{Chat: chatID, Wish: wish})
	return nil
}

// quoted is a string as JSON, which is how the body of a wish carries it.
func quoted(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always can
	return b
}
