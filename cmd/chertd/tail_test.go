package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"chertd/engine/control"
)

// tailedLines are lines of each kind and colour.
func tailedLines() []control.Tailed {
	read := control.TailedAction{ID: "1.0", Kind: "read", Status: "done", Why: "read"}
	replaced := control.TailedAction{ID: "2.0", Kind: "read", Status: "dropped", Why: "replaced"}
	return []control.Tailed{
		{Kind: control.TailEvent, At: at(12, 0), Chat: "7d1b2c9e", Outcome: "waiting", Summary: "codes/read (codes.lua:3): mark_read"},
		{Kind: control.TailAction, At: at(12, 0), Chat: "7d1b2c9e", Outcome: "read", Summary: "codes/read (codes.lua:3): read in 41ms", Actions: []control.TailedAction{read}},
		{Kind: control.TailAction, At: at(12, 0), Chat: "7d1b2c9e", Outcome: "not_read", Summary: "settle/settle: replaced", Actions: []control.TailedAction{replaced}},
		{Kind: control.TailEvent, At: at(12, 1), Chat: "5e01d2b7", Outcome: "not_read", Summary: "no rule wants it", From: "+14155550123", Text: "see you\nat 5"},
		{Kind: control.TailEvent, At: at(12, 1), Chat: "5e01d2b7", Outcome: "not_read", Failed: true, Summary: "vip/hold (hold.lua:2) failed: hold.lua:3: no list"},
		{Kind: control.TailEvent, At: at(12, 1), Outcome: "none", Summary: "schedule: reports/daily requested nothing"},
		{Kind: control.TailEvent, At: at(12, 1), Chat: "5e01d2b7", Outcome: "shadow", Rerun: true, Summary: "vip/try (try.lua:2): mark_read [shadow]"},
		{Kind: control.TailCall, At: at(12, 1), Chat: "5e01d2b7", Outcome: "failed", Summary: "codes/read (codes.lua:3): attempt 1: no answer"},
		{Kind: control.TailGap, At: at(12, 2), Dropped: 1234, Summary: "x"},
		{Kind: control.TailNote, At: at(12, 2), Summary: "chertd is draining"},
		{Kind: control.TailAction, At: at(36, 2), Chat: "5e01d2b7", Outcome: "dead", Summary: "codes/read (codes.lua:3): refused, 404, code 2002"},
	}
}

func TestPrintTail(t *testing.T) {
	t.Parallel()
	print := func(v *tailView) string {
		var b bytes.Buffer
		s := &screen{w: &b}
		v.out, v.screen = s, s
		for _, line := range tailedLines() {
			if err := v.show(line); err != nil {
				t.Fatal(err)
			}
		}
		return b.String()
	}
	plain := print(&tailView{})
	compare(t, plain, `
2026-01-05
12:00:00  waiting   7d1b2c9e  codes/read (codes.lua:3): mark_read
12:00:00  read      7d1b2c9e  codes/read (codes.lua:3): read in 41ms
12:01:00  not_read  5e01d2b7  no rule wants it
          +14155550123: see you\nat 5
12:01:00  failed    5e01d2b7  vip/hold (hold.lua:2) failed: hold.lua:3: no list
12:01:00  none      -         schedule: reports/daily requested nothing
12:01:00  shadow    5e01d2b7  run again: vip/try (try.lua:2): mark_read [shadow]
12:01:00  failed    5e01d2b7  codes/read (codes.lua:3): attempt 1: no answer
12:02:00  1,234 lines not shown: they came faster than they could be shown
12:02:00  chertd is draining
2026-01-06
12:02:00  dead      5e01d2b7  codes/read (codes.lua:3): refused, 404, code 2002
`)
	if all := print(&tailView{all: true}); !strings.Contains(all, "not_read  7d1b2c9e  settle/settle: replaced\n") {
		t.Errorf("with all there is no replaced read:\n%s", all)
	}
	coloured := print(&tailView{colour: true})
	for _, want := range []string{
		"2026-01-05\n\x1b[33m12:00:00  waiting ", "\x1b[32m12:00:00  read ", "\x1b[90m12:01:00  not_read ", "\x1b[90m          +14155550123",
		"\x1b[31m12:01:00  failed    5e01d2b7  vip", "\x1b[36m12:01:00  shadow", "\x1b[31m12:01:00  failed    5e01d2b7  codes", "\x1b[35m12:02:00  1,234 lines", "\x1b[31m12:02:00  dead",
	} {
		if !strings.Contains(coloured, want) {
			t.Errorf("in colour there is no %q in\n%q", want, coloured)
		}
	}
	if n := strings.Count(print(&tailView{json: true}), "\n"); n != len(tailedLines()) {
		t.Errorf("as JSON there are %d lines, want %d", n, len(tailedLines()))
	}
}

