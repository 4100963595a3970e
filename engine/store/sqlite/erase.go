package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chertd/engine/store"
	"chertd/engine/wait"
)

var (
	// The events of a list that are handled, and whose texts are there.
	selectErasable = declareCostly(fewRows, `SELECT e.seq FROM events e JOIN decisions d ON d.seq = e.seq
		WHERE e.seq`+inStep+` AND (e.raw IS NOT NULL OR e.payload IS NOT NULL OR e.forward -> '$.body' IS NOT NULL OR `+hasReason+` OR ifnull(`+hasTexts+`, 0)
			OR ifnull(d.rules LIKE '%"asked":%' OR d.rules LIKE '%"refused":%', 0)
			OR EXISTS (SELECT 1 FROM json_each(d.actions) a WHERE a.value -> 'error' IS NOT NULL OR a.value -> 'reason' IS NOT NULL OR `+ended+` AND a.value -> 'body' IS NOT NULL)
			OR `+hasAttemptTexts+`)`)
	eraseReasons   = declareCostly(fewRows, `UPDATE events AS e SET forward = json_replace(forward, '$.request.Reason', '') WHERE seq`+inStep+` AND `+hasReason)
	eraseDecisions = declareCostly(fewRows, `UPDATE decisions SET note = iif(note LIKE '%; refused: %', substr(note, 1, instr(note, '; refused: ') - 1), note),
		rules = (SELECT json_group_array(json_replace(json_remove(value, '$.logs', '$.asked', '$.refused'), '$.error', ?2)) FROM json_each(rules))
		WHERE seq`+inStep+` AND rules IS NOT NULL`)
	eraseActions = declareCostly(fewRows, `UPDATE decisions SET actions = (
		SELECT json_group_array(json(iif(`+ended+`, json_remove(a.value, '$.body', '$.error', '$.reason'), json_remove(a.value, '$.error', '$.reason'))) ORDER BY a.key) FROM json_each(actions) a)
		WHERE seq`+inStep+` AND actions IS NOT NULL`)

	selectStatePack = declare(`SELECT min(pack) FROM states WHERE pack > ?`)
	selectKVPack    = declare(`SELECT min(pack) FROM kv WHERE pack > ?`)
	selectKVRows    = declare(`SELECT pack, key, value IS NULL FROM kv WHERE (pack, key) > (?, ?) ORDER BY pack, key LIMIT ?`)
	dropDeletedKV   = declareCostly(fewRows, `DELETE FROM kv WHERE pack = ?2 AND value IS NULL AND key`+inStep)

	selectFreePages = declare(`PRAGMA freelist_count`)
	selectPageSize  = declare(`PRAGMA page_size`)
	insertScrub     = declare(`INSERT INTO scrub (zeros) VALUES (zeroblob(?))`)
	selectScrub     = declare(`SELECT n FROM scrub WHERE n > 0 ORDER BY n LIMIT 1`)
	deleteScrub     = declare(`DELETE FROM scrub WHERE n = ?`)
)

// hasReason is whether an event e carries a request from elsewhere with its reason.
const hasReason = `ifnull(e.forward ->> '$.request.Reason', '') <> ''`

