package turn

import (
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// Arrival is an event on its way into the journal.
type Arrival struct {
	Event    event.Event
	Received time.Time
	Cause    int64 // sequence of the event that caused this one; 0: from outside
	// Forward is set on entries that carry a request from one chat to another
	// instead of an event: no rule sees them.
	Forward *Forward
}

// Entry is one row of the journal.
type Entry struct {
	Seq int64
	Arrival
}

// Forward is a request that a handler made for a chat other than its event's.
type Forward struct {
	Request chat.Request
	Depth   int
	// Block is set when the packs in MissedBy might have vetoed reads on the event of
	// the request, but missed it.
	Block    bool
	MissedBy []string
	// Known, if set, is a pack that has run on the event that caused this entry after
	// missing it, or never will: that event no longer blocks reads here for the pack.
	// Such an entry carries no request.
	Known string
}

// ShardKey returns the key by which entries are spread over shards: the chat, or the
// event's id if there is none. Runs of one schedule have one key, so they are handled
// in order.
func (a *Arrival) ShardKey() string {
	if id := a.Event.ChatID(); id != "" {
		return id
	}
	if a.Event.Type == event.Schedule && a.Event.Source == event.SourceEngine {
		if time := strings.LastIndexByte(a.Event.ID, '/'); time > 0 { // see Scheduled
			return a.Event.ID[:time]
		}
	}
	return a.Event.ID
}
