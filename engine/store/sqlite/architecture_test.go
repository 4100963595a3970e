package sqlite

import (
	"database/sql/driver"
	"encoding/xml"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	readRelations = declareCostly("the schema has some fifty rows", "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name")
	readColumns   = declareCostly("a table has some twenty columns", "SELECT name FROM pragma_table_info(?)")
	tableRow      = regexp.MustCompile("(?m)^\\| ((?:`\\w+`(?:, )?)+) \\| [^|]+ \\| ((?:`\\w+` ?)+) \\|$")
	quotedName    = regexp.MustCompile("`(\\w+)`")
	shownQuery    = regexp.MustCompile(`(?m)^sqlite3 data/chertd\.db "(.*)"$`)
)

// relations returns the tables and views of a new store, and their columns.
func relations(t *testing.T) (c *conn, columns map[string][]string) {
	t.Helper()
	c, err := connectWriter(t.Context(), t.TempDir()+"/chertd.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	if err := migrate(t.Context(), c, "chertd.db", migrations); err != nil {
		t.Fatal(err)
	}
	list := func(s *statement, args ...driver.Value) (names []string) {
		if err := c.query(t.Context(), s, func(row []driver.Value) error {
			names = append(names, fmt.Sprint(row[0]))
			return nil
		}, args...); err != nil {
			t.Fatal(err)
		}
		return names
	}
	columns = map[string][]string{}
	for _, name := range list(readRelations) {
		columns[name] = list(readColumns, name)
	}
	return c, columns
}

// TestArchitectureListsTheTables: docs/architecture.md has each table and view of the store, only
// columns that there are, and queries that work.
func TestArchitectureListsTheTables(t *testing.T) {
	t.Parallel()
	c, there := relations(t)
	text, err := os.ReadFile("../../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "\n## The store\n")
	page, _, _ = strings.Cut(page, "\n## ")
	listed := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(page, -1) {
		var columns []string
		for _, name := range quotedName.FindAllStringSubmatch(row[1], -1) {
			listed[name[1]] = true
			if there[name[1]] == nil {
				t.Errorf("there is no table or view %s", name[1])
			}
			columns = append(columns, there[name[1]]...)
		}
		for _, column := range quotedName.FindAllStringSubmatch(row[2], -1) {
			if !slices.Contains(columns, column[1]) {
				t.Errorf("%s has no column %s", row[1], column[1])
			}
		}
	}
	for name := range there {
		if !listed[name] {
			t.Errorf("docs/architecture.md does not list %s", name)
		}
	}
	queries := shownQuery.FindAllStringSubmatch(page, -1)
	for _, q := range queries {
		s, err := c.c.Prepare(q[1])
		if err != nil {
			t.Errorf("%s: %v", q[1], err)
			continue
		}
		s.Close()
	}
	if len(queries) < 3 || len(listed) < 30 {
		t.Errorf("%d queries and %d tables are compared: the test proves nothing", len(queries), len(listed))
	}
}

// TestDiagramOfEventsNamesTables: what docs/diagrams/event.svg says where things are kept are
// tables of the store.
func TestDiagramOfEventsNamesTables(t *testing.T) {
	t.Parallel()
	_, there := relations(t)
	text, err := os.ReadFile("../../../docs/diagrams/event.svg")
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Texts []struct {
			Class string `xml:"class,attr"`
			Text  string `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.Unmarshal(text, &svg); err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, line := range svg.Texts {
		if line.Class != "code kept" {
			continue
		}
		for name := range strings.FieldsSeq(line.Text) {
			if named++; there[name] == nil {
				t.Errorf("event.svg has %s, and there is no such table", name)
			}
		}
	}
	if named < 15 {
		t.Errorf("%d tables are compared: the test proves nothing", named)
	}
}
