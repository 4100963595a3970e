package chert

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Direction is which side a message is from.
type Direction string

const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Newest is what Chert says about the newest message of a chat.
type Newest struct {
	Direction Direction // "": Chert's answer does not say it
	Unclear   string    // if so, why
}

// Known is a message of a chat that an event has brought. Its zero value is none.
type Known struct {
	IDs  []string
	Sent time.Time // zero: unknown
}

// listLag is by how much the time of a message may differ between an event and the list. Both are
// Chert's, and events have whole seconds in places.
const listLag = time.Second

// Newest returns the direction of the newest message of a chat. Chert's answer does not say it if
// the list is empty or not in its documented form, or the message has another direction. Such an
// answer is not foreign: what reads nothing must not stop the calls that do.
//
// Nor does it say it if it does not have a message that is known to be there: then it is older than that
// message. Chert does not document that its list is as new as its events.
func (c *Client) Newest(ctx context.Context, chat string, known Known) (Newest, Reply, error) {
	var got struct {
		Messages json.RawMessage `json:"messages"`
	}
	reply, err := c.do(ctx, call{
		what:   "ask for the newest message of chat %q",
		of:     [2]string{chat},
		method: http.MethodGet,
		path:   []string{"chats", chat, "messages"},

		list: true, private: true,
	}, &got)
	if err != nil {
		return Newest{}, reply, err
	}
	return newestOf(chat, known, got.Messages), reply, nil
}

// newestOf returns the direction of the last message of a list, which has to be the newest one,
// and of the chat.
func newestOf(chat string, known Known, list json.RawMessage) Newest {
	unclear := func(why string) Newest { return Newest{Unclear: why} }
	var all []struct {
		ID        string    `json:"id"`
		Chat      string    `json:"chat_id"`
		Direction Direction `json:"direction"`
		Created   time.Time `json:"created_at"`
	}
	if len(list) == 0 || json.Unmarshal(list, &all) != nil {
		return unclear("Chert's list of the chat's messages is not in its documented form")
	}
	if len(all) == 0 {
		return unclear("Chert lists no messages of the chat")
	}
	last := &all[len(all)-1]
	there := len(known.IDs) == 0 || known.Sent.IsZero() || !last.Created.Before(known.Sent.Add(-listLag))
	for i := range all {
		if all[i].Created.After(last.Created) {
			return unclear("Chert's list of the chat's messages is not oldest first")
		}
		there = there || slices.Contains(known.IDs, all[i].ID)
	}
	switch {
	case last.Chat != chat:
		return unclear("the newest message that Chert lists is of another chat")
	case last.Created.IsZero():
		return unclear("the newest message that Chert lists has no time")
	case last.Direction != Inbound && last.Direction != Outbound:
		return unclear("the newest message that Chert lists is neither inbound nor outbound")
	case !there:
		return unclear("Chert's list does not have the chat's newest message yet, of " + known.Sent.UTC().Format(time.RFC3339))
	}
	return Newest{Direction: last.Direction}
}
