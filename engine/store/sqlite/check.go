package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// CheckOptions are options of Check.
type CheckOptions struct {
	// Quick leaves out what takes longest: that indexes agree with their tables, and the
	// content of decisions and chats.
	Quick bool
}

// CheckReport is the result of a check.
type CheckReport struct {
	Path   string    `json:"path"`
	Schema int       `json:"schema"`          // its version
	Events int64     `json:"events"`          // in the journal; like what follows, 0 if Schema is older than this program's
	Chats  int64     `json:"chats"`           //
	Newest time.Time `json:"newest,omitzero"` // when the newest event was received
	// Partly is why not everything was checked; "": it was.
	Partly   string    `json:"partly,omitempty"`
	Findings []Finding `json:"findings"` // empty: the store is sound
}

// Finding is a fault of a store.
type Finding struct {
	Where string `json:"where"` // pages, or a table
	What  string `json:"what"`  // is wrong, and what follows from it
	Fix   string `json:"fix"`
}

// notRead is why only the pages were checked.
const notRead = "the content of the tables was not checked, as the database is damaged"

const (
	inPages = "pages" // a fault that SQLite found
	inWAL   = "wal"   // one that SQLite does not report
)

const (
	// shownFaults is how many faults of a kind are named; the others are counted.
	shownFaults = 5
	// shownDamage is how many lines of SQLite's integrity check are shown. The first ones
	// tell how bad it is.
	shownDamage = 20
)

// checking is a check that is being made.
type checking struct {
	*outside
	report CheckReport
	quick  bool
	totals totals
}

// totals are what the rows of decisions add up to.
type totals struct {
	actions map[string]int64 // by status
	open    int64            // actions that must be in open_actions
	rules   ruleTally
}

// onlyChecked is SQL that a check runs, and the daemon never: it may read whole tables.
func onlyChecked(sql string) *statement {
	return &statement{sql: sql, costly: "reads a table, when an operator checks a store"}
}

var integrityCheck = onlyChecked(fmt.Sprintf("PRAGMA integrity_check(%d)", shownDamage))

// Check checks the store at path, whether a daemon has it open or not, and changes nothing:
// the pages and indexes, as SQLite does, and then whether what chertd keeps in the tables
// agrees. An error is that of a file that can't be opened, or is not a store.
func Check(ctx context.Context, path string, o CheckOptions) (CheckReport, error) {
	s, err := openOutside(ctx, path)
	if sqliteCode(err) == sqlite3.SQLITE_CORRUPT {
		return CheckReport{Path: path, Partly: notRead, Findings: []Finding{damage(err.Error())}}, nil
	}
	if err != nil {
		return CheckReport{}, err
	}
	defer s.close()
	k := &checking{outside: s, quick: o.Quick, totals: totals{actions: map[string]int64{}}}
	k.report = CheckReport{Path: s.path, Schema: s.schema, Findings: []Finding{}}
	err = k.run(ctx)
	if damaged(err) {
		if len(k.report.Findings) == 0 {
			text, _, _ := strings.Cut(err.Error(), "\n") // the rest repeats it
			k.report.Findings = append(k.report.Findings, damage(text))
		}
		k.report.Partly = notRead
		err = nil
	}
	if err != nil {
		return CheckReport{}, openError(s.path, fmt.Errorf("check store %s: %w", s.path, err))
	}
	return k.report, nil
}

func (k *checking) run(ctx context.Context) error {
	if err := k.pages(ctx); err != nil {
		return err
	}
	if len(k.report.Findings) > 0 {
		k.report.Partly = notRead
		return nil
	}
	same, err := k.compareSchema(ctx)
	switch {
	case err != nil:
		return err
	case !same:
		k.report.Partly = notCompared
		return nil
	case !k.current():
		k.report.Partly = fmt.Sprintf("the content of the tables was not checked: they are of schema %d, and the next start of chertd brings them to %d", k.schema, len(migrations))
		return nil
	case k.quick:
		k.report.Partly = "indexes, decisions and chats were not compared (--quick)"
	}
	sum, err := k.summary(ctx)
	if err != nil {
		return err
	}
	k.report.Events, k.report.Chats, k.report.Newest = sum.Events, sum.Chats, sum.Newest
	if err := k.wal(); err != nil {
		return err
	}
	for i := range tableChecks {
		if err := k.table(ctx, &tableChecks[i]); err != nil {
			return err
		}
	}
	if err := k.versions(ctx); err != nil {
		return err
	}
	if err := k.waiting(ctx); err != nil || k.quick {
		return err
	}
	if err := k.decisions(ctx); err != nil {
		return err
	}
	if err := k.rules(ctx); err != nil {
		return err
	}
	if err := k.chats(ctx); err != nil {
		return err
	}
	return k.counts(ctx)
}

// pages has SQLite check the database.
func (k *checking) pages(ctx context.Context) error {
	what := integrityCheck
	if k.quick {
		what = quickCheck // the first damage is enough
	}
	return k.query(ctx, what, func(row []driver.Value) error {
		for line := range strings.SplitSeq(stringOf(row[0]), "\n") {
			if line != "ok" && line != "*** in database main ***" {
				k.report.Findings = append(k.report.Findings, damage(line))
			}
		}
		return nil
	})
}

// wal looks for transactions in the WAL that SQLite does not use.
func (k *checking) wal() error {
	n, err := unusedFrames(k.path)
	if err != nil || n == 0 {
		return err
	}
	since := ""
	if !k.report.Newest.IsZero() {
		since = " since " + k.report.Newest.UTC().Format(time.RFC3339)
	}
	k.report.Findings = append(k.report.Findings, Finding{
		Where: inWAL, What: fmt.Sprintf("%d frames after a damaged one can't be used: events%s may be missing", n, since),
		Fix: "copy the store's files away, then start chertd: it reads what is missing from Chert's events log (sources.catchup). After a power loss the frames may be of transactions that were not acknowledged",
	})
	return nil
}

// damage is a fault that SQLite found.
func damage(text string) Finding {
	return Finding{Where: inPages, What: text, Fix: "stop chertd and restore a backup: chertd store restore BACKUP"}
}

// found adds a finding if there are faults; each is an example of one, such as "event 5".
func (k *checking) found(f *flaws, where, what, fix string) {
	if f.n == 0 {
		return
	}
	list := strings.Join(f.first, ", ")
	if more := f.n - int64(len(f.first)); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	k.report.Findings = append(k.report.Findings, Finding{Where: where, What: what + ": " + list, Fix: fix})
}

// flaws counts faults of a kind.
type flaws struct {
	n     int64
	first []string
}

func (f *flaws) add(format string, args ...any) {
	if f.n++; len(f.first) < shownFaults {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}
