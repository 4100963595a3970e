package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]*)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

// TestLinksOfDocumentsResolve checks that each link of the README, the documents and
// the examples leads to a file that exists, and to a heading of it.
func TestLinksOfDocumentsResolve(t *testing.T) {
	t.Parallel()
	links := 0
	for _, doc := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(prose(readText(t, doc)), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			links++
			file := doc
			if path != "" {
				file = filepath.Join(filepath.Dir(doc), path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads to no file", doc, m[1])
			} else if anchor != "" && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: the link %s leads to no heading", doc, m[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("%d links are read: the test proves nothing", links)
	}
}

// anchors returns the names by which links reach the headings of a document, as GitHub
// makes them.
func anchors(t *testing.T, doc string) (list []string) {
	t.Helper()
	var b strings.Builder
	code := false
	for line := range strings.Lines(readText(t, doc)) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if !code {
			b.WriteString(line)
		}
	}
	for _, m := range heading.FindAllStringSubmatch(b.String(), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}_\- ]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

// TestGlossaryExplainsEachStatus checks that each status of an action has an entry, and
// that the entries are in alphabetical order.
func TestGlossaryExplainsEachStatus(t *testing.T) {
	t.Parallel()
	var terms []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(readText(t, "../../docs/glossary.md"), -1) {
		terms = append(terms, m[1])
	}
	if !slices.IsSorted(terms) {
		t.Errorf("the terms are not in alphabetical order: %q", terms)
	}
	_, table, _ := strings.Cut(readText(t, "../../docs/outcomes.md"), "\n## Status\n")
	table, _, _ = strings.Cut(table, "\n## ")
	statuses := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1)
	if len(statuses) < 5 {
		t.Fatalf("docs/outcomes.md has %d statuses: the test proves nothing", len(statuses))
	}
	for _, m := range statuses {
		if !slices.Contains(terms, m[1]) {
			t.Errorf("docs/glossary.md does not explain the status %s", m[1])
		}
	}
}
