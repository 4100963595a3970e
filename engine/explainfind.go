package engine

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// explained is what GET explain is about: an event, or a chat.
type explained struct {
	what  string
	event *store.Record
	chat  string
}

const (
	// fewestDigits is how many last digits of a number choose chats: fewer choose too many.
	fewestDigits = 3
	// manyChats is how many chats are looked at, at most, that a number may choose.
	manyChats = 20
)

// lastDigits is the end of a phone number, as people read it out.
var lastDigits = regexp.MustCompile(`^[0-9][0-9 ().-]*[0-9]$`)

// findExplained finds what somebody asks about. What is found without looking through the
// journal comes first.
func (m *manager) findExplained(ctx context.Context, of string) (x explained, err error) {
	if of = strings.TrimSpace(of); of == "" || len(of) > maxChatID {
		return x, &control.UserError{Message: "explain what: give the id of an event, a chat or a message, a trace_id, or a phone number",
			Hint: "for example chertd explain 7d1b2c9e, or the last digits of a number: chertd explain 0123"}
	}
	if r, ok, err := m.store.Event(ctx, of); ok || err != nil {
		return explained{what: "event", event: &r, chat: r.Event.ChatID()}, err
	}
	if id, ok := chat.ParseActionID(of); ok {
		r, ok, err := m.store.EventBySeq(ctx, id.Seq)
		if err != nil {
			return x, err
		}
		if ok {
			return explained{what: "action", event: &r, chat: r.Event.ChatID()}, nil
		}
	}
	switch err := m.checkChat(ctx, of, false, ""); user := err.(type) {
	case nil:
		if events, err := m.store.Events(ctx, of, 0, 1); err != nil || len(events) > 0 {
			return explained{what: "chat", chat: of}, err
		}
		if x, err := m.findEarly(ctx, of); err != nil || x.event != nil {
			return x, err
		}
		return explained{what: "chat", chat: of}, nil
	case *control.UserError:
		if user.Status != http.StatusNotFound {
			return x, err
		}
	default:
		return x, err
	}
	if id, err := m.chatOfNumber(ctx, of); id != "" || err != nil {
		return explained{what: "number", chat: id}, err
	}
	if r, ok, err := m.store.Event(ctx, event.SignalPrefix+of); ok || err != nil { // as its sender knows it
		return explained{what: "event", event: &r, chat: r.Event.ChatID()}, err
	}
	seqs, err := m.store.MessageEvents(ctx, of, manyChats)
	if err != nil {
		return x, err
	}
	// A message comes as message.received, as lead_reply, with reactions: the first is meant.
	for _, seq := range slices.Backward(seqs) {
		r, ok, err := m.store.EventBySeq(ctx, seq)
		if err != nil {
			return x, err
		}
		if ok && (x.event == nil || r.Event.Type == event.MessageReceived && x.event.Event.Type != event.MessageReceived) {
			x = explained{what: "message", event: &r, chat: r.Event.ChatID()}
		}
	}
	if x.event != nil {
		return x, nil
	}
	if x, err := m.findTraced(ctx, of); x.event != nil || err != nil {
		return x, err
	}
	if x, err = m.findEarly(ctx, of); x.event != nil || err != nil {
		return x, err
	}
	hint := "give the id of an event, a chat or a message, a trace_id as in the log, or a phone number; events are kept for store.retention"
	if quarantined, err := m.store.Quarantined(ctx, 1); err == nil && len(quarantined) > 0 {
		hint += ". Deliveries that could not be understood are in quarantine: chertd quarantine"
	}
	return x, &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no event, chat or message %q, no such trace_id, and no chat with such a number", of), Hint: hint}
}

// findTraced finds the event that Chert's trace_id names: the one that was delivered with it, or
// one with an action to whose call Chert answered with it.
func (m *manager) findTraced(ctx context.Context, trace string) (x explained, err error) {
	seqs, err := m.store.TracedEvents(ctx, trace, manyChats)
	if err != nil {
		return x, err
	}
	best := 0
	for _, seq := range seqs {
		r, ok, err := m.store.EventBySeq(ctx, seq)
		if err != nil {
			return x, err
		}
		// One call may serve the reads of several events. The event of its own read is meant.
		rank := 1
		switch {
		case r.Event.TraceID() == trace:
			rank = 3
		case slices.ContainsFunc(r.Actions, func(a chat.Action) bool { return a.TraceID == trace && a.Why == chat.WhyRead }):
			rank = 2
		}
		if ok && rank > best {
			best, x = rank, explained{what: "trace", event: &r, chat: r.Event.ChatID()}
		}
	}
	return x, nil
}

