package sqlite

import (
	"database/sql/driver"
	"regexp"
	"strings"
	"testing"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
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

// TestExamplesInTheSchemaWork: a person who copies a query from what .schema shows gets rows, also of what the
// views make of JSON.
func TestExamplesInTheSchemaWork(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	if _, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "CHAT")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), []turn.Transition{{
		Decision: &turn.Decision{Seq: 1, At: noon},
		Actions:  []chat.Action{{ID: chat.ActionID{Seq: 1}, Kind: chat.Read, Chat: "CHAT", Status: chat.Dead, Why: "refused", Pack: "vip", Rule: "r", Error: "an error", Requested: noon}},
		Attempts: []chat.Attempt{{Action: chat.ActionID{Seq: 1}, CallOf: chat.ActionID{Seq: 1}, N: 1, At: noon, HTTP: 404, Code: 2002, TraceID: "t1", Error: "an error"}},
		Chat: &chat.Chat{ID: "CHAT", Newest: 1, Hold: chat.Hold{Until: noon, By: "operator", Reason: "asked"},
			Postponed: []chat.Postponement{{Seq: 1, Until: noon, Pack: "vip", Rule: "r", Reason: "later"}}},
		Missed: []turn.Missed{{Pack: "vip", Seq: 1, Key: "CHAT", At: noon, Why: "failed"}},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := func(sql string) (all [][]driver.Value) {
		err := s.read(t.Context(), "run an example", func(c *conn) error {
			return c.query(t.Context(), &statement{sql: sql}, func(row []driver.Value) error {
				all = append(all, append([]driver.Value(nil), row...))
				return nil
			})
		})
		if err != nil {
			t.Errorf("%v in:\n%s", err, sql)
		}
		return all
	}
	comments := regexp.MustCompile(`(?m)^ *-- +SELECT [^;]*;`)
	found := 0
	for _, row := range rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL") {
		for _, example := range comments.FindAllString(stringOf(row[0]), -1) {
			found++
			example = strings.ReplaceAll(example, "--", "  ")
			got := rows(example)
			if len(got) != 1 {
				t.Errorf("%d rows, want 1, of:\n%s", len(got), example)
				continue
			}
			for i, v := range got[0] {
				if v == nil && !strings.Contains(example, "datetime(received_at") { // no clock has set it here
					t.Errorf("column %d is NULL of:\n%s", i, example)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("%d examples were found, want 4 at least", found)
	}
	got := rows(`SELECT id, last_seq, hold_by, hold_reason, json_array_length(postponed), postponed_until FROM chat_details`)
	if len(got) != 1 || got[0][0] != "CHAT" || got[0][1] != int64(1) || got[0][2] != "operator" || got[0][3] != "asked" || got[0][4] != int64(1) || got[0][5] != noon.UnixMicro() {
		t.Errorf("chat_details: %v", got)
	}
}
