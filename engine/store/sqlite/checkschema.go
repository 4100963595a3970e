package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Places of faults of the schema.
const (
	inTables  = "tables" // or views. chertd does not start without them
	inIndexes = "indexes"
	inTrigger = "triggers"
)

// notCompared is why the content was not checked.
const notCompared = "the content of the tables was not checked, as the tables are not those of chertd"

const fixSchema = "stop chertd and restore a backup: chertd store restore BACKUP"

var selectSchema = onlyChecked(`SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)

// objectName names a table, an index, a view or a trigger.
type objectName struct{ kind, name string }

// compareSchema compares tables, indexes, views and triggers with those of a new database of the
// same version, and reports whether they are the same. What somebody has added is not a
// fault, but for a trigger, which changes what chertd writes.
func (k *checking) compareSchema(ctx context.Context) (same bool, err error) {
	fresh, err := connectURI(ctx, uri("/schema", url.Values{"mode": {"memory"}}))
	if err != nil {
		return false, err
	}
	defer fresh.close()
	if err := migrate(ctx, fresh, k.path, migrations[:k.schema]); err != nil {
		return false, fmt.Errorf("make the tables of schema %d: %w", k.schema, err)
	}
	want, err := schemaOf(ctx, fresh)
	if err != nil {
		return false, err
	}
	got, err := schemaOf(ctx, k.conn)
	if err != nil {
		return false, err
	}
	missing, differs := map[string]*flaws{}, map[string]*flaws{}
	note := func(faults map[string]*flaws, o objectName) {
		where := inTables
		switch o.kind {
		case "index":
			where = inIndexes
		case "trigger":
			where = inTrigger
		}
		if faults[where] == nil {
			faults[where] = &flaws{}
		}
		faults[where].add("%s %s", o.kind, o.name)
	}
	for _, o := range sortedObjects(want) {
		switch sql, there := got[o]; {
		case !there:
			note(missing, o)
		case sql != want[o]:
			note(differs, o)
		}
	}
	for _, o := range sortedObjects(got) {
		if _, known := want[o]; !known && o.kind == "trigger" {
			note(differs, o)
		}
	}
	for _, where := range []string{inTables, inIndexes, inTrigger} {
		if f := missing[where]; f != nil {
			k.found(f, where, "are missing", fixSchema)
		}
		if f := differs[where]; f != nil {
			k.found(f, where, "are not those of chertd", fixSchema)
		}
	}
	if len(missing)+len(differs) > 0 || !k.current() {
		return len(missing)+len(differs) == 0, nil
	}
	err = checkTables(k.conn) // as a start does
	if tables, ok := errors.AsType[*tablesError](err); ok {
		k.report.Findings = append(k.report.Findings, Finding{inTables, tables.Error(), fixSchema})
		return false, nil
	}
	return true, err
}

// schemaOf returns the SQL of what a database consists of, without comments, which change
// from version to version.
func schemaOf(ctx context.Context, c *conn) (map[objectName]string, error) {
	objects := map[objectName]string{}
	err := c.query(ctx, selectSchema, func(row []driver.Value) error {
		objects[objectName{stringOf(row[0]), stringOf(row[1])}] = withoutComments(stringOf(row[2]))
		return nil
	})
	return objects, err
}

// sqlParts are a string or a quoted name, a comment, and white space.
var sqlParts = regexp.MustCompile(`'[^']*'|"[^"]*"|--[^\n]*|(?s:/\*.*?\*/)|\s+`)

// withoutComments removes comments and white space from SQL.
func withoutComments(sql string) string {
	return sqlParts.ReplaceAllStringFunc(sql, func(part string) string {
		if strings.HasPrefix(part, "'") || strings.HasPrefix(part, `"`) {
			return part
		}
		return ""
	})
}

func sortedObjects(objects map[objectName]string) []objectName {
	return slices.SortedFunc(maps.Keys(objects), func(a, b objectName) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
}
