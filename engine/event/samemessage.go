package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// How a message is recognised that comes twice. An account that subscribes to
// message.received and to lead_reply gets each message as both, with two event
// ids: it is one message. Two events bring the same message if
//
//   - they share one of MessageIDs, or
//   - one of them is a lead_reply without MessageIDs, they are of the same chat,
//     and they share one of MessageTexts.
//
// Two message.received that share a text and a second are two messages: people
// write "ok" twice.

// MessageIDs are the ids by which Chert names the event's message, the
// strongest first: data.message.id and message_guid. Most messages have one.
func (e *Event) MessageIDs() []string {
	var ids []string
	if id := e.MessageID(); id != "" {
		ids = append(ids, id)
	}
	if guid := e.messageGUID(); guid != "" {
		ids = append(ids, guid)
	}
	return ids
}

// MessageTexts are short keys of the message's text together with the second
// it was sent in, as far as they are known: one for the message's own time and
// one for the event's, if that is another second. They are only unique within
// a chat.
func (e *Event) MessageTexts() []string {
	if e.Message == nil || e.Text == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(e.Text))
	text := "/" + hex.EncodeToString(sum[:8])
	var keys []string
	for _, at := range []time.Time{e.Message.SentAt, e.At} {
		key := strconv.FormatInt(at.Unix(), 10) + text
		if !at.IsZero() && (len(keys) == 0 || keys[0] != key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (e *Event) messageGUID() string {
	if e.Message == nil {
		return ""
	}
	return e.Message.GUID
}
