package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// runDocuments are those whose Lua is run, not loaded alone.
var runDocuments = []string{"../../docs/lua.md", "../../docs/cookbook.md"}

// docExample is a pack of a document: a block of Lua with the files shown right
// before it, the steps that its comments take, and what they promise.
//
// A comment that is a step, in the words of specs, happens in a world of virtual
// time; what stands behind --> on it, or on the lines that follow, must come of
// it. In the code, --> error: (and --> hint: below) stands where loading or a
// handler fails.
type docExample struct {
	place string // file:line
	pack  string
	files map[string]string // by path in the pack
	lua   string
	steps []docStep
	marks map[int]*docMark // by line of the code
	specs bool             // it has spec files
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

// Every example of the reference and the cookbook does what its comments say.
func TestExamplesOfDocuments(t *testing.T) {
	t.Parallel()
	for _, doc := range runDocuments {
		for _, ex := range docExamples(t, doc) {
			t.Run(ex.place, func(t *testing.T) {
				t.Parallel()
				ex.run(t)
			})
		}
	}
}

// Every event that a document shows is one that Chert could deliver.
func TestEventsOfDocuments(t *testing.T) {
	t.Parallel()
	for _, doc := range runDocuments {
		for _, s := range snippets(t, doc) {
			if s.lang != "json" {
				continue
			}
			ev, err := event.Decode([]byte(s.text), event.Hints{})
			if err != nil || !ev.InboundMessage() || ev.Text == "" {
				t.Errorf("%s: %v: %+v", s.place, err, ev)
			}
		}
	}
}

func docExamples(t *testing.T, doc string) []*docExample {
	t.Helper()
	var list []*docExample
	files := map[string]string{}
	for _, s := range snippets(t, doc) {
		first, _, _ := strings.Cut(s.text, "\n")
		lang, name, _ := strings.Cut(s.lang, " ")
		named := snippetFile.FindStringSubmatch(first)
		switch {
		case lang != "lua" && strings.HasPrefix(name, "data/"):
			files[name] = s.text
		case lang == "yaml" && named != nil && named[1] != "chertd.yaml":
			files[named[1]] = s.text
		case lang != "lua":
		case named != nil && strings.HasPrefix(named[1], "lib/"):
			files[named[1]] = s.text
		case named != nil && strings.HasSuffix(named[1], "_spec.lua"):
			if len(list) == 0 {
				t.Fatalf("%s: a spec of no example", s.place)
			}
			last := list[len(list)-1]
			last.files["spec/"+filepath.Base(named[1])], last.specs = s.text, true
		default:
			ex := &docExample{place: s.place, pack: "example", files: files, lua: s.text, marks: map[int]*docMark{}}
			if named != nil {
				ex.pack = strings.TrimSuffix(filepath.Base(named[1]), ".lua")
			}
			files[ex.pack+".lua"] = s.text
			files = map[string]string{}
			ex.parse(t)
			list = append(list, ex)
		}
	}
	return list
}

var (
	// snippetFile is how the first line of a block says which file it is.
	snippetFile = regexp.MustCompile(`^(?:--|#) ((?:rules/|data/|lib/|spec/)?(?:[\w-]+/)?[\w-]+(?:\.yaml|\.lua))\b`)
	stepLine    = regexp.MustCompile(`^-- ((?:receive|fire|advance|clock|fail_next)\(.*?\))(?: +--> (.*))?$`)
	markLine    = regexp.MustCompile(`--> (error|hint): (.*)$`)
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

func (ex *docExample) run(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ex.pack)
	for name, text := range ex.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Without an operator's word, what the pack needs is granted.
	set, diags := rules.LoadPaths([]string{dir}, rules.Options{}, nil)
	for _, d := range diags {
		ex.failed(t, d)
	}
	if set != nil {
		w := newDocWorld(t, ex, set)
		for _, s := range ex.steps {
			w.step(s)
		}
		if ex.specs {
			report := spec.Run(t.Context(), set.Pack(ex.pack), spec.Options{})
			if ds := report.Diagnostics(); len(ds) > 0 || len(report.Results) == 0 {
				t.Errorf("%d specs ran: %v", len(report.Results), ds)
			}
		}
	}
	for line, m := range ex.marks {
		if !m.seen {
			t.Errorf("line %d promises an error, and there was none: %s", line, m.message)
		}
	}
}

// failed compares a diagnostic with what its line promises.
func (ex *docExample) failed(t *testing.T, d luabind.Diagnostic) {
	t.Helper()
	m := ex.marks[d.Line]
	if m == nil || !strings.Contains(d.Message, m.message) || !strings.Contains(d.Hint, m.hint) {
		t.Errorf("line %d fails: %s\nhint: %s", d.Line, d.Message, d.Hint)
		return
	}
	m.seen = true
}

// happened is what came of one step.
type docHappened struct {
	wishes, logs, calls, ends []string
}

// since collects what the world has noted from its nth happening on.
func (w *docWorld) since(n int) docHappened {
	var got docHappened
	for _, h := range w.Log()[n:] {
		for _, said := range h.Rules {
			got.wishes = append(got.wishes, said.Asked...)
			if said.Skipped != "" {
				got.ends = append(got.ends, "skipped: "+said.Skipped)
			}
			if said.Failure != nil {
				w.ex.failed(w.t, said.Failure.Diagnostic)
				got.ends = append(got.ends, "fails")
			}
			for _, l := range said.Logs {
				got.logs = append(got.logs, fmt.Sprintf("%s %q", l.Level, l.Msg))
			}
		}
		if h.Withheld {
			got.ends = append(got.ends, "withheld")
		}
		if c := h.Call; c != nil {
			call := "call " + string(c.Call.Kind)
			if text := c.Text(); text != "" {
				call += fmt.Sprintf(" %q", text)
			}
			if c.Fault != nil {
				call += " fails"
			}
			got.calls = append(got.calls, call)
		}
		for _, a := range h.Actions {
			if a.Status != chat.Waiting {
				got.ends = append(got.ends, string(a.Status)+": "+a.Why)
			}
		}
	}
	return got
}

// meets compares what happened with what is expected. Of wishes, logs and calls
// either none is named, or all are.
func (w *docWorld) meets(s docStep, got docHappened) {
	w.t.Helper()
	var wishes, logs, calls []string
	for _, e := range s.expect {
		words := strings.Fields(e)
		switch last := words[len(words)-1]; {
		case e == "nothing":
			if len(got.wishes)+len(got.logs)+len(got.calls)+len(got.ends) > 0 {
				w.t.Errorf("line %d, %s: expected nothing, got %+v", s.line, s.code, got)
			}
		case len(words) == 1 && (last == "read" || last == "unread" || last == "held"):
			w.is(s, w.last, last)
		case len(words) == 3 && words[1] == "is":
			w.is(s, words[0], last)
		case words[0] == "state":
			if state := string(w.State(w.ex.pack, w.last)); state != strings.TrimPrefix(e, "state ") {
				w.t.Errorf("line %d, %s: ev.state is %s", s.line, s.code, state)
			}
		case words[0] == "logs":
			e = strings.TrimPrefix(e, "logs ")
			if strings.HasPrefix(e, `"`) {
				e = "info " + e
			}
			logs = append(logs, e)
		case words[0] == "call":
			calls = append(calls, e)
		case slices.Contains(got.ends, e):
		default:
			wishes = append(wishes, e)
		}
	}
	for _, c := range []struct {
		what      string
		want, got []string
	}{{"wishes", wishes, got.wishes}, {"logs", logs, got.logs}, {"calls", calls, got.calls}} {
		if len(c.want) > 0 && !slices.Equal(c.want, c.got) {
			w.t.Errorf("line %d, %s: expected the %s\n%s\ngot\n%s\nand all in all %+v", s.line, s.code, c.what,
				strings.Join(c.want, "\n"), strings.Join(c.got, "\n"), got)
		}
	}
}

// is checks how a chat stands.
func (w *docWorld) is(s docStep, id, want string) {
	w.t.Helper()
	c, _ := w.Chat(id)
	is := map[string]bool{"read": w.Read(id), "unread": !w.Read(id), "held": c.Hold.Active(w.Now())}
	if holds, known := is[want]; !known || !holds {
		w.t.Errorf("line %d, %s: expected chat %s to be %s; waiting: %+v", s.line, s.code, id, want, c.Waiting)
	}
}

// wrongLine is a slip that a document shows, and the error it gives.
var wrongLine = regexp.MustCompile("^Wrong: `(.*)` gives `(.*)`$")

// Every slip of the reference gives the error that it says.
func TestSlipsOfDocuments(t *testing.T) {
	t.Parallel()
	for _, doc := range runDocuments {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			m := wrongLine.FindStringSubmatch(line)
			if m == nil {
				if strings.HasPrefix(line, "Wrong:") {
					t.Errorf("%s:%d: not of the form Wrong: `code` gives `error`", doc, i+1)
				}
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(doc), i+1), func(t *testing.T) {
				t.Parallel()
				code, message := m[1], m[2]
				files := map[string]string{}
				if !strings.Contains(message, "not granted") {
					files["pack.yaml"] = "needs: [typing, react, send]\n"
				}
				// On one line: it is the line that fails.
				if !subscribes.MatchString(code) {
					code = `chert.rule({ name = "wrong", on = "message.received", run = function(ev) ` + code + " end })"
				}
				files["example.lua"] = code + "\n"
				(&docExample{pack: "example", files: files, marks: map[int]*docMark{1: {message: message}},
					steps: []docStep{{code: `receive("hello")`}}}).run(t)
			})
		}
	}
}

// subscribes is how code begins that stands at the top of a file.
var subscribes = regexp.MustCompile(`^chert\.(on|rule|every)\(`)
