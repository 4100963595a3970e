package examples

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// loadExamples loads all packs of this folder, as `chertd check` does.
func loadExamples(t *testing.T) []*rules.Pack {
	t.Helper()
	set, diags := rules.Load([]string{"."}, rules.Options{}).Set()
	if len(diags) > 0 {
		t.Fatalf("the examples are not clean:\n%v", diags)
	}
	return set.Packs()
}

// An example is what people copy: each passes its specs, which reach every line.
func TestExamplesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	packs := loadExamples(t)
	if len(packs) < 12 {
		t.Errorf("there are %d examples, want at least 12", len(packs))
	}
	for _, p := range packs {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			report := spec.Run(t.Context(), p, spec.Options{Cover: true})
			if len(report.Results) < 3 {
				t.Errorf("it has %d specs", len(report.Results))
			}
			for _, d := range report.Diagnostics() {
				t.Error(d)
			}
			if n := report.Count(spec.Passed); n != len(report.Results) {
				t.Errorf("%d of %d specs passed", n, len(report.Results))
			}
			for _, c := range report.Coverage {
				if c.Percent() < 100 {
					t.Errorf("%s: no spec reaches the lines %v", c.File, c.Uncovered)
				}
			}
		})
	}
}

// Examples run beside each other, also with nothing granted by the operator but
// what those that do more than read are given. Each shows in its pack.yaml what that is.
func TestExamplesLoadForAnOperator(t *testing.T) {
	t.Parallel()
	_, diags := rules.Load([]string{"."}, rules.Options{Packs: map[string]rules.PackOptions{}}).Set()
	for _, want := range []string{
		`chert.typing needs the permission "typing", which chertd.yaml does not grant to pack "typing-bot"`,
		`chert.notify needs the permission "notify", which chertd.yaml does not grant to pack "oncall"`,
	} {
		if !strings.Contains(diags.Error(), want) {
			t.Errorf("a pack is loaded without its permission: the findings lack %q:\n%v", want, diags)
		}
	}
	granted := rules.Options{Packs: map[string]rules.PackOptions{}}
	for _, p := range loadExamples(t) {
		if len(p.Manifest.Permissions) == 0 {
			continue
		}
		granted.Packs[p.Name] = rules.PackOptions{Grant: p.Manifest.Permissions}
		text, err := os.ReadFile(filepath.Join(p.Path, "pack.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if how := fmt.Sprintf("#   rules: {packs: {%s: {grant: [%s]}}}\n", p.Name, strings.Join(p.Manifest.Permissions, ", ")); !strings.Contains(string(text), how) {
			t.Errorf("%s does not show how it is granted: %s", p.Name, how)
		}
	}
	if _, diags := rules.Load([]string{"."}, granted).Set(); len(diags) > 0 {
		t.Error(diags)
	}
}

// The demo shows codes and settle: a pack that leaves chats unread would spoil it.
func TestDemoHasCodesAndSettle(t *testing.T) {
	t.Parallel()
	entries, err := fs.ReadDir(Packs, ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"codes.lua", "settle"}; !slices.Equal(names, want) {
		t.Errorf("the demo is given %q, want %q", names, want)
	}
}

// README.md tells of every example.
func TestReadmeHasEveryExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loadExamples(t) {
		if link := "[" + p.Name + "](" + filepath.ToSlash(p.Path) + ")"; !strings.Contains(string(text), link) {
			t.Errorf("README.md does not link to %s", link)
		}
	}
}

// People copy how a file is written as well: a comment at its top, two spaces,
// no line that has to be scrolled.
func TestExamplesAreTidy(t *testing.T) {
	t.Parallel()
	for _, p := range loadExamples(t) {
		for _, f := range p.Files {
			text := string(f.Bytes)
			if f.Kind == rules.RuleFile && !strings.HasPrefix(text, "-- ") {
				t.Errorf("%s does not say at its top what it does", f.Path)
			}
			if !strings.HasSuffix(text, "\n") {
				t.Errorf("%s does not end with a line break", f.Path)
			}
			for i, line := range strings.Split(text, "\n") {
				if strings.Contains(line, "\t") || strings.TrimRight(line, " ") != line || len(line) > 120 {
					t.Errorf("%s:%d: %q", f.Path, i+1, line)
				}
			}
		}
	}
}

