package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docExample is a pack of a document: a block of Lua with the files shown right
// before it, the steps that its comments take, and what they promise.
//
// A comment that is a step, in the words of specs, happens in a world of virtual
// time; what stands behind --> on it, or on the lines that follow, must result from
// it. In the code, --> error: (and --> hint: below) stands where loading or a
// handler fails.
type docExample struct {
	place string // file:line
	pack  string
	files map[string]string // by path in the pack
	lua   string
	// country is rules.country of the chertd.yaml that is shown before it.
	country string
	steps   []docStep
	marks   map[int]*docMark // by line of the code
}

type docStep struct {
	line   int
	code   string // receive("hello")
	expect []string
}

// docMark is an error that a line of the code promises.
type docMark struct {
	message, hint string
	seen          bool
}

func docExamples(t *testing.T, doc string) []*docExample {
	t.Helper()
	var list []*docExample
	files, country := map[string]string{}, ""
	for _, s := range snippets(t, doc) {
		first, _, _ := strings.Cut(s.text, "\n")
		lang, name, _ := strings.Cut(s.lang, " ")
		named := snippetFile.FindStringSubmatch(first)
		switch {
		case lang != "lua" && strings.HasPrefix(name, "data/"):
			files[name] = s.text
		case lang == "yaml" && named != nil && named[1] == "chertd.yaml":
			if m := countryLine.FindStringSubmatch(s.text); m != nil {
				country = m[1]
			}
		case lang == "yaml" && named != nil && named[1] != "chertd.yaml":
			files[named[1]] = s.text
		case lang != "lua":
		case named != nil && strings.HasPrefix(named[1], "lib/"):
			files[named[1]] = s.text
		case named != nil && strings.HasSuffix(named[1], "_spec.lua"):
			if len(list) == 0 {
				t.Fatalf("%s: a spec of no example", s.place)
			}
			list[len(list)-1].files["spec/"+filepath.Base(named[1])] = s.text
		default:
			ex := &docExample{place: s.place, pack: "example", files: files, country: country, lua: s.text, marks: map[int]*docMark{}}
			if named != nil {
				ex.pack = strings.TrimSuffix(filepath.Base(named[1]), ".lua")
			}
			files[ex.pack+".lua"] = s.text
			files, country = map[string]string{}, ""
			ex.parse(t)
			list = append(list, ex)
		}
	}
	return list
}

var (
	// snippetFile is how the first line of a block says which file it is.
	snippetFile = regexp.MustCompile(`^(?:--|#) ((?:rules/|data/|lib/|spec/)?(?:[\w-]+/)?[\w-]+(?:\.yaml|\.lua))\b`)
	stepLine    = regexp.MustCompile(`^-- ((?:receive|fire|signal|advance|clock|fail_next|configure)\(.*?\)|for .*? do .* end)(?: +--> (.*))?$`)
	markLine    = regexp.MustCompile(`--> (error|hint): (.*)$`)
	countryLine = regexp.MustCompile(`(?m)^  country: ([A-Z]{2})$`)
	// noParens are calls that leave out their parentheses.
	noParens = regexp.MustCompile(`^[^-"]*\b(chert\.\w+|kv\.\w+|log\.\w+|re\.\w+|json\.\w+|data\.load|require|print|receive|advance|fire|clock|describe|it) *["{]`)
)

// parse finds the steps and marks, and looks at the form of the code.
func (ex *docExample) parse(t *testing.T) {
	t.Helper()
	var last *docMark
	number := 0
	for line := range strings.Lines(ex.lua) {
		number++
		line = strings.TrimRight(line, "\n")
		if m := stepLine.FindStringSubmatch(line); m != nil {
			ex.steps = append(ex.steps, docStep{line: number, code: m[1]})
			ex.expect(m[2])
			continue
		}
		if m := markLine.FindStringSubmatch(line); m != nil {
			if m[1] == "error" {
				last = &docMark{message: m[2]}
				ex.marks[number] = last
			} else {
				last.hint = m[2]
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "--> "); ok {
			ex.expect(rest)
			continue
		}
		switch indent := len(line) - len(strings.TrimLeft(line, " ")); {
		case strings.Contains(line, "-->"):
			t.Errorf("%s, line %d: is this a step? %s", ex.place, number, line)
		case strings.Contains(line, "\t"), indent%2 != 0, strings.TrimRight(line, " ") != line, len(line) > 100:
			t.Errorf("%s, line %d: not in the form StyLua gives it: %s", ex.place, number, line)
		case noParens.MatchString(line):
			t.Errorf("%s, line %d: a call without parentheses: %s", ex.place, number, line)
		}
	}
	promised := len(ex.marks) > 0
	for _, s := range ex.steps {
		promised = promised || len(s.expect) > 0
	}
	if !promised {
		t.Errorf("%s: the example does not say what it does", ex.place)
	}
	if len(ex.steps) == 0 {
		ex.steps = []docStep{{code: `receive("hello")`}}
	}
}

func (ex *docExample) expect(text string) {
	if s := &ex.steps[len(ex.steps)-1]; text != "" {
		for e := range strings.SplitSeq(text, "; ") {
			s.expect = append(s.expect, strings.TrimSpace(e))
		}
	}
}

// asSpec is the steps as a spec, with what it has words for of what they promise.
func (ex *docExample) asSpec() string {
	var b strings.Builder
	b.WriteString("describe(\"example\", function()\n  it(\"does what it says\", function()\n")
	for _, s := range ex.steps {
		fmt.Fprintf(&b, "    %s\n", s.code)
		for _, e := range s.expect {
			words := strings.Fields(e)
			last, chat := words[len(words)-1], ""
			if len(words) == 3 && words[1] == "is" {
				chat, words = fmt.Sprintf("%q", words[0]), words[2:]
			}
			level, text, _ := strings.Cut(strings.TrimPrefix(e, "logs "), " ")
			switch {
			case len(words) == 1 && (last == "read" || last == "unread" || last == "held" || last == "postponed"):
				fmt.Fprintf(&b, "    assert.is_%s(%s)\n", last, chat)
			case words[0] == "logs" && strings.HasPrefix(words[1], `"`):
				fmt.Fprintf(&b, "    assert.logged(%s, \"info\")\n", strings.TrimPrefix(e, "logs "))
			case words[0] == "logs":
				fmt.Fprintf(&b, "    assert.logged(%s, %q)\n", text, level)
			case e == "fails":
				b.WriteString("    assert.has_failed()\n")
			case words[0] == "call" && last != "fails":
				fmt.Fprintf(&b, "    assert.called(%q)\n", words[1])
			}
		}
	}
	return b.String() + "  end)\nend)\n"
}
