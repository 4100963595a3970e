package sqlite

import (
	"context"
	"log/slog"
)

// checkpointRows is after how many written rows the WAL is copied into the
// database: some 10 MiB of it, so that pages that change again and again are
// copied once.
const checkpointRows = 4000

var (
	copyWAL     = declare("PRAGMA wal_checkpoint(PASSIVE)")
	truncateWAL = declare("PRAGMA wal_checkpoint(TRUNCATE)")
)

// checkpointer copies the WAL into the database beside the writer, so that
// nobody's commit waits for the copying. The writer begins the WAL anew once
// all of it is copied; where commits follow each other so closely that this
// never comes about, one of them copies what little is left (checkpointPages).
type checkpointer struct {
	conn *conn
	log  *slog.Logger
	path string
}

// run copies each time the WAL has grown, until grown is closed.
func (c *checkpointer) run(grown <-chan struct{}) {
	for range grown {
		if _, err := c.conn.one(context.Background(), copyWAL); err != nil {
			// Nothing is lost: the WAL grows until a later one succeeds.
			c.log.Warn("store: checkpoint failed", "store", c.path, "error", err)
		}
	}
	if err := c.conn.close(); err != nil {
		c.log.Warn("store: close the checkpoint's connection", "store", c.path, "error", err)
	}
}
