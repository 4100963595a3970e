package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// printDead prints dead actions, the newest first, and what packs have missed. none is what to
// print if nothing is dead.
func printDead(w io.Writer, d control.Dead, none string) error {
	d = shown(d)
	var b strings.Builder
	if d.Total == 0 {
		b.WriteString(diag.Visible(none) + "\n")
	} else {
		b.WriteString(deadActions(int(d.Total)) + "\n")
	}
	for _, g := range d.Groups {
		fmt.Fprintf(&b, "  %s %s\n", thousands(g.Count), choose(g.HTTP == 0 && g.Code == 0, "without an answer", "by "+answered("", g.HTTP, g.Code)))
	}
	for i := range d.Dead {
		printDeadAction(&b, &d.Dead[i])
	}
	if n := d.Total - int64(len(d.Dead)); n > 0 && len(d.Dead) > 0 {
		fmt.Fprintf(&b, "and %s\n", many(n, "older one"))
	}
	if len(d.Missed) > 0 {
		b.WriteString("events that packs have missed:\n")
	}
	for _, m := range d.Missed {
		fmt.Fprintf(&b, "  %s %s, since %s", m.Pack, thousands(m.Events), minute(m.Since))
		if m.Earlier > 0 {
			fmt.Fprintf(&b, "; %s more than an hour ago\n", choose(m.Earlier == m.Events, "all", thousands(m.Earlier)))
			fmt.Fprintf(&b, "    hint: run %s", diag.PackCommand("retry-errors", m.Pack))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printDeadAction(b *strings.Builder, a *control.DeadAction) {
	by := a.Rule
	if a.Pack != "" {
		by = a.Pack + "/" + a.Rule
	}
	fmt.Fprintf(b, "%s  %s  %s: %s %s\n", a.ID, minute(a.Died), a.Kind, a.Why, choose(a.Attempts == 0, "without a call", "after "+many(int64(a.Attempts), "attempt")))
	fmt.Fprintf(b, "    in chat %s, by %s\n", a.Chat, by)
	if !a.First.IsZero() && a.Attempts > 1 && len(a.FailedAttempts) == 0 {
		fmt.Fprintf(b, "    the first %s, the last %s\n", minute(a.First), minute(a.Died))
	}
	fmt.Fprintf(b, "    %s\n", a.Error)
	if a.TraceID != "" && !strings.Contains(a.Error, a.TraceID) {
		fmt.Fprintf(b, "    trace %s\n", a.TraceID)
	}
	for i, x := range a.FailedAttempts {
		if i > 0 && x.N != a.FailedAttempts[i-1].N+1 {
			fmt.Fprintf(b, "    %s not kept\n", many(int64(x.N-a.FailedAttempts[i-1].N-1), "attempt"))
		}
		fmt.Fprintf(b, "    attempt %d, %s: %s", x.N, x.At.Local().Format(logTime), answered(a.Kind, x.HTTP, x.Code))
		if x.TraceID != "" {
			fmt.Fprintf(b, ", trace %s", x.TraceID)
		}
		if x.CallOf != "" {
			fmt.Fprintf(b, "\n      in the call of %s", x.CallOf)
		}
		b.WriteString("\n")
	}
}

// answered describes the answer of an attempt: "404, code 2002".
func answered(kind string, http, code int) string {
	switch {
	case http == 0 && code == 0:
		return "no answer"
	case kind == string(chat.Notify):
		return strconv.Itoa(http)
	case code == 0:
		return fmt.Sprintf("%d, not from Chert", http)
	}
	return fmt.Sprintf("%d, code %d", http, code)
}

// retriedWords returns the lines that describe the result of a retry.
func retriedWords(r control.DeadRetried) []string {
	r = shown(r)
	waits := func(n int) string { return choose(r.DryRun, " would wait", choose(n == 1, " waits", " wait")) }
	lines := []string{deadActions(r.Waiting) + waits(r.Waiting) + " to be called again"}
	if r.Blocked > 0 {
		lines = append(lines, deadActions(r.Blocked)+waits(r.Blocked)+" for a pack that can veto: see chertd packs")
	}
	for _, why := range slices.Sorted(maps.Keys(r.Dropped)) {
		lines = append(lines, fmt.Sprintf("%s%s: %s", deadActions(r.Dropped[why]), choose(r.DryRun, " would be dropped", " dropped"), why))
	}
	for _, why := range slices.Sorted(maps.Keys(r.Stay)) {
		n := r.Stay[why]
		because, fix := staysBecause(r, why, n)
		lines = append(lines, fmt.Sprintf("%s %s dead: %s", deadActions(n), choose(n == 1, "stays", "stay"), because), "hint: "+fix)
	}
	if r.NotDead > 0 {
		lines = append(lines, notDead(r.NotDead))
	}
	for _, a := range r.First {
		lines = append(lines, fmt.Sprintf("  %s  %s in chat %s: %s, %s", a.ID, a.Kind, a.Chat, a.Status, a.Why))
	}
	if n := r.Blocked + r.NotDead + sum(r.Dropped) + sum(r.Stay) - len(r.First); n > 0 && len(r.First) > 0 {
		lines = append(lines, fmt.Sprintf("  and %s more", thousands(int64(n))))
	}
	return lines
}

// staysBecause returns why n dead actions are not retried, and what to do.
func staysBecause(r control.DeadRetried, why string, n int) (because, fix string) {
	its := choose(n == 1, "its", "their")
	switch why {
	case chat.WhyUnknown:
		return "Chert may have carried " + choose(n == 1, "it", "them") + " out", "--repeat-unknown repeats such reactions; chertd dead drop ends them"
	case chat.WhyPackInactive:
		fix := make([]string, len(r.StayPacks))
		for i, pack := range r.StayPacks {
			fix[i] = diag.PackCommand("mode", pack, "live")
		}
		return its + " pack is off, in shadow or removed", "switch the pack on, then retry (" + strings.Join(fix, "; ") + "); chertd dead drop ends them"
	case chat.StaysRuleGone:
		return its + " rule is no longer in the pack (" + strings.Join(r.StayPacks, ", ") + "), or its version was rolled back", "add the rule again, then retry; chertd dead drop ends them"
	case chat.StaysRuleOff:
		return its + " rule is off or in shadow (pack " + strings.Join(r.StayPacks, ", ") + ")", "chertd status lists such rules, and chertd mode PACK/RULE --reset switches one on; then retry. chertd dead drop ends them"
	case chat.WhyBacklog:
		return "as many notifications as are kept wait for " + its + " target", "retry once fewer wait (chertd waiting --where kind=notify); chertd dead drop ends them"
	case chat.StaysLine:
		return "mark-read is not available on " + its + " line (4099)", retryLinesHint(r.StayLines)
	}
	return "a typing indicator is never repeated", "chertd dead drop ends them"
}

// retryLinesHint returns how to retry reads of phone lines on which mark-read is available again.
func retryLinesHint(lines []string) string {
	var forget []string
	for _, line := range lines {
		forget = append(forget, "chertd forget --line "+diag.ShellWord(line))
	}
	return "once Chert has enabled the line, run " + strings.Join(forget, " and ") + ", then " + retryUnsupported
}

// retryUnsupported is the command that retries reads of lines on which mark-read was not available.
const retryUnsupported = "chertd dead retry --code 4099"

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

func notDead(n int) string {
	return thousands(int64(n)) + choose(n == 1, " action is", " actions are") + " not dead any more, and not changed"
}

func deadActions(n int) string {
	return thousands(int64(n)) + choose(n == 1, " dead action", " dead actions")
}
