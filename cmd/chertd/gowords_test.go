package main

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// plainGo is what comments, strings and names of Go code avoid, with what to write
// instead. plainEnglish has the words that texts for users avoid.
var plainGo = []struct {
	word    string // stands for the phrases in privateWords
	avoid   string // phrases, separated by |
	instead string
}{
	{"mend", "mend|mends|mended|mending", "fix, repair"},
	{"anew", "anew", "again"},
	{"wish", "wish|wishes|wished", "request, action"},
	{"reckon", "reckon|reckons|reckoned|reckoning", "calculate, count"},
	{"go on", "go on|goes on|going on|gone on|went on", "continue"},
	{"by itself", "by itself|by themselves|in itself|in themselves|of itself|of themselves", "automatically, separately"},
	{"come of", "come of|comes of|came of|coming of", "result, outcome"},
	{"have back", "have back|has back|had back|having back|had it back|had them back", "restore"},
	{"so long", "so long", "as long as"},
	{"for good", "for good", "permanently, forever"},
	{"at once", "at once", "immediately, or at the same time"},
	{"is no", "is no|are no|was no|were no", "is not a …"},
	{"aside", "set aside|sets aside|setting aside|put aside|is aside|are aside|was aside|were aside|be aside", "suspended, apart from"},
	{"slip", "slip|slips|slip of the pen", "typo"},
	{"so it is", "and so it is|and so it was|so it is here|so it is there", "state the fact"},
	{"as ever", "as ever", "as before, unchanged"},
	{"whoever says", "whoever says|whoever said|whoever asks|whoever asked", "name the actor"},
	{"nobody knows", "nobody knows|nobody knew", "unknown"},
	{"told", "told|untold", "name who logs, reports or notifies"},
	{"says so", "says so|say so|said so", "name what it contains"},
	{"word of", "the word of|no word of|a word of|its word of|last word", "setting, report, decision"},
}

// plainUsual are phrases with such words that are good English all the same.
var plainUsual = []string{
	"there is no", "there are no", "there was no", "there were no",
	"is no longer", "are no longer", "was no longer", "were no longer",
	"is no more", "are no more", "is no less", "is no later", "is no earlier",
	"is no larger", "is no smaller", "is no faster", "is no slower",
}

// privateWords are the words that remain, with their number by package. It only gets
// shorter: a package that is not in it stays free of them.
var privateWords = map[string]map[string]int{
	"engine/store/sqlite": {"aside": 1, "by itself": 1, "wish": 4}, // old words that a test looks for, and rows of an old schema
	"luabind":             {"told": 2},                             // in programs whose answers are recorded by their hash
}

// TestGoCodeIsPlainEnglish holds the comments, strings and names of all Go files to the
// words that engineers use.
func TestGoCodeIsPlainEnglish(t *testing.T) {
	t.Parallel()
	counts := map[string]map[string]int{}
	for file, words := range goWords(t, "../..") {
		pkg := filepath.ToSlash(filepath.Dir(file))
		for _, found := range avoided(words) {
			if counts[pkg] == nil {
				counts[pkg] = map[string]int{}
			}
			counts[pkg][found.word]++
			if privateWords[pkg][found.word] == 0 {
				t.Errorf("%s: %q: instead of %q write: %s", file, found.around, found.word, found.instead)
			}
		}
	}
	for pkg, words := range privateWords {
		for word, allowed := range words {
			if n := counts[pkg][word]; n > allowed {
				t.Errorf("%s has %q %d times, and %d are allowed: write it in plain English", pkg, word, n, allowed)
			} else if n < allowed {
				t.Logf("%s has %q %d times: lower the %d of privateWords", pkg, word, n, allowed)
			}
		}
	}
}

