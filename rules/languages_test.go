package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"chertd/engine/event"
)

// languageCase is a condition of testdata/languages.yaml.
type languageCase struct {
	language string
	key      string
	values   []string
	in, not  []string
}

func languageCases(t *testing.T) []languageCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "languages.yaml"))
	must(t, err)
	type oneOrMore = yaml.Node
	var file map[string][]map[string]oneOrMore
	must(t, yaml.Unmarshal(b, &file))
	var all []languageCase
	for language, conditions := range file {
		for _, c := range conditions {
			one := languageCase{language: language}
			for key, node := range c {
				var list []string
				if node.Kind == yaml.ScalarNode {
					list = []string{node.Value}
				} else {
					must(t, node.Decode(&list))
				}
				switch key {
				case "in":
					one.in = list
				case "not":
					one.not = list
				case "text", "words", "matches":
					one.key, one.values = key, list
				default:
					t.Fatalf("%s: unknown key %q", language, key)
				}
			}
			if one.key == "" || len(one.in) == 0 || len(one.not) == 0 {
				t.Fatalf("%s: a case lacks its condition, in or not: %v", language, c)
			}
			all = append(all, one)
		}
	}
	return all
}

// Each condition is the where of a rule, with all the others in one set, so that
// the index finds it too, and a handler finds the same by the functions it has.
func TestLanguages(t *testing.T) {
	t.Parallel()
	cases := languageCases(t)
	covered := map[string]map[string]bool{"text": {}, "words": {}, "matches": {}}
	var source strings.Builder
	for i, c := range cases {
		covered[c.key][c.language] = true
		quoted := make([]string, len(c.values))
		for j, v := range c.values {
			quoted[j] = luaQuote(v)
		}
		list := "{ " + strings.Join(quoted, ", ") + " }"
		fmt.Fprintf(&source, "chert.rule({ name = \"w%d\", on = \"message.received\", where = { %s = %s }, run = function(ev) end })\n", i, c.key, list)
		looks := map[string]string{
			"text":    "chert.normalize(ev.text):find(chert.normalize(v), 1, true)",
			"matches": "re.match(v, ev.text)",
		}[c.key]
		if looks != "" {
			fmt.Fprintf(&source, "chert.rule({ name = \"f%d\", on = \"message.received\", run = function(ev) for _, v in ipairs(%s) do if %s then log.info(\"found\") end end end })\n", i, list, looks)
		}
	}
	for key, languages := range covered {
		if len(languages) < 12 {
			t.Errorf("%s has cases in %d languages, want at least 12", key, len(languages))
		}
	}
	set := mustLoad(t, Options{}, map[string]string{"all.lua": source.String()})
	finds := func(name, text string) bool {
		for _, o := range set.Run(0, Input{Event: message(text), Now: noon}).Outcomes {
			if o.Rule == name {
				if o.Failure != nil {
					t.Fatalf("%s on %q: %v", name, text, o.Failure)
				}
				return name[0] == 'w' || len(o.Logs) > 0
			}
		}
		return false
	}
	for i, c := range cases {
		for want, texts := range map[bool][]string{true: c.in, false: c.not} {
			for _, text := range texts {
				if got := finds(fmt.Sprintf("w%d", i), text); got != want {
					t.Errorf("%s: where %s = %q on %q: got %t, want %t", c.language, c.key, c.values, text, got, want)
				}
				if c.key == "words" {
					continue
				}
				if got := finds(fmt.Sprintf("f%d", i), text); got != want {
					t.Errorf("%s: a handler that looks for %s %q in %q: got %t, want %t", c.language, c.key, c.values, text, got, want)
				}
			}
		}
	}
}

// luaQuote writes a string as Lua reads it.
func luaQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		fmt.Fprintf(&b, "\\%03d", s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// Whatever stands around it, text finds what the message contains, and words
// finds what stands between spaces, both in where and through the index.
func TestTextFindsWhatAMessageContains(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		checkContains(rt, rapid.String().Draw(rt, "before"), rapid.String().Draw(rt, "text"), rapid.String().Draw(rt, "after"))
	})
}

func FuzzTextFindsWhatAMessageContains(f *testing.F) {
	f.Add("x", "İ", "y")
	f.Add("", "ß\u0307", "i\u0307")
	f.Add("ﷺ", "e\u200b\u0301", "가")
	f.Add("a", "ıI\u0323\u0307", "b")
	f.Add("", "ເ", "")
	f.Fuzz(func(t *testing.T, before, text, after string) { checkContains(t, before, text, after) })
}

func checkContains(t interface {
	Helper()
	Fatalf(string, ...any)
}, before, text, after string) {
	t.Helper()
	if !utf8.ValidString(before) || !utf8.ValidString(text) || !utf8.ValidString(after) || len(before+text+after) > 1000 {
		return
	}
	if strings.TrimSpace(event.Fold(text)) == "" {
		return
	}
	where := func(key string) (*clause, *Rule) {
		c, problems := compileWhere(map[string]any{key: text}, "")
		if slices.ContainsFunc(problems, func(p *problem) bool { return !p.warning }) {
			t.Fatalf("where %s = %q: %s", key, text, problemText(problems))
		}
		return c, &Rule{Pack: "p", Types: []string{event.MessageReceived}, where: c, ways: accessesOf(c)}
	}
	holds := func(key, in string) bool {
		c, r := where(key)
		p := &probe{}
		p.reset(message(in))
		found := len(newIndex([]*Rule{r}).candidates(p)) == 1
		if c.holds(p) && !found {
			t.Fatalf("where %s = %q holds for %q, and the index does not find it", key, text, in)
		}
		return c.holds(p)
	}
	// What stands beside it can make a letter of both: "e" is not in "é".
	if apart(before, text) && apart(text, after) && !holds("text", before+text+after) {
		t.Fatalf("text = %q does not find itself in %q", text, before+text+after)
	}
	for _, in := range []string{text, "x " + text + " y", "… " + text + " …"} {
		if apart(" ", text) && !holds("words", in) {
			t.Fatalf("words = %q does not find itself in %q", text, in)
		}
	}
}

// apart reports whether normalizing two texts together is normalizing each.
func apart(a, b string) bool {
	visible := func(s string) string {
		return strings.Map(func(r rune) rune {
			if event.Fold(string(r)) == "" {
				return -1
			}
			return r
		}, s)
	}
	b = norm.NFKC.String(visible(b))
	return b == "" || norm.NFKC.PropertiesString(b).BoundaryBefore()
}