// All examples beside each other, in days of messages: no handler fails, each
// pack has something to say, and a chat that one holds is read by none.
func TestExamplesTogether(t *testing.T) {
	t.Parallel()
	set, diags := rules.Load([]string{"."}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	random := rand.New(rand.NewPCG(1, 2))
	w := spec.NewWorld(spec.WorldConfig{Set: set, Steps: 1 << 40, Happenings: 1 << 20})
	for i := range 2000 {
		pause := time.Duration(random.IntN(600)) * time.Second
		if err := errors.Join(w.Receive(t.Context(), someMessage(t, i, random)), w.Advance(t.Context(), pause)); err != nil {
			t.Fatal(err)
		}
	}
	ran := map[string]bool{}
	held, waits := map[string]time.Time{}, map[string]time.Time{}
	for _, h := range w.Log() {
		if h.Blocked {
			t.Errorf("%s: reads were blocked", h.Event.ID)
		}
		if h.Call != nil && h.Call.Call.Kind == chat.Read && h.At.Before(held[h.Chat]) {
			t.Errorf("chat %s was read at %s, and is held until %s", h.Chat, h.At, held[h.Chat])
		}
		if h.Call != nil && h.Call.Call.Kind == chat.Read && h.At.Before(waits[h.Chat]) {
			t.Errorf("chat %s was read at %s, and is postponed until %s", h.Chat, h.At, waits[h.Chat])
		}
		for _, said := range h.Rules {
			if said.Failure != nil {
				t.Errorf("%s/%s: %v", said.Pack, said.Rule, said.Failure)
			}
			ran[said.Pack] = true
			for _, request := range said.Requests {
				if request.Kind == chat.RequestHold && request.Due.After(held[request.Chat]) {
					held[request.Chat] = request.Due
				}
				if request.Kind == chat.RequestPostpone && request.Due.After(waits[request.Chat]) {
					waits[request.Chat] = request.Due
				}
			}
		}
	}
	for _, p := range set.Packs() {
		if !ran[p.Name] {
			t.Errorf("%s never ran", p.Name)
		}
	}
	if len(w.Calls()) < 100 || len(held) < 10 || len(waits) < 10 {
		t.Errorf("%d calls were made, %d chats held and %d postponed: too few to say anything", len(w.Calls()), len(held), len(waits))
	}
}

// someMessage is one of those that the examples are for, in one of 30 chats.
func someMessage(t *testing.T, n int, random *rand.Rand) event.Event {
	t.Helper()
	texts := []string{
		"hello", "", "Your verification code is 123456", "STOP", "This is urgent!", "When do you open?", "Front desk, can you help?",
		"Claim your prize!", "Where are you?", "明日でも大丈夫です", strings.Repeat("a long story ", 100),
	}
	number := random.IntN(30)
	parts := []any{map[string]any{"type": "text", "value": texts[random.IntN(len(texts))]}}
	if random.IntN(10) == 0 {
		parts = append(parts, map[string]any{"type": "media", "attachment_id": "a1", "mime_type": "image/jpeg"})
	}
	body, err := json.Marshal(map[string]any{"event_type": "message.received", "event_id": fmt.Sprint("e", n), "data": map[string]any{
		"chat": map[string]any{"id": fmt.Sprint("c", number), "is_group": number%3 == 0},
		"message": map[string]any{"id": fmt.Sprint("m", n), "direction": "inbound", "parts": parts,
			"sender_handle": map[string]any{"handle": fmt.Sprintf("+1415555%04d", 123+number), "service": "imessage"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := event.Decode(body, event.Hints{})
	if err != nil {
		t.Fatal(err)
	}
	return ev
}