// restarts is a daemon that ends its tails, and notes what they ask.
type restarts struct {
	full
	asked chan control.TailQuery
	lines [][]control.Tailed // of each tail

	mu    sync.Mutex // guards what follows
	tails int
}

func (d *restarts) Tail(_ context.Context, q control.TailQuery) (control.TailLines, error) {
	d.asked <- q
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tails++
	if d.tails > len(d.lines) {
		return nil, &control.UserError{Message: "enough"}
	}
	return &sent{d.lines[d.tails-1]}, nil
}

// sent is a tail of some lines.
type sent struct{ lines []control.Tailed }

func (s *sent) Next(context.Context) ([]control.Tailed, error) {
	lines := s.lines
	if s.lines = nil; len(lines) == 0 {
		return nil, io.EOF
	}
	lines = slices.Clone(lines)
	lines[0].Through = 0 // the server sets it in the last line
	return lines, nil
}

func (s *sent) Through() int64 {
	if len(s.lines) == 0 {
		return 0
	}
	return s.lines[0].Through // as a test wants it
}

func (s *sent) Close() {}

// A tail that begins again continues after what it has shown, and says once that the daemon
// is gone each time that it is.
func TestTailContinuesAfterARestart(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tail") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := control.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	d := &restarts{asked: make(chan control.TailQuery, 9), lines: [][]control.Tailed{
		{{Kind: "event", Seq: 7, Outcome: "waiting", Through: 3}, {Kind: "event", Seq: 5, Outcome: "read"}}, nil,
		// An older event was handled meanwhile, a read has ended, and 5 was shown.
		{{Kind: "event", Seq: 4, Outcome: "waiting", Through: 8}, {Kind: "event", Seq: 5, Outcome: "read"}, {Kind: "event", Seq: 7, Outcome: "read"}, {Kind: "event", Seq: 9}},
		// 4 comes again, as it has another outcome now.
		{{Kind: "event", Seq: 4, Outcome: "not_read", Through: 9}}}}
	server := control.NewServer(control.Handler(control.Config{Daemon: d, Health: func() control.Health { return control.Health{} }}), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Close(); <-served }()
	var out bytes.Buffer
	var gone []string
	again := func(err error) bool { gone = append(gone, err.Error()); return true }
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = follow(ctx, control.Dial(filepath.Join(dir, "s")), control.TailQuery{Lines: 3}, &tailView{out: &out, json: true}, again)
	if user, ok := errors.AsType[*control.UserError](err); !ok || user.Message != "enough" {
		t.Errorf("it ends with %v", err)
	}
	close(d.asked)
	var asked []control.TailQuery
	for q := range d.asked {
		asked = append(asked, q)
	}
	for i, want := range []control.TailQuery{{Lines: 3}, {Lines: 1000, After: 3}, {Lines: 1000, After: 3}, {Lines: 1000, After: 8, Again: []int64{4}}, {Lines: 1000, After: 9}} {
		if i >= len(asked) || asked[i].Lines != want.Lines || asked[i].After != want.After || !slices.Equal(asked[i].Again, want.Again) {
			t.Errorf("it asks %+v, want %+v as number %d", asked, want, i)
		}
	}
	if want := []string{"chertd has stopped", "chertd has stopped", "chertd has stopped"}; !slices.Equal(gone, want) {
		t.Errorf("it says %q, want %q", gone, want)
	}
	var shown []string
	for text := range strings.Lines(out.String()) {
		var line control.Tailed
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		shown = append(shown, fmt.Sprint(line.Kind, line.Seq, line.Outcome))
		if line.Kind == control.TailNote && !strings.HasPrefix(line.Summary, "connected again, after ") {
			t.Errorf("a note: %q", line.Summary)
		}
	}
	if want := []string{"event7waiting", "event5read", "note0", "event4waiting", "event7read", "event9", "note0", "event4not_read"}; !slices.Equal(shown, want) {
		t.Errorf("it prints %q, want %q", shown, want)
	}
}

