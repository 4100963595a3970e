package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
	"chertd/rules/spec"
)

// runDocuments are those whose Lua is run, not loaded alone.
var runDocuments = []string{"../../docs/rules.md", "../../docs/lua.md", "../../docs/cookbook.md"}

// unhurried are the options of the examples' packs: budgets of steps end what
// runs away, however busy the machine is. Without an operator's word about packs,
// what they need is granted.
var unhurried = rules.Options{Limits: luabind.Limits{Wall: time.Minute}}

// Every example of the guide, the reference and the cookbook does what its comments say.
func TestExamplesOfDocumentsDoWhatTheySay(t *testing.T) {
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
func TestEventsOfDocumentsCanBeDelivered(t *testing.T) {
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

// options returns those of the example's pack.
func (ex *docExample) options() rules.Options {
	o := unhurried
	o.Country = ex.country
	return o
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
	set, diags := rules.Load([]string{dir}, ex.options()).Set()
	for _, d := range diags {
		ex.failed(t, d)
	}
	if set != nil {
		w := newDocWorld(t, ex, set)
		for _, s := range ex.steps {
			w.step(s)
		}
		ex.passes(t, dir)
		ex.isClean(t, dir)
	}
	for line, m := range ex.marks {
		if !m.seen {
			t.Errorf("line %d promises an error, and there was none: %s", line, m.message)
		}
	}
}

// passes runs the example's specs, and its steps as one: they are what specs
// take, and chats end up the same there.
func (ex *docExample) passes(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "spec", "steps_spec.lua")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(ex.asSpec()), 0o600); err != nil {
		t.Fatal(err)
	}
	set, diags := rules.Load([]string{dir}, ex.options()).Set()
	if set == nil {
		t.Fatal(diags)
	}
	report := spec.Run(t.Context(), set.Pack(ex.pack), spec.Options{})
	if !report.OK() || len(report.Results) == 0 {
		t.Errorf("as specs: %v\n%s", report.Diagnostics(), ex.asSpec())
	}
}

// isClean makes sure that whoever copies the example hears nothing from check,
// but where it shows an error.
func (ex *docExample) isClean(t *testing.T, dir string) {
	t.Helper()
	if len(ex.marks) > 0 {
		return
	}
	for _, f := range lint.Check([]string{dir}, ex.options()).Findings {
		if f.Code == "CH035" {
			continue // the examples run in January 2026, and their days are past by now
		}
		t.Errorf("chertd check: line %d: %s [%s]\nhint: %s", f.Line, f.Message, f.Code, f.Hint)
	}
}

// failed compares a diagnostic with what its line promises.
func (ex *docExample) failed(t *testing.T, d diag.Diagnostic) {
	t.Helper()
	m := ex.marks[d.Line]
	if m == nil || !strings.Contains(d.Message, m.message) || !strings.Contains(d.Hint, m.hint) {
		t.Errorf("line %d fails: %s\nhint: %s", d.Line, d.Message, d.Hint)
		return
	}
	m.seen = true
}

// wrongLine is a mistake that a document shows, and its error.
var wrongLine = regexp.MustCompile("^Wrong: `(.*)` raises `(.*)`$")

// Every mistake that the reference shows gives the error that stands beside it.
func TestErrorsOfDocumentsAreRaised(t *testing.T) {
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
					t.Errorf("%s:%d: not of the form Wrong: `code` raises `error`", doc, i+1)
				}
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(doc), i+1), func(t *testing.T) {
				t.Parallel()
				code, message := m[1], m[2]
				files := map[string]string{}
				if !strings.Contains(message, "permission") {
					files["pack.yaml"] = "permissions: [typing, react, send, notify]\n"
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
