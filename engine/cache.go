package engine

import (
	"container/list"
	"slices"

	"chertd/rules/chat"
)

// chatCache keeps the chats that a shard has published lately: as they are in the store,
// with their calls in flight. The values it has are never changed, only replaced.
// A chat whose call is in flight stays, whatever the limit, as the store does not keep
// the flight. So does one that is pinned, as the store does not have it yet.
type chatCache struct {
	limit  int
	pinned map[string]bool
	recent *list.List // of *chat.Chat, the latest first
	byID   map[string]*list.Element
}

func newChatCache(limit int) *chatCache {
	return &chatCache{limit: limit, pinned: map[string]bool{}, recent: list.New(), byID: map[string]*list.Element{}}
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
		if old := el.Value.(*chat.Chat); old.Flight == nil && !c.pinned[old.ID] {
			c.recent.Remove(el)
			delete(c.byID, old.ID)
		}
		el = before
	}
}

// peek is get without use.
func (c *chatCache) peek(id string) *chat.Chat {
	if el := c.byID[id]; el != nil {
		return el.Value.(*chat.Chat)
	}
	return nil
}

// restore makes a chat what it was before; nil: it was not in the cache.
func (c *chatCache) restore(id string, ch *chat.Chat) {
	el := c.byID[id]
	switch {
	case ch != nil:
		c.put(id, ch)
	case el != nil:
		c.recent.Remove(el)
		delete(c.byID, id)
	}
}

// claim makes a batch the owner of a chat, until publish: meanwhile no call is handed out
// from the published chat. It returns that one; nil: it is in the store only.
func (s *shard) claim(id string) *chat.Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own(id)
	return s.chats.get(id)
}

// own is claim, with mu held.
func (s *shard) own(id string) {
	if s.claimed == nil {
		s.claimed = map[string]bool{}
	}
	s.claimed[id] = true
}

// uncached returns the chats of the next events in the queue that are not in the cache, at
// most those of a batch.
func (s *shard) uncached() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.queue[:min(len(s.queue), batchEntries)] {
		id := entry.Event.ChatID()
		if id != "" && s.chats.byID[id] == nil && !slices.Contains(ids[max(0, len(ids)-8):], id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// publish ends the claims of a batch, and replaces the published chats by those it has
// made durable. It returns the others of which a call was refused because of the claims:
// they are due again.
func (s *shard) publish(chats map[string]*chat.Chat) (again []*chat.Chat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publishLocked(chats)
}

// publishLocked is publish, with mu held.
func (s *shard) publishLocked(chats map[string]*chat.Chat) (again []*chat.Chat) {
	for _, id := range s.refused {
		// A call is refused of chats in the cache alone.
		if c := s.chats.get(id); c != nil && chats[id] == nil {
			again = append(again, c)
		}
	}
	s.refused = s.refused[:0]
	for id, c := range chats {
		s.chats.put(id, c)
	}
	clear(s.claimed)
	return again
}