// findEarly finds an event that was acknowledged and waits until the events log is read, by
// its id, its chat, its message, its trace_id or its number. It looks through all of them, for
// earlyPatience at most.
func (m *manager) findEarly(ctx context.Context, of string) (x explained, err error) {
	looking, cancel := context.WithTimeout(ctx, earlyPatience)
	defer cancel()
	digits := digitsOf(of)
	isNumber := len(digits) >= fewestDigits && strings.Trim(of, "+0123456789 ().-") == "" // not c123
	is := func(text string) bool { return strings.HasSuffix(digitsOf(text), digits) }
	looked := 0
	for after := int64(0); ; {
		page, err := m.store.Early(looking, after, earlyPage)
		if ctx.Err() == nil && looking.Err() != nil {
			return x, &control.UserError{Status: http.StatusServiceUnavailable,
				Message: fmt.Sprintf("%q is not in the journal; of the events that wait for the events log, only the first %d could be looked through in %s", of, looked, diag.Duration(earlyPatience)),
				Hint:    "try again once the events log is read: chertd status shows how far it is"}
		}
		if err != nil || len(page) == 0 {
			return x, err
		}
		for i := range page {
			e := &page[i]
			ev, err := event.Again(e.Body, event.Hints{ID: e.ID, Type: e.Type}, e.Source)
			if err != nil {
				continue
			}
			if ev.ID == of || ev.ID == event.SignalPrefix+of || ev.ChatID() == of || ev.MessageID() == of || ev.TraceID() == of || strings.EqualFold(ev.From, of) || isNumber && otherNumber(&ev, is) != "" {
				r := &store.Record{}
				r.Event, r.Received = ev, e.Received
				return explained{what: "event", event: r, chat: ev.ChatID()}, nil
			}
		}
		looked, after = looked+len(page), page[len(page)-1].N
	}
}

const (
	// earlyPage is how many events that wait for the events log are read at a time, at most.
	earlyPage = 1000
	// earlyPatience is how long these are looked through: there may be GiB of them.
	earlyPatience = 5 * time.Second
)

// chatOfNumber returns the chat that a phone number, an email address or the last digits of
// a number name; "": there is none. More than one is an error that lists them.
func (m *manager) chatOfNumber(ctx context.Context, of string) (id string, err error) {
	country := ""
	if set := m.eng.Rules(); set != nil {
		country = set.Country()
	}
	reader := handle.NewReader(country)
	var part string
	var is func(text string) bool
	switch h, e := handle.Parse(of, country); {
	case e == nil && h.Kind != handle.Other && !(lastDigits.MatchString(of) && h.Kind == handle.ShortCode):
		part, is = strings.TrimPrefix(h.Text, "+"), func(text string) bool { return reader.Read(text) == h }
	case lastDigits.MatchString(of) && len(digitsOf(of)) >= fewestDigits:
		part = digitsOf(of)
		is = func(text string) bool { return strings.HasSuffix(digitsOf(text), part) }
	default:
		return "", nil
	}
	seqs, err := m.store.EventsNaming(ctx, strings.ToLower(part), manyChats)
	if err != nil {
		return "", err
	}
	var found []string // chats, with the number
	for _, seq := range seqs {
		r, ok, err := m.store.EventBySeq(ctx, seq)
		if err != nil {
			return "", err
		}
		if number := otherNumber(&r.Event, is); ok && number != "" {
			if id == "" {
				id = r.Event.ChatID()
			}
			found = append(found, fmt.Sprintf("%s (%s, %s)", r.Event.ChatID(), number, r.Received.UTC().Format("2006-01-02 15:04Z")))
		}
	}
	if len(found) > 1 {
		return "", &control.UserError{Status: http.StatusConflict, Message: fmt.Sprintf("%d chats have such a number: %s", len(found), strings.Join(found, ", ")),
			Hint: "chertd explain " + id + " explains the newest one"}
	}
	return id, nil
}

// otherNumber returns the handle of an event's chat, or of its sender, that is meant. The
// chat's own line is not: all chats of the line have it.
func otherNumber(ev *event.Event, is func(string) bool) string {
	if ev.Chat != nil {
		for _, h := range ev.Chat.Handles {
			if h.IsMe != event.True && h.Handle != ev.Chat.Line && is(h.Handle) {
				return h.Handle
			}
		}
	}
	if ev.From != "" && ev.From != ev.Line() && is(ev.From) {
		return ev.From
	}
	return ""
}

// digitsOf returns the digits of a text.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}
