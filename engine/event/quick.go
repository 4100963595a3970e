package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// quick reads an envelope of the documented shape in one pass, which takes a
// quarter of encoding/json's time. It decides nothing: where a delivery has
// anything that is not plainly documented (null, a name twice or in other
// letters, another kind of value, what is not JSON) it gives up, and
// encoding/json says what that means. What it does read, it reads alike:
// FuzzQuick compares the two.
type quick struct {
	body []byte
	at   int
}

// parseQuick reads an envelope; ok is false if it gave up. The body is nested
// no deeper than maxDepth.
func parseQuick(body []byte) (env envelope, ok bool) {
	q := quick{body: body}
	if !q.envelope(&env) {
		return envelope{}, false
	}
	q.space()
	return env, q.at == len(body)
}

func (q *quick) envelope(env *envelope) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "event_type":
			return seen.first(0) && q.text(&env.EventType)
		case "event":
			return seen.first(1) && q.text(&env.Event)
		case "event_id":
			return seen.first(2) && q.text(&env.EventID)
		case "partner_id":
			return seen.first(3) && q.text(&env.PartnerID)
		case "timestamp":
			return seen.first(4) && q.stamp(&env.Timestamp)
		case "data":
			return seen.first(5) && q.data(&env.Data)
		case "from":
			return seen.first(6) && q.text(&env.From)
		case "to":
			return seen.first(7) && q.text(&env.To)
		case "text":
			return seen.first(8) && q.text(&env.Text)
		case "message_guid":
			return seen.first(9) && q.text(&env.MessageGUID)
		case "id", "type", "lead_id", "payload":
			return false // perhaps a row
		}
		return q.unknown(name)
	})
}

func (q *quick) data(d *wireData) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "chat":
			d.Chat = &wireChat{}
			return seen.first(0) && q.chat(d.Chat)
		case "message":
			d.Message = &wireMessage{}
			return seen.first(1) && q.message(d.Message)
		}
		return q.unknown(name)
	})
}

func (q *quick) chat(c *wireChat) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "id":
			return seen.first(0) && q.text(&c.ID)
		case "is_group":
			return seen.first(1) && q.flag(&c.IsGroup)
		case "handles":
			c.Handles = []Handle{}
			return seen.first(2) && q.array(func() bool {
				c.Handles = append(c.Handles, Handle{})
				return q.handle(&c.Handles[len(c.Handles)-1])
			})
		case "owner_handle":
			return seen.first(3) && q.handle(&c.Owner)
		}
		return q.unknown(name)
	})
}

func (q *quick) handle(h *Handle) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "handle":
			return seen.first(0) && q.text(&h.Handle)
		case "service":
			return seen.first(1) && q.text(&h.Service)
		case "is_me":
			return seen.first(2) && q.flag(&h.IsMe)
		}
		return q.unknown(name)
	})
}

func (q *quick) message(m *wireMessage) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "id":
			return seen.first(0) && q.text(&m.ID)
		case "direction":
			return seen.first(1) && q.text(&m.Direction)
		case "sender_handle":
			return seen.first(2) && q.handle(&m.Sender)
		case "parts":
			m.Parts = []wirePart{}
			return seen.first(3) && q.array(func() bool {
				m.Parts = append(m.Parts, wirePart{})
				return q.part(&m.Parts[len(m.Parts)-1])
			})
		case "sent_at":
			return seen.first(4) && q.stamp(&m.SentAt)
		}
		return q.unknown(name)
	})
}

func (q *quick) part(p *wirePart) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "type":
			return seen.first(0) && q.text(&p.Type)
		case "value":
			var value string
			ok := seen.first(1) && q.text(&value)
			p.Value = value
			return ok
		case "attachment_id":
			return seen.first(2) && q.text(&p.AttachmentID)
		case "mime_type":
			return seen.first(3) && q.text(&p.MimeType)
		}
		return q.unknown(name)
	})
}

// names are the fields of one object that were there.
type names uint16

// first notes a field and reports whether it is there for the first time.
func (n *names) first(field int) bool {
	there := *n&(1<<field) != 0
	*n |= 1 << field
	return !there
}

// object reads an object, each field's value by a function.
func (q *quick) object(field func(name []byte) bool) bool {
	if !q.token('{') {
		return false
	}
	if q.token('}') {
		return true
	}
	for {
		name, plain := q.quoted()
		if !plain || !q.token(':') || !field(name) {
			return false
		}
		if q.token('}') {
			return true
		}
		if !q.token(',') {
			return false
		}
	}
}

func (q *quick) array(element func() bool) bool {
	if !q.token('[') {
		return false
	}
	if q.token(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if q.token(']') {
			return true
		}
		if !q.token(',') {
			return false
		}
	}
}

// text reads a string.
func (q *quick) text(into *string) bool {
	s, plain := q.quoted()
	switch {
	case s == nil:
		return false
	case plain:
		*into = word(s)
		return true
	}
	// With the quotes, for its escapes and broken encodings.
	return json.Unmarshal(q.body[q.at-len(s)-2:q.at], into) == nil
}

func (q *quick) stamp(into *stamp) bool {
	s, _ := q.quoted()
	return s != nil && into.UnmarshalJSON(q.body[q.at-len(s)-2:q.at]) == nil
}

func (q *quick) flag(into *bool) bool {
	q.space()
	*into = q.literal("true")
	return *into || q.literal("false")
}

// unknown passes over a field that has no meaning here. Of a name with other
// than small letters encoding/json must say whether it is a known one.
func (q *quick) unknown(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return q.skip()
}

func (q *quick) skip() bool {
	q.space()
	if q.at == len(q.body) {
		return false
	}
	switch q.body[q.at] {
	case '{':
		return q.object(func([]byte) bool { return q.skip() })
	case '[':
		return q.array(q.skip)
	case '"':
		s, plain := q.quoted()
		return s != nil && (plain || json.Valid(q.body[q.at-len(s)-2:q.at]))
	}
	if q.literal("true") || q.literal("false") || q.literal("null") {
		return true
	}
	end := bytes.IndexAny(q.body[q.at:], ",]} \t\r\n")
	if end < 0 {
		return false
	}
	number := q.body[q.at : q.at+end]
	q.at += end
	return json.Valid(number)
}

// quoted reads a string and returns what is between the quotes: nil if it is
// not a string. It is plain if it stands for itself.
func (q *quick) quoted() (s []byte, plain bool) {
	if !q.token('"') {
		return nil, false
	}
	start, ascii := q.at, true
	plain = true
	for i := start; i < len(q.body); i++ {
		switch c := q.body[i]; {
		case c == '"':
			q.at = i + 1
			s = q.body[start:i:i]
			return s, plain && (ascii || utf8.Valid(s))
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// token passes over white space and then c, if that is next.
func (q *quick) token(c byte) bool {
	q.space()
	if q.at == len(q.body) || q.body[q.at] != c {
		return false
	}
	q.at++
	return true
}

func (q *quick) literal(s string) bool {
	if !bytes.HasPrefix(q.body[q.at:], []byte(s)) {
		return false
	}
	q.at += len(s)
	return true
}

func (q *quick) space() {
	for q.at < len(q.body) {
		switch q.body[q.at] {
		case ' ', '\t', '\r', '\n':
			q.at++
		default:
			return
		}
	}
}

// word is a text; those that most deliveries hold are not made anew.
func word(b []byte) string {
	switch string(b) {
	case MessageReceived:
		return MessageReceived
	case "inbound":
		return "inbound"
	case "outbound":
		return "outbound"
	case "imessage":
		return "imessage"
	case "text":
		return "text"
	}
	return string(b)
}
