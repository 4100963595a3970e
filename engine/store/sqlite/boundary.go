package sqlite

import "os"

// Boundaries are the names that Options.Boundary is called with.
const (
	BeforeMigration  = "migration.before"
	AfterMigration   = "migration.after"
	AtStatement      = "statement" // before a statement of a transaction
	BeforeCommit     = "commit.before"
	AfterCommit      = "commit.after" // not synced yet
	BeforeSync       = "sync.before"  // of the WAL
	AfterSync        = "sync.after"
	BeforeCheckpoint = "checkpoint.before"
	BeforeTruncation = "truncation.before" // of the WAL, when the store is closed
)

// boundaries tells a test of the statements that are boundaries. It fails none.
type boundaries func(name string)

// reportBoundaries has the writer's connection and its syncs call Boundary.
func (o *Options) reportBoundaries() {
	if o.Boundary == nil {
		return
	}
	o.faults = boundaries(o.Boundary)
	sync, at := o.sync, o.Boundary
	o.sync = func(f *os.File) error {
		at(BeforeSync)
		defer at(AfterSync)
		return sync(f)
	}
}

func (at boundaries) before(what *statement) error {
	switch what {
	case migration:
		at(BeforeMigration)
	case commit:
		at(BeforeCommit)
	case copyWAL:
		at(BeforeCheckpoint)
	case truncateWAL:
		at(BeforeTruncation)
	default:
		at(AtStatement)
	}
	return nil
}

func (at boundaries) after(what *statement, err error) error {
	switch {
	case err != nil:
	case what == migration:
		at(AfterMigration)
	case what == commit:
		at(AfterCommit)
	}
	return err
}
