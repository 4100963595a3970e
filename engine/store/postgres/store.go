// Package postgres is the store of several machines: one PostgreSQL that all processes share.
//
// It keeps what package sqlite keeps, in the same JSON (package rowjson). PostgreSQL orders the
// appends of all processes by the lock of one row, journal_lock.
package postgres

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chertd/engine/store"
)

// Options are the settings of a store.
type Options struct {
	URL    string // postgres://…, as libpq has it
	Schema string // of the tables; it is created; default "chertd"
	Now    func() time.Time
	Lease  LeaseTimes // zero: the defaults
}

// Store is a store.Store in a schema of PostgreSQL. Open opens one.
type Store struct {
	pool   *pgxpool.Pool
	owner  string // of rows that only this process changes: a random name of this incarnation
	now    func() time.Time
	closed chan struct{} // closed by Close
	once   sync.Once

	journal journal
	health  health
	commits committer
	people  people
	members membership
}

var _ store.Shared = (*Store)(nil)

// leastConns is how many connections the pool has at least. An append waits for one while a Commit
// that has one waits for the append.
const leastConns = 8

// Open opens a store, and brings its tables to the newest schema.
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if o.Schema == "" {
		o.Schema = "chertd"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{o.Schema}.Sanitize()
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	owner := rand.Text()
	config.ConnConfig.RuntimeParams["application_name"] = application(owner)
	// A plan that is kept for later calls would be one for tables that were still small.
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	// A query that is compiled takes a tenth of a second or more, whatever it reads.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	config.MaxConns = max(config.MaxConns, leastConns)
	setNetwork(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{pool: pool, owner: owner, now: o.Now, closed: make(chan struct{}), people: newPeople(config)}
	s.members.times, s.members.changed = o.Lease.orDefault(), make(chan struct{})
	s.commits.transactions, s.commits.ended.L = -1, &s.commits.mu
	if err := s.migrate(ctx, o.Schema); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.openJournal(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Close implements store.Store. It waits for what has begun.
func (s *Store) Close() error {
	err := error(store.ErrClosed)
	s.once.Do(func() {
		s.commits.stop()
		s.leave()
		close(s.closed)
		s.closeJournal()
		s.pool.Close()
		err = nil
	})
	return err
}
