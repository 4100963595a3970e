package chat

import (
	"encoding/base64"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"chertd/engine/event"
)

// Messages recognises a message that comes again. A message may come as message.received and as
// lead_reply, in either order, or twice as one of them; event/samemessage.go says when two events
// bring the same.
type Messages struct {
	// IDs are the shortIDs of the latest messages that came as message.received, the
	// newest last.
	IDs []string `json:"ids,omitempty"`
	// Sent is when the newest of them was sent. A message sent before it is not newer,
	// even if its id has been forgotten.
	Sent time.Time `json:"sent,omitzero"`
	// Newest are the ids and texts of the newest of them.
	Newest []string `json:"newest,omitempty"`
	// Replies are the latest lead_replies whose message has not come as
	// message.received, the newest last.
	Replies []Reply `json:"replies,omitempty"`
}

// Reply is a lead_reply whose message has not come as message.received.
type Reply struct {
	Seq  int64    `json:"seq"`  // its journal sequence
	Keys []string `json:"keys"` // its ids; if it has none, its texts
	// SeenBy is, by pack, the event on which a rule of the pack first ran on the message:
	// reads that the pack requests since then cover it. 0: an event that ran again,
	// so that the order is unknown.
	SeenBy map[string]int64 `json:"saw,omitempty"`
}

const (
	// recent is how many ids of messages are kept. An id takes 11 bytes of the chat's
	// row, and most chats have fewer messages.
	recent = 64
	// recentReplies is how many lead_replies are kept. Chert sends both events of a
	// message within seconds. In accounts that only get lead_replies, all of them are kept
	// without need.
	recentReplies = 4
)

// knows reports whether an event brings a message that came as message.received.
func (m *Messages) knows(in *Outcomes) bool {
	return slices.ContainsFunc(in.IDs, func(id string) bool { return slices.Contains(m.IDs, shortID(id)) }) || in.Legacy && m.isNewest(in)
}

// isNewest reports whether an event brings the newest message again.
func (m *Messages) isNewest(in *Outcomes) bool {
	if in.Message {
		return overlap(m.Newest, in.IDs)
	}
	return in.Legacy && overlap(m.Newest, in.keys())
}

// older reports whether an event's message was sent before the newest one.
func (m *Messages) older(in *Outcomes) bool { return !in.Sent.IsZero() && in.Sent.Before(m.Sent) }

// reply returns the index of the lead_reply that brought the event's message; -1 if none did.
func (m *Messages) reply(in *Outcomes) int {
	return slices.IndexFunc(m.Replies, func(r Reply) bool { return r.Seq == in.Seq || overlap(r.Keys, in.keys()) })
}

// add records the ids of a message.received, or of one that comes again under another id. Slices
// are replaced, never written to.
func (m *Messages) add(in *Outcomes) {
	if m.isNewest(in) {
		m.Newest = union(m.Newest, in.IDs)
	}
	for _, id := range in.IDs {
		m.IDs = union(m.IDs, []string{shortID(id)})
	}
	m.IDs = m.IDs[max(0, len(m.IDs)-recent):]
}

// addReply records a lead_reply: at is its index in Replies, or -1 for a new one.
func (m *Messages) addReply(in *Outcomes, at int) {
	replies := slices.Clone(m.Replies)
	if at >= 0 {
		replies[at].Keys = union(replies[at].Keys, in.keys())
	} else {
		replies = append(replies, Reply{Seq: in.Seq, Keys: in.keys()})
		replies = replies[max(0, len(replies)-recentReplies):]
		at = len(replies) - 1
	}
	saw := maps.Clone(replies[at].SeenBy)
	for _, pack := range in.RanPacks {
		if _, there := saw[pack]; !there {
			if saw == nil {
				saw = map[string]int64{}
			}
			saw[pack] = in.Seq
			if !in.First.IsZero() {
				saw[pack] = 0
			}
		}
	}
	replies[at].SeenBy = saw
	m.Replies = replies
}

// withoutTexts returns the messages without the hashes of their texts, which could confirm a
// text that somebody guesses. Slices are replaced, never written to.
func (m Messages) withoutTexts() Messages {
	m.Newest = slices.DeleteFunc(slices.Clone(m.Newest), event.IsTextKey)
	m.Replies = slices.Clone(m.Replies)
	for i := range m.Replies {
		m.Replies[i].Keys = slices.DeleteFunc(slices.Clone(m.Replies[i].Keys), event.IsTextKey)
	}
	return m
}

// keys returns the ids and texts that identify the event's message. A lead_reply with an id is not
// identified by its text.
func (in *Outcomes) keys() []string {
	if in.Legacy && len(in.IDs) > 0 {
		return in.IDs
	}
	return append(slices.Clip(in.IDs), in.Texts...)
}

// shortID returns an id in 8 characters: 48 bits of its hash, which tell the messages of one chat
// apart.
func shortID(id string) string {
	h := fnv.New64a()
	h.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:6])
}

// overlap reports whether two lists have a key in common.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(key string) bool { return slices.Contains(b, key) })
}

// union returns a list with the keys that it lacked appended.
func union(list, keys []string) []string {
	for _, key := range keys {
		if !slices.Contains(list, key) {
			list = append(slices.Clip(list), key)
		}
	}
	return list
}
