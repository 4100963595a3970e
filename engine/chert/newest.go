package chert

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Direction is which side a message is from.
type Direction string

const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Newest returns the direction of the newest message of a chat; "" if Chert's answer does not
// say it: the list is empty or not in its documented form, or the message has another direction.
// Such an answer is not foreign: what reads nothing must not stop the calls that do.
func (c *Client) Newest(ctx context.Context, chat string) (Direction, Reply, error) {
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
		return "", reply, err
	}
	return newestOf(chat, got.Messages), reply, nil
}

// newestOf returns the direction of the last message of a list, which has to be the newest one,
// and of the chat.
func newestOf(chat string, list json.RawMessage) Direction {
	var all []struct {
		Chat      string    `json:"chat_id"`
		Direction Direction `json:"direction"`
		Created   time.Time `json:"created_at"`
	}
	if json.Unmarshal(list, &all) != nil || len(all) == 0 {
		return ""
	}
	last := &all[len(all)-1]
	for i := range all {
		if all[i].Created.After(last.Created) {
			return "" // it is not oldest first
		}
	}
	if last.Chat != chat || last.Created.IsZero() || last.Direction != Inbound && last.Direction != Outbound {
		return ""
	}
	return last.Direction
}
