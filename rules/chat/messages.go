package chat

import (
	"encoding/base64"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

// A message may come more than once: as message.received and as lead_reply, in
// either order, or twice as one of them. Messages is what is remembered of a
// chat's messages to recognise one that comes again (event/samemessage.go says
// when two events bring the same).
type Messages struct {
	// IDs are the ids of the messages that came last as message.received, each as
	// its shortID, the newest at the end.
	IDs []string `json:"ids,omitempty"`
	// Sent is when the newest of them was sent: what was sent before is none newer,
	// though its id is known no more.
	Sent time.Time `json:"sent,omitzero"`
	// Newest are all keys of the newest of them, ids and texts.
	Newest []string `json:"newest,omitempty"`
	// Replies are the lead_replies that came last and whose message has not come
	// as message.received, the newest at the end.
	Replies []Reply `json:"replies,omitempty"`
}

// Reply is a lead_reply whose message has not come as message.received.
type Reply struct {
	Seq  int64    `json:"seq"`  // its journal sequence
	Keys []string `json:"keys"` // its ids, or if it has none its texts
	// Saw are the packs of which a rule ran on it, by the event on which one
	// first did: what the pack asked for since then speaks for the message. 0: on
	// an event that was run again, of which nobody knows what came before.
	Saw map[string]int64 `json:"saw,omitempty"`
}

const (
	// recent is how many ids of messages are remembered. An id takes 11 bytes of
	// the chat's row, and most chats have fewer messages.
	recent = 64
	// recentReplies is how many lead_replies are. Chert sends both events of a
	// message within seconds; where an account has lead_replies alone, each chat
	// keeps so many for nothing.
	recentReplies = 4
)

// keys are what the event's message is recognised by. A lead_reply with an id
// is not looked for by its text.
func (in *Handled) keys() []string {
	if in.Legacy && len(in.IDs) > 0 {
		return in.IDs
	}
	return append(slices.Clip(in.IDs), in.Texts...)
}

// has reports whether an event brings a message that came as message.received.
func (m *Messages) has(in *Handled) bool {
	return slices.ContainsFunc(in.IDs, func(id string) bool { return slices.Contains(m.IDs, shortID(id)) }) || in.Legacy && m.isNewest(in)
}

// shortID is an id in 8 characters: 48 bits of its hash, which tell apart what one
// chat has.
func shortID(id string) string {
	h := fnv.New64a()
	h.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:6])
}

// older reports whether an event's message was sent before the newest one.
func (m *Messages) older(in *Handled) bool { return !in.Sent.IsZero() && in.Sent.Before(m.Sent) }

// isNewest reports whether an event brings the newest message, once more.
func (m *Messages) isNewest(in *Handled) bool {
	if in.Message {
		return shares(m.Newest, in.IDs)
	}
	return in.Legacy && shares(m.Newest, in.keys())
}

// reply is the place of the lead_reply that told of the event's message; -1 if
// none did.
func (m *Messages) reply(in *Handled) int {
	return slices.IndexFunc(m.Replies, func(r Reply) bool { return r.Seq == in.Seq || shares(r.Keys, in.keys()) })
}

// came notes the ids of a message.received, or of one that comes again under
// another id. Slices are replaced, never written through.
func (m *Messages) came(in *Handled) {
	if m.isNewest(in) {
		m.Newest = with(m.Newest, in.IDs)
	}
	for _, id := range in.IDs {
		m.IDs = with(m.IDs, []string{shortID(id)})
	}
	m.IDs = m.IDs[max(0, len(m.IDs)-recent):]
}

// told notes that a lead_reply, known by its place among the replies or -1,
// told of a message.
func (m *Messages) told(in *Handled, at int) {
	replies := slices.Clone(m.Replies)
	if at >= 0 {
		replies[at].Keys = with(replies[at].Keys, in.keys())
	} else {
		replies = append(replies, Reply{Seq: in.Seq, Keys: in.keys()})
		replies = replies[max(0, len(replies)-recentReplies):]
		at = len(replies) - 1
	}
	saw := maps.Clone(replies[at].Saw)
	for _, pack := range in.Saw {
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
	replies[at].Saw = saw
	m.Replies = replies
}

// shares reports whether two lists have a key in common.
func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(key string) bool { return slices.Contains(b, key) })
}

// with is a list and the keys that it lacks.
func with(list, keys []string) []string {
	for _, key := range keys {
		if !slices.Contains(list, key) {
			list = append(slices.Clip(list), key)
		}
	}
	return list
}
