package sqlite

import (
	"context"
	"embed"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// application marks the file as ours, in PRAGMA application_id: "chrt".
const application = 0x63687274

//go:embed schema*.sql
var schemas embed.FS

// migrations bring a database from version i to i+1 by the i-th script. The SQL of
// a released script is never changed, only its comments; PRAGMA user_version has
// how many have run.
var migrations = func() (scripts []string) {
	for {
		script, err := schemas.ReadFile(fmt.Sprintf("schema%d.sql", len(scripts)+1))
		if err != nil {
			return scripts // there is no other
		}
		scripts = append(scripts, string(script))
	}
}()

// Library is the version of SQLite that is linked in.
const Library = sqlite3.SQLITE_VERSION

// Schema returns the version of the schema that Open brings a store to. Open takes stores of
// all versions from 1 to this one.
func Schema() int { return len(migrations) }

var (
	readApplication = declare("PRAGMA application_id")
	readVersion     = declare("PRAGMA user_version")
	countTables     = declareCostly("the schema has some twenty rows", "SELECT count(*) FROM sqlite_schema")
)

// NewerError reports that a newer chertd has used the database.
type NewerError struct {
	Path    string
	Version int // of the database
	Known   int // the newest this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("open store %s: its schema is version %d, this chertd knows up to %d", e.Path, e.Version, e.Known)
}

// Hint returns what an operator can do about it.
func (e *NewerError) Hint() string {
	return "a newer chertd has used this store: run that one, or restore a backup made before the upgrade (chertd store restore BACKUP)"
}

// tablesError reports that somebody changed the tables of a store.
type tablesError struct{ Err error }

func (e *tablesError) Error() string { return fmt.Sprintf("its tables were changed: %v", e.Err) }
func (e *tablesError) Unwrap() error { return e.Err }

// checkTables checks that every statement can be run, so that a missing table is
// found now and not by the first event that needs it.
func checkTables(c *conn) error {
	for _, what := range statements {
		s, err := c.c.Prepare(what.sql)
		if err == nil {
			err = s.Close()
		}
		if err != nil && sqliteCode(err) == sqlite3.SQLITE_ERROR {
			return &tablesError{err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// migration stands for a script of migrations where tests watch statements.
var migration = &statement{}

// runMigration runs a script of migrations.
func (c *conn) runMigration(script string) error {
	if c.faults == nil {
		return c.script(script)
	}
	if err := c.faults.before(migration); err != nil {
		return err
	}
	return c.faults.after(migration, c.script(script))
}

// migrate brings the database to the newest version, each script in a
// transaction of its own: after a crash in between, the next start continues.
func migrate(ctx context.Context, c *conn, path string, scripts []string) error {
	app, err := c.one(ctx, readApplication)
	if err != nil {
		return err
	}
	tables, err := c.one(ctx, countTables)
	if err != nil {
		return err
	}
	v, err := c.one(ctx, readVersion)
	if err != nil {
		return err
	}
	version := int(intOf(v))
	if intOf(app) != application && intOf(tables) > 0 {
		return errForeign
	}
	if version > len(scripts) {
		return &NewerError{Path: path, Version: version, Known: len(scripts)}
	}
	for ; version < len(scripts); version++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
			scripts[version], application, version+1)
		if err := c.runMigration(script); err != nil {
			c.script("ROLLBACK")
			return fmt.Errorf("bring its schema from version %d to %d: %w", version, version+1, err)
		}
	}
	return nil
}
