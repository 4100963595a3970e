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
			k.chats.Add(g.chats[i-len(g.seen)].id)
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
		// CROSS JOIN: without it SQLite looks for each event of the history among those that wait.
		`SELECT e.chat_id, e.seq FROM pending p CROSS JOIN events e ON e.seq = p.seq WHERE e.chat_id IS NOT NULL`)
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

// countWaiting counts the chats of the events that are not handled. It takes about two
// microseconds an event. If a chat counted as having one until all are counted, its read
// would wait for the chat's next event, as nothing else makes it due again.
func (s *Store) countWaiting(ctx context.Context) error {
	return s.read(ctx, "count the events that wait", func(c *conn) error {
		return c.query(ctx, selectWaits, func(row []driver.Value) error {
			s.writer.waiting.add(stringOf(row[0]), intOf(row[1]))
			return nil
		})
	})
}

// learnAll reads the ids of both tables in the background, until the store is closed. An
// error only means that more is looked up in the tables.
func (s *Store) learnAll(ctx context.Context) {
	for _, err := range []error{
		s.learn(ctx, &s.writer.known.chats, selectChatIDs),
		s.learn(ctx, &s.writer.known.events, selectSeenIDs),
	} {
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
			s.log.Warn("reading the ids that are known failed; each is looked up in the store", "store", s.path, "err", err)
		}
	}
}
