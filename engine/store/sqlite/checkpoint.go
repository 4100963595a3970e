package sqlite

import (
	"context"
	"log/slog"
)

// checkpointRows is how many rows are written between two checkpoints: about 10 MiB
// of WAL, so that pages that change often are copied once.
const checkpointRows = 4000

var (
	copyWAL     = declare("PRAGMA wal_checkpoint(PASSIVE)")
	truncateWAL = declare("PRAGMA wal_checkpoint(TRUNCATE)")
)

// checkpointer copies the WAL into the database while the writer continues, so
// that no commit waits for it. The writer restarts the WAL once all of it is
// copied. If commits follow each other too closely for that, one of them copies
// the rest (checkpointPages).
type checkpointer struct {
	conn *conn
	log  *slog.Logger
	path string
}

// run runs a checkpoint each time the WAL has grown, until grown is closed.
func (c *checkpointer) run(grown <-chan struct{}) {
	for range grown {
		if _, err := c.conn.one(context.Background(), copyWAL); err != nil {
			// Nothing is lost: the WAL grows until a later one succeeds.
			c.log.Warn("store checkpoint failed", "store", c.path, "err", err)
		}
	}
	if err := c.conn.close(); err != nil {
		c.log.Warn("closing the connection for store checkpoints failed", "store", c.path, "err", err)
	}
}
