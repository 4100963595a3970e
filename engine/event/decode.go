package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode"
)

// Hints has facts about an event from outside the body: the headers
// X-Webhook-Event-Id and X-Webhook-Event of a webhook, or the id and type of a row that
// the caller has unwrapped. The body takes precedence.
type Hints struct{ ID, Type string }

// Decode decodes a delivery of Chert's: the body of a webhook, a message of the stream,
// or a row of the events log, which it unwraps. It sets all fields of the Event but
// Source and those that only the engine sets.
//
//   - ID is the event_id, else the hint, else the row's id, else "sha256:" and
//     the hex digest of the envelope without insignificant white space. An id that
//     begins with SignalPrefix is replaced by its digest.
//   - Type is event_type, else event, else the hint, else the row's type.
//   - Text, From and Message fall back to the legacy top-level fields text, from and
//     message_guid; the line of a chat to to, and then to line_id. A delivery without
//     a chat object belongs to the chat that chat_id or lead_id names, in its chat,
//     its message, its data, its top level or the row around it.
//   - Raw is the envelope as it came. It shares memory with body, which must not
//     change afterwards. FromRaw tells whether it has all of the event.
//
// Undocumented deliveries are events, too: unknown fields are ignored, null and an empty
// id count as missing, as does an id or type of a row that is not a string (an id may be a
// number); a malformed time is the zero time. The documented types must have
// their documented shape. For any other type, a chat, message or legacy field of another
// shape counts as missing; Raw has it. An error is always a *MalformedError, and the
// delivery belongs in quarantine.
//
// Names are case-sensitive. If an object has a name twice, its last value counts, as in
// ev.raw and for most who read JSON. Such a delivery is understood, so that it does not go to
// quarantine, where nobody would react to it until an operator looks.
func Decode(body []byte, h Hints) (Event, error) {
	env, err := parse(body, h.Type)
	if err != nil {
		return Event{}, err
	}
	if !env.isRow() {
		return env.event(body, h, row{})
	}
	r, err := env.row()
	if err != nil {
		return Event{}, err
	}
	if env, err = parse(r.payload, first(h.Type, r.typ)); err != nil {
		return Event{}, within("payload", err)
	}
	e, err := env.event(r.payload, h, r)
	if err != nil {
		return Event{}, within("payload", err)
	}
	return e, nil
}

// parse reads an envelope or a row, and checks that it has the documented shape of its
// type; hint is the type if the body has none.
func parse(body []byte, hint string) (envelope, error) {
	if err := checkForm(body); err != nil {
		return envelope{}, err
	}
	if env, ok := parseQuick(body); ok {
		return env, nil
	}
	return parseSlow(body, hint)
}

// event returns the event of an envelope. raw is the text of the envelope, and r the row
// around it; zero: there was none.
func (env *envelope) event(raw []byte, h Hints, r row) (Event, error) {
	e := Event{
		ID:     outside(first(env.EventID, r.eventID, h.ID, r.id)),
		Type:   first(env.eventType(), h.Type, r.typ),
		At:     env.Timestamp.time,
		Tenant: env.PartnerID,
		Raw:    raw,
	}
	if e.Type == "" {
		return Event{}, &MalformedError{Field: "event_type", Reason: "missing: neither event_type nor event says what this is"}
	}
	if e.ID == "" {
		e.ID = hashOf(raw)
	}
	if err := env.message(&e); err != nil {
		return Event{}, err
	}
	rowsChat := env.chat(&e, r)
	e.FromRaw = r.payload == nil || !rowsChat && !env.isRow()
	for _, id := range []struct{ field, value string }{
		{"event_id", e.ID},
		{"event_type", e.Type},
		{"data.chat.id", e.ChatID()},
		{"data.message.id", e.MessageID()},
		{"message_guid", e.messageGUID()},
	} {
		if reason := checkID(id.value); reason != "" {
			return Event{}, &MalformedError{Field: id.field, Reason: reason}
		}
	}
	return e, nil
}

// hashOf returns the identity of an envelope without one. It ignores insignificant white
// space, which may differ between the webhook, the events log and a file.
func hashOf(raw []byte) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err == nil {
		raw = compact.Bytes()
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// chat sets the chat of an event, if the delivery names it. It reports whether only the row
// around it does.
func (env *envelope) chat(e *Event, r row) (rows bool) {
	w := env.Data.Chat
	// A legacy event has no chat object. Its chat_id or lead_id, at any level, or those of
	// the row around it, have the id of the chat in the API (a /send answer calls the
	// chat_id lead_id). The innermost takes precedence. The row's does not count if the
	// payload has a malformed chat: the webhook may bring the same payload without the
	// row.
	if w.ID == "" {
		m, d := &env.Data.Message, &env.Data
		w.ID = first(stringIn(w.LeadID), stringIn(m.ChatID), stringIn(m.LeadID), stringIn(d.ChatID), stringIn(d.LeadID), stringIn(env.ChatID), stringIn(env.LeadID))
	}
	if w.ID == "" && !env.unreadChat {
		w.ID, rows = r.leadID, r.leadID != ""
	}
	if w.ID == "" {
		return false
	}
	e.Chat = &Chat{
		ID:      w.ID,
		IsGroup: w.IsGroup,
		Line:    first(w.Owner.Handle, env.To, stringIn(env.LineID)),
		Handles: w.Handles,
	}
	return rows
}

// message sets the message of an event, its text and its sender.
func (env *envelope) message(e *Event) error {
	w := &env.Data.Message
	if !w.Given && env.Text == "" && env.From == "" && env.MessageGUID == "" {
		return nil
	}
	parts, text, err := w.parts()
	if err != nil {
		return err
	}
	e.Text = first(text, env.Text)
	e.From = first(w.Sender.Handle, env.From)
	e.Message = &Message{
		ID:        first(w.ID, env.MessageGUID),
		GUID:      otherThan(w.ID, env.MessageGUID),
		Direction: w.Direction,
		Text:      e.Text,
		From:      e.From,
		Service:   w.Sender.Service,
		Parts:     parts,
		SentAt:    w.SentAt.time,
	}
	return nil
}

// maxID is the longest id that is accepted, in bytes. Chert's are far shorter.
const maxID = 512

// checkID returns what is wrong with an id, or "". Ids are parts of URLs, logs and keys.
// Two ids with different invalid encodings would decode to the same replacement
// characters, and so count as one event.
func checkID(id string) string {
	if len(id) > maxID {
		return "longer than 512 bytes"
	}
	if strings.ContainsRune(id, unicode.ReplacementChar) {
		return "not valid UTF-8"
	}
	if strings.IndexFunc(id, unicode.IsControl) >= 0 {
		return "has control characters"
	}
	return ""
}

// maxDepth is how deep a delivery may be nested. Chert's are 6 deep, and rules see Raw up
// to 64.
const maxDepth = 200

// checkForm refuses JSON that can't be a delivery: null, and nesting that only an attack
// or a bug produces.
func checkForm(body []byte) error {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return &MalformedError{Reason: "the body is empty"}
	}
	if deeperThan(body, maxDepth) {
		return &MalformedError{Reason: "nested more than 200 deep"}
	}
	if bytes.HasPrefix(trimmed, []byte("null")) && json.Valid(body) {
		return &MalformedError{Reason: "want an object, got null"}
	}
	return nil
}

// deeperThan reports whether brackets outside strings are nested deeper than limit.
// Almost every body has fewer brackets than that in total.
func deeperThan(body []byte, limit int) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= limit {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// otherThan returns guid if it differs from id, and id is known.
func otherThan(id, guid string) string {
	if id == "" || id == guid {
		return ""
	}
	return guid
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
