package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// printWaiting prints what waits: counts first, then the actions that are due first.
func printWaiting(out io.Writer, w *control.Waiting) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(diag.Visible(fmt.Sprintf(format, args...)) + "\n") }
	line("%s", countedWaiting(w))
	if w.Matched > 0 {
		line("  for: %s", countsShown(w.For))
		line("  by pack: %s", countsShown(w.Packs))
		times := "  the oldest was requested at " + minute(w.Oldest)
		if !w.NextDue.IsZero() {
			times += "; the next is due at " + minute(w.NextDue)
		}
		line("%s", times)
	}
	for i := range w.Waiting {
		a := &w.Waiting[i]
		line("%s  %s  %s: %s", a.ID, minute(a.Due), a.Kind, waitsFor(a))
		by := choose(a.Pack == "", a.Rule, chat.Key(a.Pack, a.Rule))
		line("    in chat %s on line %s, by %s%s", a.Chat, cmp.Or(a.Line, "(unknown)"), by, choose(a.Reason == "", "", ": "+a.Reason))
	}
	if more := w.Matched - int64(len(w.Waiting)); more > 0 && len(w.Waiting) > 0 {
		line("and %s, due later", many(more, "other"))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// countedWaiting says how much waits.
func countedWaiting(w *control.Waiting) string {
	if w.Matched == 0 && !w.Partial {
		return choose(w.Total == 0, "nothing waits", "nothing waits that matches")
	}
	text := fmt.Sprintf("%s wait%s in %s", many(w.Matched, "action"), choose(w.Matched == 1, "s", ""), many(w.Chats, "chat"))
	if w.Partial {
		text += fmt.Sprintf(" of the %s whose calls are due next; something waits in %s", thousands(w.Examined), many(w.Total, "chat"))
	}
	return text
}

// countsShown lists counts by name.
func countsShown(all []control.WaitingCount) string {
	const shown = 10
	var parts []string
	for i, c := range all {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		parts = append(parts, cmp.Or(c.Name, "(operator)")+" "+thousands(c.Count))
	}
	return strings.Join(parts, ", ")
}

// waitsFor says what an action waits for.
func waitsFor(a *control.WaitingAction) string {
	text := a.For
	if a.By != "" {
		text += ", by " + a.By
	}
	if !a.Until.IsZero() {
		text += " until " + a.Until.Local().Format("2006-01-02 15:04:05Z07:00")
	}
	if a.Attempts > 0 {
		text += ", after " + many(int64(a.Attempts), "attempt")
	}
	return text
}
