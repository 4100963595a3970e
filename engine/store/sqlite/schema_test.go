package sqlite

import (
	"regexp"
	"strings"
	"testing"
)

var readSchema = declareCostly("the schema has some twenty rows", "SELECT group_concat(sql, char(10)) FROM sqlite_schema WHERE type = 'table'")

// What .schema of the sqlite3 shell shows of a new store uses today's words, and has a
// comment beside each column that a later version added.
func TestSchemaDescribesItself(t *testing.T) {
	t.Parallel()
	c, err := connectWriter(t.Context(), t.TempDir()+"/chertd.db")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := migrate(t.Context(), c, "chertd.db", migrations); err != nil {
		t.Fatal(err)
	}
	v, err := c.one(t.Context(), readSchema)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := v.(string)
	if !strings.Contains(text, "CREATE TABLE decisions") {
		t.Fatalf("no schema: %v", v)
	}
	for _, old := range []string{"withheld", "overtaken", "set aside", "nothing new", "wish", "asked for", "by itself", "so many", "is there"} {
		if strings.Contains(text, old) {
			t.Errorf("the schema has the old word %q:\n%s", old, text)
		}
	}
	added := regexp.MustCompile(`ADD COLUMN (\w+)`)
	for _, script := range migrations {
		for _, m := range added.FindAllStringSubmatch(script, -1) {
			if !regexp.MustCompile(`(?m)^ +(ADD COLUMN )?` + m[1] + ` |, ` + m[1] + ` [A-Z]`).MatchString(text) {
				continue // a later version dropped it
			}
			// Where a later version made the table again, the comment is the line's end.
			if !regexp.MustCompile(`\b` + m[1] + ` +\w+([^,\n]*?/\*|[^\n]* -- )`).MatchString(text) {
				t.Errorf("the schema does not say what %s is for:\n%s", m[1], text)
			}
		}
	}
	// SQLite puts added columns behind the last one's definition, before the comma.
	for _, last := range []string{"chats"} {
		if !regexp.MustCompile(`\b` + last + ` +TEXT +/\*`).MatchString(text) {
			t.Errorf("the comment of %s stands elsewhere:\n%s", last, text)
		}
	}
}
