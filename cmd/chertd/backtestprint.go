package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/backtest"
	"chertd/rules/chat"
)

// write prints the report in a format.
func (r *backtestReport) write(cmd *cobra.Command, format string) error {
	switch format {
	case "json":
		return printJSON(cmd.OutOrStdout(), r)
	case "junit":
		return r.junit(cmd.OutOrStdout())
	case "github":
		return r.github(cmd.OutOrStdout())
	}
	return r.pretty(cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// kindWords are what people read about each kind of difference.
var kindWords = []struct {
	kind  backtest.Kind
	title string // of the list
	of    func(*backtestReport) int
}{
	{backtest.Added, "only the candidate reads", func(r *backtestReport) int { return r.Added }},
	{backtest.Left, "only the live rules read", func(r *backtestReport) int { return r.Left }},
	{backtest.Earlier, "the candidate reads earlier", func(r *backtestReport) int { return r.Earlier }},
	{backtest.Later, "the candidate reads later", func(r *backtestReport) int { return r.Later }},
	{backtest.OtherRule, "another rule reads", func(r *backtestReport) int { return r.OtherRule }},
}

// pretty prints the report for people.
func (r *backtestReport) pretty(w, stderr io.Writer) error {
	safe := shown(*r)
	r = &safe
	var b, found bytes.Buffer
	for _, d := range r.left {
		fmt.Fprintln(&found, shown(d))
	}
	fmt.Fprintf(&b, "candidate %s, compared with %s\n", r.Candidate, r.Live)
	r.packLines(&b)
	fmt.Fprintf(&b, "%s in %s%s\n", many(int64(r.Events), "event"), many(int64(r.Chats), "chat"), r.period())
	if r.Warmup.Events > 0 {
		fmt.Fprintf(&b, "warm-up: %s before, from %s; state that is older is missing\n", many(int64(r.Warmup.Events), "event"), minute(r.Warmup.First))
	}
	r.table(&b)
	r.lists(&b)
	for _, f := range r.CandidateSide.Failing {
		fmt.Fprintf(&found, "%s: error: rule %s of the candidate failed %s; the first: %s\n", f.Place, f.Rule, times(f.Failures), f.First)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, c := range r.Conditions {
		fmt.Fprintf(&b, "%s %s (%s)\n", choose(c.Holds, "FAIL", "ok  "), c.Text, c.Found)
	}
	if r.Total() == 0 {
		fmt.Fprintln(&b, "no differences")
	} else {
		fmt.Fprintf(&b, "%s in %s\n", many(int64(r.Total()), "difference"), many(int64(r.DifferingChats), "chat"))
	}
	if _, err := stderr.Write(found.Bytes()); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func times(n int) string { return choose(n == 1, "once", fmt.Sprintf("%d times", n)) }

// period returns when the events were received.
func (r *backtestReport) period() string {
	if r.Events == 0 {
		return ""
	}
	return fmt.Sprintf(", received from %s to %s", minute(r.First), minute(r.Last))
}

// packLines prints which packs differ.
func (r *backtestReport) packLines(b *bytes.Buffer) {
	same := 0
	for _, p := range r.Packs {
		switch p.Change {
		case "unchanged":
			same++
		case "added":
			fmt.Fprintf(b, "  pack %s: new, %s, %s\n", p.Name, rules.ShortOf(p.Candidate), p.CandidateMode)
		case "removed":
			fmt.Fprintf(b, "  pack %s: removed, was %s, %s\n", p.Name, rules.ShortOf(p.Live), p.LiveMode)
		default:
			mode := string(p.CandidateMode)
			if p.LiveMode != p.CandidateMode {
				mode = string(p.LiveMode) + " → " + mode
			}
			version := rules.ShortOf(p.Live) + " → " + rules.ShortOf(p.Candidate)
			if p.Live == p.Candidate {
				version = rules.ShortOf(p.Live)
			}
			fmt.Fprintf(b, "  pack %s: %s, %s\n", p.Name, version, mode)
		}
	}
	if same > 0 {
		fmt.Fprintf(b, "  %s unchanged\n", many(int64(same), "pack"))
	}
}

// shownRules is how many rows of differences by rule are shown.
const shownRules = 30

// table prints the numbers of both sides.
func (r *backtestReport) table(b *bytes.Buffer) {
	a, c := &r.LiveSide, &r.CandidateSide
	fmt.Fprintf(b, "\n%-16s %10s %10s\n", "", "live", "candidate")
	for _, row := range []struct {
		what        string
		live, other int
		always      bool
	}{
		{"reads", a.Reads, c.Reads, true},
		{"typing", a.Typing, c.Typing, false}, {"reactions", a.Reacts, c.Reacts, false}, {"messages sent", a.Sends, c.Sends, false}, {"notifications", a.Notifies, c.Notifies, false},
		{"reads vetoed", a.Dropped["vetoed"], c.Dropped["vetoed"], false},
		{"reads held", a.Dropped["held"], c.Dropped["held"], false},
		{"superseded", a.Dropped["superseded"], c.Dropped["superseded"], false},
		{"only_if unknown", a.Dropped[chat.WhyAnswerUnknown], c.Dropped[chat.WhyAnswerUnknown], false},
		{"over the limit", a.Dropped["limit_reached"], c.Dropped["limit_reached"], false},
		{"reads blocked", a.Dropped["blocked"], c.Dropped["blocked"], false},
		{"reads in shadow", a.Dropped["shadow"], c.Dropped["shadow"], false},
		{"rule failures", a.Failures, c.Failures, true},
		{"suspended", a.Suspended, c.Suspended, false},
	} {
		if row.always || row.live+row.other > 0 {
			change := ""
			if row.live != row.other {
				change = backtest.ChangeWords(row.live, row.other)
			}
			fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%-16s %10s %10s  %s", row.what, thousands(int64(row.live)), thousands(int64(row.other)), change), " "))
		}
	}
	fmt.Fprintf(b, "\nadded %s, left %s, earlier %s, later %s", thousands(int64(r.Added)), thousands(int64(r.Left)), thousands(int64(r.Earlier)), thousands(int64(r.Later)))
	if r.OtherRule > 0 {
		fmt.Fprintf(b, "; by another rule %s", thousands(int64(r.OtherRule)))
	}
	if r.Unknown > 0 {
		fmt.Fprintf(b, "; unknown %s", thousands(int64(r.Unknown)))
	}
	fmt.Fprint(b, "\n")
	for i, by := range r.ByRule {
		if i == shownRules {
			fmt.Fprintf(b, "  %s more; --format json has all of them\n", many(int64(len(r.ByRule)-i), "rule"))
			break
		}
		fmt.Fprintf(b, "  %-10s %8s  %s (%s)\n", by.Kind, thousands(int64(by.Differences)), by.Rule, by.Place)
	}
	fmt.Fprintln(b)
}

// lists prints the differences.
func (r *backtestReport) lists(b *bytes.Buffer) {
	for _, k := range kindWords {
		listed := 0
		for i := range r.Differences {
			d := &r.Differences[i]
			if d.Kind != k.kind {
				continue
			}
			if listed++; listed == 1 {
				fmt.Fprintf(b, "%s: %s\n", k.kind, k.title)
			}
			fmt.Fprintf(b, "  %s\n", d.message())
			if d.Text != "" {
				fmt.Fprintf(b, "    \"%s\"\n", cut(d.Text, 70))
			}
			fmt.Fprintf(b, "    live       %s\n", fateWords(&d.Difference, &d.Live))
			fmt.Fprintf(b, "    candidate  %s\n", fateWords(&d.Difference, &d.Candidate))
		}
		if more := k.of(r) - listed; more > 0 && listed > 0 {
			fmt.Fprintf(b, "  %s more; --limit lists more of them, --all lists all\n", thousands(int64(more)))
		}
		if listed > 0 {
			fmt.Fprintln(b)
		}
	}
}

// message returns the messages of a difference in words.
func (d *backtestDifference) message() string {
	switch d.Messages {
	case 0:
		return fmt.Sprintf("%s  chat %s, messages that came before all events", stamp(d.At), d.Chat)
	case 1:
		return fmt.Sprintf("%s  chat %s, event %s", stamp(d.At), d.Chat, d.Event)
	}
	return fmt.Sprintf("%s  chat %s, event %s, the last of %d messages", stamp(d.At), d.Chat, d.Event, d.Messages)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05Z07:00") }

// fateWords returns what a side did with the messages of a difference.
func fateWords(d *backtest.Difference, f *backtest.Fate) string {
	if f.Read == nil {
		return "unread: " + reasonWords(f.Unread)
	}
	at := "at " + stamp(f.Read.At)
	if after := f.Read.At.Sub(d.At).Round(time.Millisecond); d.Messages > 0 && after < 24*time.Hour {
		at = choose(after == 0, "immediately", fmt.Sprintf("after %s", diag.Duration(after)))
	}
	text := fmt.Sprintf("read %s by %s (%s)", at, f.Read.Rule, f.Read.Place)
	if f.Read.Waits {
		text = fmt.Sprintf("still waits at the end: to be read %s by %s (%s)", at, f.Read.Rule, f.Read.Place)
	}
	if f.Read.Reason != "" {
		text += ": " + f.Read.Reason
	}
	return text
}

// reasonWords returns why messages are unread.
func reasonWords(r *backtest.Reason) string {
	if r == nil {
		return "no rule reads it"
	}
	rule, by := placed(r.Rule, r.Place), placed(r.By, r.ByPlace)
	switch r.Why {
	case backtest.WhyNoRule:
		return "there is no rule " + r.Rule
	case backtest.WhyRefused, backtest.WhySkipped:
		return rule + " did not run: " + r.Detail
	case backtest.WhyNotRequested:
		return rule + " requested no read"
	case backtest.WhyFailed:
		return rule + " failed: " + r.Detail
	case backtest.WhyKeptUnread:
		return "kept unread by " + by
	}
	text := "the read of " + rule
	switch r.Why {
	case chat.WhyVetoed, chat.WhyHeld, chat.WhySuperseded, chat.WhyCancelled, chat.WhyBlocked:
		text += " was " + r.Why
	case chat.WhyShadow:
		text += " was requested in shadow mode"
	default:
		text += " was dropped: " + r.Why
	}
	if r.By != "" {
		text += " by " + by
	}
	return text
}

func placed(rule, place string) string {
	if place == "" {
		return rule
	}
	return rule + " (" + place + ")"
}
