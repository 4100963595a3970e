package event

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"time"
)

// An account that subscribes to message.received and lead_reply receives each message as
// both, with two event ids. Two events have the same message if
//
//   - they share one of MessageIDs, or
//   - one of them is a lead_reply without MessageIDs, they are of the same chat,
//     and they share one of MessageTexts.
//
// Two message.received with the same text and second are two messages: people write
// "ok" twice.

// MessageIDs returns the ids of the event's message, the most reliable first:
// data.message.id and message_guid. Most messages have one.
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

// MessageTexts returns short keys of the message's text and the second it was sent in, as
// far as they are known: one for the time of the message and one for that of the event,
// if it is another second. They are unique within a chat only.
func (e *Event) MessageTexts() []string {
	if e.Message == nil || e.Text == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(e.Text))
	var keys []string
	for _, at := range []time.Time{e.Message.SentAt, e.At} {
		key := append(strconv.AppendInt(make([]byte, 0, 64), at.Unix(), 10), '/') // on the stack
		key = hex.AppendEncode(key, sum[:8])
		if !at.IsZero() && (len(keys) == 0 || keys[0] != string(key)) {
			keys = append(keys, string(key))
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

// textKey is a key of MessageTexts.
var textKey = regexp.MustCompile(`^-?[0-9]+/[0-9a-f]{16}$`)

// IsTextKey reports whether a key is one of MessageTexts, and not an id.
func IsTextKey(key string) bool { return textKey.MatchString(key) }