// An event that was shown as waiting comes again once its outcome is another one, however many
// events were handled since; one whose end was shown does not.
func TestTailShowsAgainWhatHasChanged(t *testing.T) {
	t.Parallel()
	event := func(seq int64, outcome string, statuses ...string) *control.Tailed {
		line := &control.Tailed{Kind: control.TailEvent, Seq: seq, Outcome: outcome}
		for i, status := range statuses {
			line.Actions = append(line.Actions, control.TailedAction{ID: fmt.Sprint(seq, ".", i), Kind: "read", Status: status})
		}
		return line
	}
	ended := func(seq int64, n int, outcome, status string) *control.Tailed {
		return &control.Tailed{Kind: control.TailAction, Seq: seq, Outcome: outcome, Actions: []control.TailedAction{{ID: fmt.Sprint(seq, ".", n), Kind: "read", Status: status}}}
	}
	p := tailProgress{seen: map[int64]*tailShown{}}
	for _, line := range []*control.Tailed{
		event(1, "waiting", "waiting"), event(2, "waiting", "waiting"), event(3, "waiting", "waiting", "sent"), event(4, "waiting", "waiting"),
		event(5, "not_read"), event(6, "waiting", "waiting", "waiting"), event(7, "waiting", "waiting"), {Kind: control.TailEvent, Seq: 8, Outcome: "not_read", Failed: true},
		ended(2, 0, "read", "done"), ended(3, 0, "not_read", "dropped"), ended(6, 0, "read", "done"), ended(6, 1, "not_read", "dropped"), ended(7, 0, "dead", "dead"),
	} {
		if !p.news(line) {
			t.Errorf("it does not show %+v", line)
		}
	}
	p.news(&control.Tailed{Kind: control.TailMark, Through: 8})
	if got, want := p.open(), []int64{1, 3, 4, 7, 8}; !slices.Equal(got, want) {
		t.Errorf("it asks again for %d, want %d", got, want)
	}
	for line, want := range map[*control.Tailed]bool{
		event(1, "waiting", "waiting"): false, event(4, "not_read", "dropped"): true, event(3, "waiting", "dropped", "waiting"): false,
		event(7, "dead", "dead"): false, event(8, "not_read"): true,
	} {
		if got := p.news(line); got != want {
			t.Errorf("%+v: it shows it: %t, want %t", line, got, want)
		}
	}
	if got, want := p.open(), []int64{1, 3, 7}; !slices.Equal(got, want) {
		p.prune()
		if got = p.open(); !slices.Equal(got, want) {
			t.Errorf("then it asks again for %d, want %d", got, want)
		}
	}
	if note := p.lostNote(time.Now()).Summary; strings.Contains(note, "newest") {
		t.Errorf("the note speaks of a bound: %s", note)
	}
	for seq := int64(9); seq < 9+control.MaxTailAgain; seq++ {
		p.news(event(seq, "waiting", "waiting"))
	}
	p.news(&control.Tailed{Kind: control.TailMark, Through: 9000})
	if got := p.open(); len(got) != control.MaxTailAgain || got[0] != 9 {
		t.Errorf("it asks again for %d events from %d", len(got), got[0])
	}
	if note := p.lostNote(time.Now()).Summary; !strings.Contains(note, "(of the newest 500 that were open)") {
		t.Errorf("the note does not name the bound: %s", note)
	}
}