// EraseTexts implements store.Erasure.
func (s *Store) EraseTexts(ctx context.Context, seqs []int64) (int, error) {
	const doing = "erase texts of events"
	if len(seqs) == 0 {
		return 0, nil
	}
	given, err := json.Marshal(seqs)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	var there []int64
	err = s.snapshot(ctx, doing, func(c *conn) (err error) {
		there, err = list(ctx, c, selectErasable, firstInt, string(given))
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(there), s.pruneKeys(ctx, doing, there, len(there), func(seqs driver.Value) []change {
		return []change{
			{what: clearEvents, args: []driver.Value{seqs}},
			{what: restoreSeqs},
			{what: eraseReasons, args: []driver.Value{seqs}},
			{what: eraseDecisions, args: []driver.Value{seqs, store.TextRemoved}},
			{what: clearAttempts, args: []driver.Value{seqs}},
			{what: eraseActions, args: []driver.Value{seqs}},
		}
	})
}

// StatePacks implements store.Erasure.
func (s *Store) StatePacks(ctx context.Context, chat string) (packs []string, err error) {
	err = s.eachPack(ctx, "read which packs remember a chat", selectStatePack, func(c *conn, pack string) error {
		v, err := c.one(ctx, selectState, pack, chat)
		if v != nil {
			packs = append(packs, pack)
		}
		return err
	})
	return packs, err
}

// KVPacks implements store.Erasure.
func (s *Store) KVPacks(ctx context.Context) (packs []string, err error) {
	err = s.eachPack(ctx, "read which packs have kv", selectKVPack, func(_ *conn, pack string) error {
		packs = append(packs, pack)
		return nil
	})
	return packs, err
}

// eachPack calls do with each pack that next finds, by name.
func (s *Store) eachPack(ctx context.Context, doing string, next *statement, do func(c *conn, pack string) error) error {
	return s.snapshot(ctx, doing, func(c *conn) error {
		for pack := ""; ; {
			v, err := c.one(ctx, next, pack)
			if v == nil || err != nil {
				return err
			}
			pack = stringOf(v)
			if err := do(c, pack); err != nil {
				return err
			}
		}
	})
}

const (
	// eraseStep is how many rows of kv are looked at, or removed, at a time.
	eraseStep = 256
	// scrubPages is how many free pages a transaction of Scrub overwrites: 1 MiB, which
	// delays an acknowledgement by some milliseconds.
	scrubPages = 256
	// scrubRest is how long to wait after each, as a multiple of the time that it took.
	scrubRest = 1
	// truncateEvery is how often Scrub tries to empty the WAL while reads use it.
	truncateEvery = 50 * time.Millisecond
)

// Scrub implements store.Erasure. SQLite overwrites removed rows with zeros where their
// pages stay in use (secure_delete), but not pages that become free: those are filled with
// zeros here, and freed again. Rows that deleted entries of kv leave for their versions go, as
// their keys may name people. The WAL has earlier states of pages, so that it is emptied at
// the end.
func (s *Store) Scrub(ctx context.Context) error {
	const doing = "overwrite free space"
	if err := s.catchUp(ctx); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.endScrub(ctx); err != nil { // of one that was interrupted
		return err
	}
	if err := s.dropDeleted(ctx); err != nil {
		return err
	}
	for {
		began := time.Now()
		free, size, err := s.freePages(ctx)
		if err != nil {
			return err
		}
		if free == 0 {
			break
		}
		r := newRequest(doing, step{changes: []change{{what: insertScrub, args: []driver.Value{zerosFor(min(free, scrubPages), size)}}}})
		r.weight, r.bytes = scrubPages, int(scrubPages*size)
		if err := s.submit(ctx, r, true); err != nil {
			return err
		}
		if !wait.For(ctx, scrubRest*time.Since(began)) {
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
	}
	if err := s.endScrub(ctx); err != nil {
		return err
	}
	return s.emptyWAL(ctx)
}

// dropDeleted removes the rows that deleted entries of kv have left. A handler that runs meanwhile
// and has read such a row runs again, as the version is another one then: 0.
func (s *Store) dropDeleted(ctx context.Context) error {
	const doing = "remove what deleted entries of kv have left"
	var last kvKey
	for {
		keys := map[string][]string{} // by pack
		n := 0
		err := s.snapshot(ctx, doing, func(c *conn) error {
			return c.query(ctx, selectKVRows, func(row []driver.Value) error {
				last = kvKey{stringOf(row[0]), stringOf(row[1])}
				n++
				if intOf(row[2]) != 0 {
					keys[last.pack] = append(keys[last.pack], last.key)
				}
				return nil
			}, last.pack, last.key, int64(eraseStep))
		})
		if err != nil || n == 0 {
			return err
		}
		for pack, some := range keys {
			text, err := json.Marshal(some)
			if err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
			if err := s.write(ctx, doing, dropDeletedKV, string(text), pack); err != nil {
				return err
			}
		}
	}
}

// zerosFor returns how many bytes a row of scrub must have to fill a number of overflow pages
// to their ends: SQLite leaves the rest of the last one as it was. A row keeps at least
// minLocal bytes in its own page, with the few of its header that are too many for the
// others, each of which begins with a number of 4 bytes:
// https://sqlite.org/fileformat2.html, "B-tree Cell Format".
func zerosFor(pages, size int64) int64 {
	minLocal := (size-12)*32/255 - 23
	return minLocal + pages*(size-4)
}

// freePages returns how many pages of the file are free, and their size in bytes.
func (s *Store) freePages(ctx context.Context) (free, size int64, err error) {
	err = s.snapshot(ctx, "count free pages", func(c *conn) error {
		n, err := c.one(ctx, selectFreePages)
		if err != nil {
			return err
		}
		bytes, err := c.one(ctx, selectPageSize)
		free, size = intOf(n), intOf(bytes)
		return err
	})
	return free, size, err
}

// endScrub frees the pages that are full of zeros.
func (s *Store) endScrub(ctx context.Context) error {
	for {
		var n driver.Value
		err := s.snapshot(ctx, "read scrub", func(c *conn) (err error) {
			n, err = c.one(ctx, selectScrub)
			return err
		})
		if n == nil || err != nil {
			return err
		}
		if err := s.write(ctx, "free overwritten space", deleteScrub, n); err != nil {
			return err
		}
	}
}

// emptyWAL copies all of the WAL into the database, and truncates it. Reads that are under
// way keep it a while.
func (s *Store) emptyWAL(ctx context.Context) error {
	const doing = "empty the WAL"
	if err := s.usable(ctx, doing); err != nil {
		return err
	}
	c, err := connect(ctx, s.writer.files.path, "rw", busyTimeout, "synchronous(FULL)", readerCache)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for {
		busy, err := c.one(ctx, truncateWAL)
		if err != nil || intOf(busy) == 0 {
			return errors.Join(err, c.close())
		}
		if !wait.For(ctx, truncateEvery) {
			return errors.Join(fmt.Errorf("%s: %w", doing, ctx.Err()), c.close())
		}
	}
}
