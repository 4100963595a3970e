package engine

import (
	"slices"
	"time"

	"chertd/rules/chat"
)

// chatCache keeps the chats that a shard has published lately: as they are in the store,
// with their calls in flight. The values it has are never changed, only replaced.
//
// It keeps fewer of those that are due nothing. With an ordinary rate of calls most are,
// and the collector looks at each again and again; with a backlog, a chat that is not in
// memory when its call goes out must be read.
//
// A chat whose call is in flight stays, whatever the limits, as the store does not keep
// the flight. So does one that is pinned, as the store does not have it yet.
type chatCache struct {
	byID   map[string]*cached
	pinned map[string]bool
	idle   recentChats // without a call that waits or is in flight
	busy   recentChats
	calls  openCalls
}

// recentChats are cached chats, the latest first.
type recentChats struct {
	limit int // how many it keeps
	n     int
	ends  cached // its next is the latest, its prev the one that was used longest ago
}

// cached is an entry of the cache.
type cached struct {
	chat       *chat.Chat
	in         *recentChats
	next, prev *cached
	batch      int64 // of openCalls, while a call is due or in flight and not answered; else 0
	answered   bool  // the call in flight is, and the chat does not have the answer yet
}

func newChatCache(idle, busy int) *chatCache {
	c := &chatCache{byID: map[string]*cached{}, pinned: map[string]bool{}, calls: newOpenCalls()}
	c.idle.init(idle)
	c.busy.init(busy)
	return c
}

func (l *recentChats) init(limit int) {
	l.limit = limit
	l.ends.next, l.ends.prev = &l.ends, &l.ends
}

func (l *recentChats) add(x *cached) {
	x.in, x.prev, x.next = l, &l.ends, l.ends.next
	x.prev.next, x.next.prev = x, x
	l.n++
}

func (x *cached) leave() {
	x.prev.next, x.next.prev = x.next, x.prev
	x.in.n--
}

// get returns a chat; nil: it is not in the cache.
func (c *chatCache) get(id string) *chat.Chat {
	x := c.byID[id]
	if x == nil {
		return nil
	}
	l := x.in
	x.leave()
	l.add(x)
	return x.chat
}

// peek is get without use.
func (c *chatCache) peek(id string) *chat.Chat {
	if x := c.byID[id]; x != nil {
		return x.chat
	}
	return nil
}

// put puts a chat into the cache, instead of what it was.
func (c *chatCache) put(id string, ch *chat.Chat, now time.Time) {
	x := c.byID[id]
	if x == nil {
		x = &cached{}
		c.byID[id] = x
	} else {
		x.leave()
	}
	x.chat = ch
	l, next := &c.idle, ch.NextCall()
	if ch.Flight != nil || !next.IsZero() {
		l = &c.busy
	}
	x.answered = x.answered && ch.Flight != nil
	switch {
	case l == &c.idle || ch.Flight == nil && next.After(now):
		c.calls.answered(x.batch)
		x.batch = 0
	case x.batch == 0 && !x.answered:
		x.batch = c.calls.due()
	}
	l.add(x)
	for old := l.ends.prev; l.n > l.limit && old != x; {
		before := old.prev
		if old.chat.Flight == nil && !c.pinned[old.chat.ID] {
			c.drop(old)
		}
		old = before
	}
}

// answer notes that the call in flight of a chat is answered.
func (c *chatCache) answer(id string) {
	if x := c.byID[id]; x != nil && x.chat.Flight != nil {
		c.calls.answered(x.batch)
		x.batch, x.answered = 0, true
	}
}

func (c *chatCache) drop(x *cached) {
	c.calls.answered(x.batch)
	x.leave()
	delete(c.byID, x.chat.ID)
}

// restore makes a chat what it was before; nil: it was not in the cache.
func (c *chatCache) restore(id string, ch *chat.Chat, now time.Time) {
	x := c.byID[id]
	switch {
	case ch != nil:
		c.put(id, ch, now)
	case x != nil:
		c.drop(x)
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

// uncached returns the chats of the next events in the queue that are not in memory, at most
// those of a number of events.
func (s *shard) uncached(most int) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.queue[:min(len(s.queue), most)] {
		id := entry.Event.ChatID()
		if id != "" && s.chats.byID[id] == nil && s.loaded[id] == nil && !slices.Contains(ids[max(0, len(ids)-8):], id) {
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
		s.chats.put(id, c, s.e.c.Now())
	}
	clear(s.claimed)
	return again
}
