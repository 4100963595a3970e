package engine

import (
	"container/list"

	"chertd/rules/chat"
)

// chatCache keeps the chats that a shard has changed lately, as they are in the store.
// A chat whose call is in flight stays, whatever the limit, as the store does not keep
// the flight.
type chatCache struct {
	limit  int
	recent *list.List // of *chat.Chat, the latest first
	byID   map[string]*list.Element
}

func newChatCache(limit int) *chatCache {
	return &chatCache{limit: limit, recent: list.New(), byID: map[string]*list.Element{}}
}

func (c *chatCache) get(id string) *chat.Chat {
	el := c.byID[id]
	if el == nil {
		return nil
	}
	c.recent.MoveToFront(el)
	return el.Value.(*chat.Chat)
}

func (c *chatCache) put(id string, ch *chat.Chat) {
	if el := c.byID[id]; el != nil {
		el.Value = ch
		c.recent.MoveToFront(el)
		return
	}
	c.byID[id] = c.recent.PushFront(ch)
	for el := c.recent.Back(); len(c.byID) > c.limit && el != nil; {
		before := el.Prev()
		if old := el.Value.(*chat.Chat); old.Flight == nil {
			c.recent.Remove(el)
			delete(c.byID, old.ID)
		}
		el = before
	}
}
