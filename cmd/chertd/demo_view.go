package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/width"

	"chertd/engine"
	"chertd/engine/chertsim"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// demoWidth is the maximum width of a line, in columns of a small terminal.
const demoWidth = 80

// demoView prints the events of a demo, one per line, and a summary.
type demoView struct {
	mu     sync.Mutex
	out    io.Writer
	screen *screen // of out, if it is one
	colour bool
	began  time.Time

	names    map[string]string      // chat → who it is with
	asked    map[string]int         // chat → reads asked for since its last one
	read     map[string]chat.Action // chat → the read that was settled, not yet shown
	receipts map[string]chertsim.Activity

	messages, events, handled int
	chats                     map[string]bool
	requests, calls, refused  int
	unread                    map[string]int
	byPack                    map[string][]time.Duration
}

func newDemoView(out io.Writer) *demoView {
	v := &demoView{
		out: out, began: time.Now(),
		names: map[string]string{}, asked: map[string]int{}, chats: map[string]bool{},
		read: map[string]chat.Action{}, receipts: map[string]chertsim.Activity{},
		unread: map[string]int{}, byPack: map[string][]time.Duration{},
	}
	v.screen, _ = out.(*screen)
	v.colour = v.screen != nil && v.screen.colours()
	return v
}

func (v *demoView) begin(length time.Duration, rulesDir string) {
	fmt.Fprintf(v.out, `chertd demo: a simulated Chert sends messages, and rules mark chats as read.
It runs for %s. You can edit its rules while it runs; a saved change goes live:
  %s

  codes    marks chats as read as soon as a one-time code arrives
  settle   marks a chat as read once it has been quiet (here for %s)

Both leave group chats unread.

`, diag.Duration(length), diag.Visible(rulesDir), demoQuiet)
}

// chert receives what happens at the simulated Chert.
func (v *demoView) chert(h chertsim.Activity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch h.Kind {
	case chertsim.Arrived:
		v.events++
		v.chats[h.Chat] = true
		if h.From == "" {
			return // a reaction
		}
		v.messages++
		v.names[h.Chat] = h.From
		v.unread[h.Chat]++
		text := h.Text
		if h.Media > 0 {
			text = strings.TrimSpace(fmt.Sprintf("%s [%d picture%s]", text, h.Media, plural(h.Media)))
		}
		v.line("←", "", h.From, text)
	case chertsim.Read:
		v.calls++
		v.unread[h.Chat] -= h.Marked
		v.receipts[h.Chat] = h
		v.showRead(h.Chat)
	case chertsim.Refused:
		v.refused++
		v.line("!", "33", v.names[h.Chat], fmt.Sprintf("Chert answered %d, code %d; chertd retries the call", h.Status, h.Code))
	case chertsim.Operator:
		v.line("→", "2", v.names[h.Chat], "a person replies manually; Chert sends no event for this")
	}
}

// daemon receives what the daemon does.
func (v *demoView) daemon(h engine.Observation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case h.Handled != nil:
		v.handled++
		for _, a := range h.Handled.Actions {
			if a.Kind == chat.Read && a.ID.Seq == h.Handled.Entry.Seq {
				v.requests++
				v.asked[a.Chat]++
			}
		}
	case h.Ended != nil:
		a := *h.Ended
		if a.Kind == chat.Read && a.Status == chat.Done && a.Why == chat.WhyRead {
			v.read[a.Chat] = a
			v.showRead(a.Chat)
		}
	}
}

// showRead prints a read once both the simulated Chert and the daemon have reported it.
func (v *demoView) showRead(id string) {
	a, settled := v.read[id]
	h, received := v.receipts[id]
	if !settled || !received {
		return
	}
	delete(v.read, id)
	delete(v.receipts, id)
	asked := v.asked[id]
	delete(v.asked, id)
	v.byPack[a.Pack] = append(v.byPack[a.Pack], h.Waited)
	text := fmt.Sprintf("read by %s: %s", a.Pack, a.Reason)
	if asked > 1 {
		text += fmt.Sprintf(" (%d requests)", asked)
	}
	v.line("✓", "32", v.names[id], text)
}

// note prints a log line of the daemon.
func (v *demoView) note(level slog.Level, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	colour := "36"
	if level >= slog.LevelWarn {
		colour = "31"
	}
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			line = "· " + line
		} else {
			line = "  " + line
		}
		v.print(colour, "        "+line)
	}
}

func (v *demoView) problem(text string) { v.note(slog.LevelError, text) }

// line prints one event: the time, a mark, the person and the text.
func (v *demoView) line(mark, colour, who, what string) {
	at := time.Since(v.began).Seconds()
	v.print(colour, cut(fmt.Sprintf("%6.1fs %s %s %s", at, mark, pad(cut(diag.Visible(who), 14), 14), diag.Visible(what)), demoWidth))
}

func (v *demoView) print(colour, text string) {
	if v.colour && colour != "" {
		v.screen.paint(colour, text)
		return
	}
	fmt.Fprintln(v.out, text)
}

// end prints the summary.
func (v *demoView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := 0
	for _, n := range v.unread {
		if n > 0 {
			left++
		}
	}
	saved := max(v.requests-v.calls, 0)
	fmt.Fprintf(v.out, "\nIn %s:\n\n", diag.About(time.Since(v.began).Round(time.Second)))
	fmt.Fprintf(v.out, "  events   %4d   in %s; chertd handled %d of them, each once\n", v.events, count(len(v.chats), "chat"), v.handled)
	fmt.Fprintf(v.out, "  reads    %4d   call%s for %d requests; coalescing saved %d\n", v.calls, plural(v.calls), v.requests, saved)
	fmt.Fprintf(v.out, "  unread   %4d   chat%s that no rule has asked to read (yet)\n", left, plural(left))
	if v.refused > 0 {
		fmt.Fprintf(v.out, "  refused  %4d   calls, which were retried\n", v.refused)
	}
	fmt.Fprintf(v.out, "\n  time from message to read   median     95 %%\n")
	for _, pack := range slices.Sorted(maps.Keys(v.byPack)) {
		took := v.byPack[pack]
		slices.Sort(took)
		fmt.Fprintf(v.out, "    %s                %8s %8s%s\n", pad(diag.Visible(pack), 8), diag.About(took[len(took)/2]), diag.About(took[(len(took)*95-1)/100]), v.waits(pack))
	}
	fmt.Fprint(v.out, demoNext)
}

// demoNext names the next steps after the demo.
const demoNext = `
Next steps:
  chertd new NAME            creates a pack to start from, with its tests
  docs/getting-started.md    takes a rule of yours live, step by step
`

func (v *demoView) waits(pack string) string {
	if pack == "settle" {
		return "   (it waits at least " + demoQuiet + ")"
	}
	return ""
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// cut shortens a string to a number of columns; wide characters take two.
func cut(s string, columns int) string {
	used := 0
	for i, r := range s {
		w := 1
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth || r >= 0x1F300 {
			w = 2
		}
		if used+w > columns-1 && len(s) > i+len(string(r)) || used+w > columns {
			return s[:i] + "…"
		}
		used += w
	}
	return s
}
