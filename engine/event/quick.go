package event

// quick reads an envelope, or a row, of the documented shape in one pass. It gives up at
// anything else (null, a known name twice or with escapes, another kind of value,
// invalid JSON), and leaves the delivery to slow. What it reads, slow reads in the same
// way: FuzzQuick compares the two.
type quick struct {
	body []byte
	at   int
}

// parseQuick reads an envelope; ok is false if it gave up. The body must not be nested
// deeper than maxDepth.
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
		case "chat_id":
			return seen.first(10) && q.raw(&env.ChatID)
		case "lead_id":
			return seen.first(11) && q.raw(&env.LeadID)
		case "line_id":
			return seen.first(12) && q.raw(&env.LineID)
		case "id":
			return seen.first(13) && q.raw(&env.ID)
		case "type":
			return seen.first(14) && q.raw(&env.Type)
		case "payload":
			return seen.first(15) && q.raw(&env.Payload)
		}
		return q.skip()
	})
}

func (q *quick) data(d *wireData) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "chat":
			d.Chat.Given = true
			return seen.first(0) && q.chat(&d.Chat)
		case "message":
			d.Message.Given = true
			return seen.first(1) && q.message(&d.Message)
		case "chat_id":
			return seen.first(2) && q.raw(&d.ChatID)
		case "lead_id":
			return seen.first(3) && q.raw(&d.LeadID)
		}
		return q.skip()
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
			c.Handles = make([]Handle, 0, 2) // the line's and the sender's
			return seen.first(2) && q.array(func() bool {
				c.Handles = append(c.Handles, Handle{})
				return q.handle(&c.Handles[len(c.Handles)-1])
			})
		case "owner_handle":
			return seen.first(3) && q.handle(&c.Owner)
		case "lead_id":
			return seen.first(4) && q.raw(&c.LeadID)
		}
		return q.skip()
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
		return q.skip()
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
		case "chat_id":
			return seen.first(5) && q.raw(&m.ChatID)
		case "lead_id":
			return seen.first(6) && q.raw(&m.LeadID)
		}
		return q.skip()
	})
}

func (q *quick) part(p *wirePart) bool {
	var seen names
	return q.object(func(name []byte) bool {
		switch string(name) {
		case "type":
			return seen.first(0) && q.text(&p.Type)
		case "value":
			return seen.first(1) && q.text(&p.Value)
		case "attachment_id":
			return seen.first(2) && q.text(&p.AttachmentID)
		case "mime_type":
			return seen.first(3) && q.text(&p.MimeType)
		}
		return q.skip()
	})
}

// names is the set of fields that an object has had so far.
type names uint16

// first adds a field and reports whether it is new.
func (n *names) first(field int) bool {
	there := *n&(1<<field) != 0
	*n |= 1 << field
	return !there
}

// word returns a string. It does not allocate those that most deliveries have.
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
