package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const documentsIndex = "../../docs/README.md"

// Every document is in the index, once and with what it is about, and the index names no
// other files.
func TestIndexListsEachDocument(t *testing.T) {
	t.Parallel()
	entry := regexp.MustCompile(`^- \[[^\]]+\]\(([^)#]+)\): \S.*\.$`)
	listed := map[string]int{}
	for i, line := range strings.Split(readText(t, documentsIndex), "\n") {
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		m := entry.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("docs/README.md:%d: not of the form `- [Title](file.md): what it is about.`", i+1)
			continue
		}
		listed[m[1]]++
		if _, err := os.Stat(filepath.Join("../../docs", m[1])); err != nil {
			t.Errorf("docs/README.md:%d: there is no docs/%s", i+1, m[1])
		}
	}
	for _, file := range globs(t, "../../docs/*.md") {
		if name := filepath.Base(file); name != "README.md" && listed[name] != 1 {
			t.Errorf("docs/README.md lists %s %d times, want once", name, listed[name])
		}
	}
	if len(listed) < 10 {
		t.Errorf("the index lists %d documents: the test proves nothing", len(listed))
	}
}

// Each term that the concepts link to the glossary is there (TestLinksOfDocumentsResolve),
// and the concepts link enough of them; each diagram is shown in a document.
func TestConceptsLinkTermsAndShowDiagrams(t *testing.T) {
	t.Parallel()
	text := readText(t, "../../docs/concepts.md")
	terms := regexp.MustCompile(`\(glossary\.md#([a-z_-]+)\)`).FindAllStringSubmatch(text, -1)
	if len(terms) < 25 {
		t.Errorf("docs/concepts.md links %d terms to the glossary", len(terms))
	}
	diagrams := globs(t, "../../docs/diagrams/*.svg")
	if len(diagrams) < 5 {
		t.Errorf("there are %d diagrams: the test proves nothing", len(diagrams))
	}
	for _, file := range diagrams {
		if !slices.ContainsFunc(documents(t), func(doc string) bool {
			return strings.Contains(readText(t, doc), "](diagrams/"+filepath.Base(file)+")")
		}) {
			t.Errorf("no document shows docs/diagrams/%s", filepath.Base(file))
		}
	}
}

// TestPicturesOfDocumentsExist checks pictures that are shown by HTML, which
// TestLinksOfDocumentsResolve does not see, and that each has a text for who can't see it.
func TestPicturesOfDocumentsExist(t *testing.T) {
	t.Parallel()
	pictures := 0
	for _, doc := range documents(t) {
		text := readText(t, doc)
		for _, m := range regexp.MustCompile(`\bsrc(?:set)?="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			pictures++
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s shows %s, which does not exist", doc, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`<img\b[^>]*>`).FindAllString(text, -1) {
			if !regexp.MustCompile(`\balt="[^"]{20,}"`).MatchString(m) {
				t.Errorf("%s: %s has no text that says what it shows", doc, m)
			}
		}
		if regexp.MustCompile(`!\[\]\(`).MatchString(text) {
			t.Errorf("%s shows a picture without a text that says what it shows", doc)
		}
	}
	if pictures < 2 {
		t.Errorf("%d pictures are shown: the test proves nothing", pictures)
	}
}
