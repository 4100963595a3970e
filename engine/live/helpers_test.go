package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

// write makes a file and the folders it is in. A content is ended with a line
// break unless it ends in a backslash, which is left out.
func write(t testing.TB, path, content string) {
	t.Helper()
	if cut, ok := strings.CutSuffix(content, `\`); ok {
		content = cut
	} else if !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// suspensions is what the tests of this package run rules by: each load of a pack has a
// record of its own in it.
var suspensions rules.Suspensions

// run runs an event through the live set, and notes how its rules fared.
func (p *pen) run(in rules.Input) rules.Result {
	in.Suspensions = &suspensions
	r := p.set.Run(0, in)
	suspensions.Note(in.Event.ChatID(), r.Outcomes, in.Now)
	return r
}

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// message is an inbound message as tests need it.
func message(text string, change ...func(*event.Event)) *event.Event {
	ev := &event.Event{
		ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, Text: text, From: "+14155551234",
		Chat:    &event.Chat{ID: "c1", Line: "+14152165723", IsGroup: event.False},
		Message: &event.Message{ID: "m1", Direction: "inbound", Text: text, From: "+14155551234", Service: "imessage", Parts: []event.Part{{Type: "text", Value: text}}},
	}
	for _, c := range change {
		c(ev)
	}
	return ev
}

// said is what became of an event, an outcome a line: the rule, and what it
// asked for, or why it did not.
func said(r rules.Result) string {
	var lines []string
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		line := o.Pack + "/" + o.Rule + ":"
		if o.Skipped != "" {
			line += " skipped: " + o.Skipped
		}
		if o.Failure != nil {
			line += fmt.Sprintf(" %s: %s", o.Failure.Kind, o.Failure.Message)
		}
		for _, w := range o.Requests {
			line += " " + w.Words("c1", noon)
		}
		for _, l := range o.Logs {
			line += fmt.Sprintf(" %s(%s)", l.Level, l.Msg)
		}
		if o.StateSet {
			line += " state=" + string(o.State)
		}
		for _, w := range o.Writes {
			line += fmt.Sprintf(" %s=%s", w.Key, w.Value)
		}
		lines = append(lines, line)
	}
	if r.Block {
		lines = append(lines, "block")
	}
	return strings.Join(lines, "\n")
}

// expectSaid compares an event's results; a line of want may be the beginning
// of what was said.
func expectSaid(t *testing.T, got rules.Result, want string) {
	t.Helper()
	g, w := strings.Split(said(got), "\n"), strings.Split(strings.TrimSpace(want), "\n")
	ok := len(g) == len(w)
	for i := range min(len(g), len(w)) {
		w[i] = strings.TrimSpace(w[i])
		rest, begins := strings.CutPrefix(g[i], strings.TrimSuffix(w[i], "…"))
		ok = ok && begins && (rest == "" || strings.HasSuffix(w[i], "…"))
	}
	if !ok {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(g, "\n  "), strings.Join(w, "\n  "))
	}
}

// fill makes many empty files in a folder.
func fill(t testing.TB, dir, pattern string, n int) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	for i := range n {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf(pattern, i)))
		must(t, err)
		must(t, f.Close())
	}
}

// tree makes files in a new folder, from their names to their contents. A
// content "-> target" makes a symlink.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	must(t, os.MkdirAll(dir, 0o755))
	for name, content := range files {
		path := filepath.Join(dir, name)
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.Symlink(target, path))
			continue
		}
		write(t, path, content)
	}
	return dir
}

const takesVips = `chert.on("message.received", { from = data.load("vips") }, function(ev) chert.keep_unread(ev.chat.id) end)`
