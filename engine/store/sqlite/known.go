package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"chertd/engine/store"
)

// knownIDs recognise most ids that the tables lack without reading them.
type knownIDs struct {
	events idSet // of the table seen
	chats  idSet // of the table chats
}

// idSet may contain an id, or certainly does not. It has the ids that are added, and
// from the start on those of a table, once they are read.
type idSet struct {
	*filter
	complete atomic.Bool
}

// Add adds an id. One that the filter affirms takes no more room in it.
func (s *idSet) Add(id string) {
	if !s.filter.Has(id) {
		s.filter.Add(id)
	}
}

// wrote adds the ids of the rows of a group that are written, from one to below another.
func (k *knownIDs) wrote(g *group, from, to int) {
	for i := from; i < to; i++ {
		if i < len(g.seen) {
			k.events.Add(g.seen[i].id)
		} else {
			k.chats.Add(g.chats[i-len(g.seen)].ID)
		}
	}
}

// Has reports whether the set may contain an id.
func (s *idSet) Has(id string) bool { return !s.complete.Load() || s.filter.Has(id) }

// pageIDs is how many ids are read at a time: the connection serves others in between.
const pageIDs = 4096

var (
	selectSeenIDs = declare(`SELECT id FROM seen WHERE id > ? ORDER BY id LIMIT ?`)
	selectChatIDs = declare(`SELECT id FROM chats WHERE id > ? ORDER BY id LIMIT ?`)
	selectWaits   = declareCostly("looks at all events that are not handled, once at each start",
		`SELECT e.chat_id FROM pending p JOIN events e ON e.seq = p.seq WHERE e.chat_id IS NOT NULL`)
)

// learn reads the ids of a table into a set. Those that are written meanwhile are added
// by who writes them.
func (s *Store) learn(ctx context.Context, set *idSet, what *statement) error {
	set.Add("") // below no id
	for after := ""; ; {
		var page []string
		err := s.read(ctx, "read the ids that are known", func(c *conn) (err error) {
			page, err = list(ctx, c, what, firstString, after, int64(pageIDs))
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range page {
			set.Add(id)
		}
		if len(page) < pageIDs {
			set.complete.Store(true)
			return nil
		}
		after = page[len(page)-1]
	}
}

// smallBacklog is how many events may wait for Open to count their chats itself, which
// takes some 20 ms.
const smallBacklog = 10_000

// countWaiting counts the chats of the events that are not handled, as of now. If there
// are many it returns a function that does it.
func (s *Store) countWaiting(ctx context.Context) (rest func() error, err error) {
	c := <-s.readers
	count := func() error {
		defer func() { s.readers <- c }()
		err := c.query(ctx, selectWaits, func(row []driver.Value) error {
			s.writer.waiting.add(stringOf(row[0]))
			return nil
		})
		if _, end := c.exec(rollback); err == nil {
			err = end
		}
		if err == nil {
			s.writer.waiting.complete.Store(true)
		}
		return err
	}
	// The first read sets the state that the others see.
	_, err = c.exec(begin)
	pending := int64(0)
	if err == nil {
		err = c.query(ctx, selectCounts, func(row []driver.Value) error {
			pending = intOf(row[countPending-1])
			return nil
		})
	}
	if err != nil {
		s.readers <- c
		return nil, err
	}
	if pending > smallBacklog {
		return count, nil
	}
	return nil, count()
}

// learnAll does in the background what Open has left, until the store is closed. An error
// only means that more is read from the tables.
func (s *Store) learnAll(ctx context.Context, rest func() error) {
	if rest != nil {
		if err := rest(); err != nil && ctx.Err() == nil {
			s.log.Error("counting the events that wait failed; reads of chats wait until all of them are handled", "store", s.path, "error", err)
		}
	}
	for _, err := range []error{
		s.learn(ctx, &s.writer.known.chats, selectChatIDs),
		s.learn(ctx, &s.writer.known.events, selectSeenIDs),
	} {
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
			s.log.Warn("reading the ids that are known failed; each is looked up in the store", "store", s.path, "error", err)
		}
	}
}