// On a terminal a line fits its width, with a head of the chat's id that no other chat has;
// elsewhere nothing is cut.
func TestTailFitsTheTerminal(t *testing.T) {
	t.Parallel()
	lines := []control.Tailed{
		{Kind: "event", Outcome: "read", Chat: "7d1b2c9e-1111-457e-81d4-55e386d77ced", Summary: "codes/read codes (codes.lua:1): mark_read (a verification code that is not for people): read in 41ms"},
		{Kind: "event", Outcome: "not_read", Chat: "7d1b2c9e-2222-457e-81d4-55e386d77ced", Summary: "no rule wants it", From: "+14155550199", Text: strings.Repeat("日本", 60)},
		{Kind: "event", Outcome: "read", Chat: "7d1b2c9e-1111-457e-81d4-55e386d77ced", Summary: "a"},
		{Kind: "event", Outcome: "read", Chat: "c1", Summary: "a"},
	}
	print := func(width int) []string {
		var out bytes.Buffer
		v := &tailView{out: &out, width: func() int { return width }}
		for _, line := range lines {
			if err := v.show(line); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	for _, width := range []int{1, 12, 20, 30, 39} {
		for _, line := range print(width) {
			if n := uniseg.StringWidth(line); n > width || strings.HasSuffix(line, "……") {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
	}
	for _, width := range []int{80, 120} {
		got := print(width)
		for _, line := range got {
			if n := uniseg.StringWidth(line); n > width {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
		if !strings.Contains(got[0], "  read      7d1b2c9e…  codes/read codes (codes.lua:1): mark_read (a v") || !strings.Contains(got[1], "  not_read  7d1b2c9e-2…  no rule wants it") ||
			!strings.Contains(got[3], "  read      7d1b2c9e-1…  a") || !strings.Contains(got[4], "  read      c1         a") {
			t.Errorf("at %d columns:\n%s", width, strings.Join(got, "\n"))
		}
		if n := uniseg.StringWidth(got[2]); n < width-1 || !strings.HasSuffix(got[2], "…") {
			t.Errorf("at %d columns the text has %d: %s", width, n, got[2])
		}
	}
	if all := strings.Join(print(0), "\n"); !strings.Contains(all, lines[0].Chat) || !strings.Contains(all, lines[0].Summary) || !strings.Contains(all, lines[1].Text) || strings.Contains(all, "…") {
		t.Errorf("without a width:\n%s", all)
	}
}

// Events begin in the order of the journal. One that was handled before the first line is shown at the
// beginning, and not when the tail continues after a lost connection.
func TestTailBeginsWithEventsHandledInAnyOrder(t *testing.T) {
	t.Parallel()
	p := tailProgress{seen: map[int64]*tailShown{}}
	line := func(seq int64, second int) *control.Tailed {
		return &control.Tailed{Kind: control.TailEvent, Seq: seq, Outcome: "read", At: at(12, 0).Add(time.Duration(second) * time.Second)}
	}
	for _, l := range []*control.Tailed{line(1, 2), line(2, 1), line(3, 3)} {
		if !p.news(l) {
			t.Errorf("event %d is not shown", l.Seq)
		}
	}
	p.again = true
	if p.news(line(4, 0)) {
		t.Error("an event from before the tail began is shown")
	}
	if !p.news(line(5, 1)) || p.news(line(2, 1)) {
		t.Error("what was handled meanwhile is not shown, or what was shown comes again")
	}
}

// Each chat in sight has a head of its own, whose escapes are whole.
func TestTailHeadsAreUnique(t *testing.T) {
	t.Parallel()
	var h heads
	for _, step := range []struct{ id, want string }{
		{"7d1b2c9e-aaaa-457e-81d4-55e386d70001", "7d1b2c9e…"},
		{"7d1b2c9e-aaaa-457e-81d4-55e386d70002", "7d1b2c9e…0002"},
		{"7d1b2c9e-aaaa-457e-81d4-55e386d70001", "7d1b2c9e…0001"},
		{"7d1b2c9e-bbbb-457e-81d4-55e386d70002", "7d1b2c9e-b…"},
		{"7d1b2c9e-aaaa-457e-81d4-55e386d70002", "7d1b2c9e-a…0002"},
		{"0c94f7aa-aaaa-457e-81d4-55e386d70002", "0c94f7aa…"},
		{"chat\u200b567890123456", "chat\u200b567…"},
		{"chat\u200b567890123457", "chat\u200b567…3457"},
		{"c1", "c1"},
	} {
		if got := h.of(step.id); got != step.want {
			t.Errorf("%q is shown as %q, want %q", step.id, got, step.want)
		}
	}
	seen := map[string]string{}
	for n := range 300 {
		h.of(fmt.Sprintf("7d1b2c9e-%04d-457e-%04d", n*7%100, n*13%100))
	}
	for n := range 300 {
		id := fmt.Sprintf("7d1b2c9e-%04d-457e-%04d", n*7%100, n*13%100)
		label := h.of(id)
		if other := seen[label]; other != "" && other != id {
			t.Errorf("%s and %s are both shown as %s", id, other, label)
		}
		seen[label] = id
		head, end, _ := strings.Cut(label, "…")
		for m := range 300 {
			other := fmt.Sprintf("7d1b2c9e-%04d-457e-%04d", m*7%100, m*13%100)
			if other != id && label != id && strings.HasPrefix(other, head) && strings.HasSuffix(other, end) {
				t.Fatalf("%s is shown as %s, which may be %s", id, label, other)
			}
		}
	}

	// A line is cut before or after an escape, never within.
	const line = "chat \u200b\x1b[31m日\n end"
	whole := `chat \u200b\x1b[31m日\n end`
	for columns := 1; columns <= 40; columns++ {
		got := fit(line, columns)
		cut, isCut := strings.CutSuffix(got, "…")
		rest := strings.TrimPrefix(whole, cut)
		if !strings.HasPrefix(whole, cut) || uniseg.StringWidth(got) > columns || isCut && strings.HasSuffix(cut, `\`) || rest == whole && cut != "" {
			t.Errorf("at %d columns: %s", columns, got)
		}
		for _, escape := range []string{`\u200b`, `\x1b`, `\n`} {
			if i := strings.LastIndexByte(cut, '\\'); i >= 0 && strings.HasPrefix(escape, cut[i:]) && cut[i:] != escape {
				t.Errorf("at %d columns an escape is cut: %s", columns, got)
			}
		}
	}
}
