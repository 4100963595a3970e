package control

import (
	"context"
	"net/http"
)

// ForgetRequest is the body of POST forget.
type ForgetRequest struct {
	// Who is the id of a chat, or the phone number or email address of a person.
	Who string `json:"who,omitempty"`
	// Line, instead of Who, is a phone line on which mark-read was not available: its next
	// read is called again.
	Line   string `json:"line,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // say what would be removed
	Holds  bool   `json:"holds,omitempty"`   // end holds of the chats as well
	KV     bool   `json:"kv,omitempty"`      // remove entries of kv that name the chat or person
}

// Forgotten is the answer to POST forget: what was removed, or would be.
type Forgotten struct {
	Who    string `json:"who"`
	Line   string `json:"line,omitempty"` // whose next read is called again; nothing else was done
	Handle bool   `json:"handle"`         // who is a person, and not a chat
	DryRun bool   `json:"dry_run,omitempty"`
	// Chats are forgotten as a whole. In Groups only the person's own messages are.
	Chats  []string `json:"chats"`
	Groups []string `json:"groups"`
	Events int      `json:"events"` // whose texts were removed
	States int      `json:"states"` // ev.state of a pack and a chat
	// Dropped counts actions, and Timers timers, that the chats had pending.
	Dropped int `json:"dropped"`
	Timers  int `json:"timers"`
	// Missed counts events that packs had missed, and that do not run through them any more.
	Missed      int `json:"missed"`
	Quarantined int `json:"quarantined"` // deliveries
	Lists       int `json:"lists"`       // entries of lists, and of their history
	// KV has the entries of kv that name the chat or person. They are removed on request only.
	KV        []KVMention `json:"kv"`
	KVRemoved bool        `json:"kv_removed"`
	Held      []string    `json:"held,omitempty"`      // chats that stay held
	Released  []string    `json:"released,omitempty"`  // chats whose hold ends, on request
	InFlight  []string    `json:"in_flight,omitempty"` // chats that had a call on the wire
	// Kept counts messages in groups that keep their texts, because they are not handled, or a
	// pack has missed them.
	Kept int `json:"kept"`
	// Remains is why traces may be left in the store's files.
	Remains string `json:"remains,omitempty"`
}

// KVMention is an entry of a pack's kv that names a chat or person.
type KVMention struct {
	Pack string `json:"pack"`
	Key  string `json:"key"`
}

func (a *api) forget(r *http.Request) (any, error) {
	var in ForgetRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.Forget(r.Context(), in)
}

// Forget removes what chertd keeps about a chat or a person.
func (c *Client) Forget(ctx context.Context, in ForgetRequest) (f Forgotten, err error) {
	return f, c.ask(ctx, http.MethodPost, "/forget", in, &f)
}