// TestAvoidedPhrasesAreFound shows what counts as such a phrase.
func TestAvoidedPhrasesAreFound(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		"// It goes\n// on.":                      1,
		"// Where it goes, on which day":          0,
		"func goesOn() { goesOn() }":              1,
		"x := \"the file is no socket\"":          1,
		"// There is no socket; it is no longer.": 0,
		"// told, tells":                          1,
	} {
		if got := avoided(wordsOf([]byte("package p\n" + source))); len(got) != want {
			t.Errorf("%q has %d phrases to avoid, want %d: %v", source, len(got), want, got)
		}
	}
}

// avoidedPhrase is a phrase of plainGo in a text.
type avoidedPhrase struct{ word, around, instead string }

// avoided returns the phrases of plainGo among the words of a text.
func avoided(words []string) (found []avoidedPhrase) {
	for i, word := range words {
		for _, p := range phrases[word] {
			if !hasAt(words, i, p.words) || slices.ContainsFunc(usualPhrases, func(u []string) bool {
				return hasAt(words, i, u) || i > 0 && hasAt(words, i-1, u)
			}) {
				continue
			}
			around := strings.Join(words[max(0, i-8):min(len(words), i+10)], " ")
			found = append(found, avoidedPhrase{p.word, around, p.instead})
			break
		}
	}
	return found
}

// hasAt reports whether words has a phrase at an index.
func hasAt(words []string, i int, phrase []string) bool {
	return i+len(phrase) <= len(words) && slices.Equal(words[i:i+len(phrase)], phrase)
}

// phrases are the phrases of plainGo by their first words.
var phrases = func() map[string][]avoidPhrase {
	all := map[string][]avoidPhrase{}
	for _, rule := range plainGo {
		for phrase := range strings.SplitSeq(rule.avoid, "|") {
			words := strings.Fields(phrase)
			all[words[0]] = append(all[words[0]], avoidPhrase{words, rule.word, rule.instead})
		}
	}
	return all
}()

type avoidPhrase struct {
	words         []string
	word, instead string
}

// usualPhrases are the words of plainUsual.
var usualPhrases = func() (all [][]string) {
	for _, phrase := range plainUsual {
		all = append(all, strings.Fields(phrase))
	}
	return all
}()

// goWords returns the words of the Go files below a folder, by file.
func goWords(t *testing.T, root string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		// These files quote the words to avoid.
		if !strings.HasSuffix(name, ".go") || slices.Contains([]string{"words_test.go", "gowords_test.go"}, d.Name()) {
			return nil
		}
		file, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(name)
		all[file] = wordsOf(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 300 {
		t.Fatalf("%d files are read: the test proves nothing", len(all))
	}
	return all
}

// wordsOf returns the words of the comments, strings and distinct names of a Go file, in
// lower case, with "|" for the ends of sentences, strings and names.
func wordsOf(source []byte) (words []string) {
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile("", files.Base(), len(source)), source, nil, scanner.ScanComments)
	seen := map[string]bool{}
	for {
		_, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return words
		case tok == token.COMMENT:
			words = appendWords(words, lit)
		case tok == token.STRING:
			words = append(appendWords(append(words, "|"), lit), "|")
		case tok == token.IDENT && !seen[lit]:
			seen[lit] = true
			words = append(appendWords(append(words, "|"), lit), "|")
		}
	}
}

// appendWords appends the words of a text. A new word also begins at a capital letter
// within a name of several words.
func appendWords(words []string, text string) []string {
	start, last := -1, rune(0)
	end := func(i int) {
		if start >= 0 {
			words = append(words, strings.ToLower(text[start:i]))
			start = -1
		}
	}
	for i, r := range text {
		if unicode.IsUpper(r) && (unicode.IsLower(last) || i+1 < len(text) && text[i+1] >= 'a' && text[i+1] <= 'z') {
			end(i)
		}
		switch {
		case unicode.IsLetter(r):
			if start < 0 {
				start = i
			}
		default:
			end(i)
			if strings.ContainsRune(".,;:()|\"`", r) {
				words = append(words, "|")
			}
		}
		last = r
	}
	end(len(text))
	return words
}
