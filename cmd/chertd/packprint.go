package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// packRow is the layout of a pack's line, given the widths of its name and of a
// time: 80 columns with a name of maxName and a time of UTC. A longer name has a
// line of its own before it.
const packRow = "%s  %-8s  %-*s  %-6s  %5s  %8s  %6s\n"

const maxName = 18

// printPacks prints a line a pack, and under it what is out of the ordinary.
func printPacks(w io.Writer, packs []control.Pack) error {
	if len(packs) == 0 {
		_, err := fmt.Fprintln(w, "no packs")
		return err
	}
	packs = shown(packs)
	span := len("2026-01-05 12:00Z")
	for _, p := range packs {
		span = max(span, len(minute(p.Since)))
	}
	longest := maxName + len("2026-01-05 12:00Z") - span
	width := len("PACK")
	for _, p := range packs {
		width = max(width, min(longest, uniseg.StringWidth(p.Name)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, packRow, pad("PACK", width), "VERSION", span, "LIVE SINCE", "MODE", "RULES", "EVENTS", "FAILED")
	for _, p := range packs {
		name := p.Name
		if uniseg.StringWidth(name) > longest {
			b.WriteString(name + "\n")
			name = ""
		}
		fmt.Fprintf(&b, packRow, pad(name, width), shortVersion(p.Version), span, minute(p.Since), choose(p.Version != "", p.Mode, "-"),
			fmt.Sprint(p.Rules), choose(p.Unknown == "", thousands(p.Events), "?"), choose(p.Unknown == "", thousands(p.Failures), "?"))
		for _, remark := range remarks(p) {
			b.WriteString("  " + strings.ReplaceAll(remark, "\n", "\n  ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printIgnored lists the files and folders whose names exclude them from the packs.
func printIgnored(w io.Writer, ignored []control.Ignored) error {
	if len(ignored) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("\nNot loaded because of their names:\n")
	for _, i := range shown(ignored) {
		fmt.Fprintf(&b, "  %s: %s\n    hint: %s\n", i.File, i.Why, i.Hint)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printPack prints all there is to say of one pack.
func printPack(w io.Writer, p control.Pack) error {
	edit := p.Edit
	p = shown(p)
	var b strings.Builder
	if err := printPacks(&b, []control.Pack{p}); err != nil {
		return err
	}
	if p.Path != "" {
		fmt.Fprintf(&b, "  files: %s\n", p.Path)
	}
	if p.Change != nil {
		if words := changeWords(p.Change); words != "" {
			fmt.Fprintf(&b, "  last edit: %s\n", strings.TrimPrefix(words, "; "))
		}
	}
	if edit != nil {
		b.WriteString("\n" + strings.Join(editWords(edit), "\n") + "\n")
	}
	if len(p.Versions) > 0 {
		const line = "  %-8s  %-17s  %-17s  %8s  %6s%s\n"
		fmt.Fprintf(&b, "\nVersion history, newest first:\n"+line, "VERSION", "FIRST LIVE", "LAST LIVE", "EVENTS", "FAILED", "")
		for _, v := range p.Versions {
			note := ""
			switch {
			case v.Version == p.Version:
				note = "  live"
			case p.Candidate != nil && v.Version == p.Candidate.Version:
				note = "  candidate"
			case v.RolledBack:
				note = "  rolled back"
			case v.Candidate:
				note = "  was a candidate"
			}
			fmt.Fprintf(&b, line, shortVersion(v.Version), minute(v.Since), minute(v.Last), thousands(v.Events), thousands(v.Failures), note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// editWords returns what an edit that is not live changes, line by line.
func editWords(e *control.Edit) []string {
	lines := []string{"Changes in the files that are not live:"}
	for _, f := range e.Files {
		lines = append(lines, "  "+diag.Visible(f.File+": "+f.Change))
		for _, text := range f.Diff {
			lines = append(lines, "    "+diag.Visible(strings.ReplaceAll(text, "\t", "    ")))
		}
		switch f.Note {
		case control.DiffNotText:
			lines = append(lines, "    it is not text")
		case control.DiffTooLarge:
			lines = append(lines, "    it is too large to compare")
		case control.DiffCut:
			lines = append(lines, "    and more")
		}
	}
	if e.More > 0 {
		lines = append(lines, "  and "+many(int64(e.More), "other file"))
	}
	return lines
}

// remarks returns notes about a pack, to print below its line.
func remarks(p control.Pack) (list []string) {
	if b := p.Blocked; b != nil {
		text := fmt.Sprintf("BLOCKS READS since %s\n  %s\n  %s missed, %s blocked", minute(b.Since), b.Why, many(b.Events, "event"), many(b.Reads, "read"))
		for _, fix := range b.Fix {
			text += "\n  hint: " + fix
		}
		list = append(list, text)
	} else if n := p.Missed - p.MissedEarlier; n > 0 {
		text := fmt.Sprintf("%s missed in the last hour\n  they run, oldest first, while a version of the pack works", many(n, "event"))
		if canGoBack(p) {
			text += "\n  hint: " + diag.PackCommand("rollback", p.Name) + " makes the previous version live"
		}
		list = append(list, text)
	}
	if n := p.MissedEarlier; n > 0 {
		list = append(list, fmt.Sprintf("%s missed more than an hour ago, %s blocked because of them\n  these events no longer run automatically", many(n, "event"), many(p.BlockedEarlier, "read")))
	}
	if p.Unknown != "" {
		list = append(list, "EVENTS and FAILED are unknown\n  "+p.Unknown)
	}
	switch p.ModeBy {
	case "", "default":
	case "command", "chertd.yaml", "pack.yaml":
		text := fmt.Sprintf("mode %s: by %s", modeWords(&p), p.ModeBy)
		if set := packSwitch(&p); set != nil && set.By != "" {
			text += "\n  set " + endWords(set)
		}
		if p.Share != "" {
			text += "\n  hint: " + diag.PackCommand("mode", p.Name, "live") + " makes it live in all chats\n  hint: " + diag.PackCommand("rollback", p.Name) + " ends it"
		}
		list = append(list, text)
	default:
		list = append(list, fmt.Sprintf("mode %s: %s\n  hint: %s", p.Mode, p.ModeBy, p.ModeHint))
	}
	for i := range p.Switches {
		if w := &p.Switches[i]; w.Rule != "" {
			list = append(list, switchWords(w, false)+"\n  set "+endWords(w))
		}
	}
	list = append(list, candidateRemarks(&p)...)
	list = append(list, suspensions(p)...)
	switch {
	case p.PinnedUntil == control.PinnedUntilUndo:
		list = append(list, "pinned by a rollback: edits do not go live\n  hint: "+diag.PackCommand("rollback", p.Name, "--undo")+" ends that")
	case p.Pinned && p.Gone:
		list = append(list, "rolled back: this version is live until the files are back")
	case p.Promoted && p.NotLive != "":
		list = append(list, "a candidate was made live: the next edit that passes goes live\n  "+promotedHint(&p))
	case p.Pinned && p.NotLive != "":
		list = append(list, "rolled back: the next edit that passes goes live")
	}
	if p.Gone {
		why := p.NotLive
		if why == "" || p.Pinned {
			why = "its files are gone"
		}
		text := why + "; its last version is still live\n  hint: to remove it, run: " + diag.PackCommand("packs remove", p.Name)
		if p.Version == "" && p.Blocked == nil {
			text = why + "; only what commands have set for it is kept\n  hint: to remove that, run: " + diag.PackCommand("packs remove", p.Name)
		}
		list = append(list, text)
	} else if p.NotLive != "" {
		text := "FILES ON DISK NOT LIVE: " + p.NotLive
		if p.Unread {
			text = "its files can't be read; its last version is still live: " + p.NotLive
		}
		for _, d := range p.Diagnostics {
			text += "\n  " + strings.ReplaceAll(d.String(), "\n", "\n  ")
		}
		list = append(list, text)
	}
	return list
}

// candidateRemarks returns notes about the version that runs beside the live one.
func candidateRemarks(p *control.Pack) []string {
	c := p.Candidate
	switch words := comparison(p); {
	case c == nil && words != "":
		return []string{strings.Replace("in shadow: "+words, "\n  ", "\n", 1)}
	case c == nil:
		return nil
	}
	where := "in shadow"
	if p.Share != "" {
		where = "live in " + p.Share + " of the chats, in shadow in the others"
	}
	if c.LimitReached != "" {
		where += ", as its share ended: " + c.LimitReached
	}
	if c.NotRunning != "" {
		where = "does not run: " + c.NotRunning
	}
	text := fmt.Sprintf("candidate %s: %s\n  %s handled, %s failed", shortVersion(c.Version), where, many(c.Events, "event"), thousands(c.Failures))
	if c.Suspended > 0 {
		text += "; " + count(c.Suspended, "rule") + " suspended"
	}
	if words := comparison(p); words != "" {
		text += "\n  " + words
	}
	return []string{text}
}

// comparison returns how what a pack requests in shadow compares; "" if nothing is known.
func comparison(p *control.Pack) string {
	x := p.Comparison
	if x == nil || x.Events == 0 {
		return ""
	}
	return fmt.Sprintf("%s compared: %s agree, %s differ\n    hint: %s lists them", many(x.Events, "event"), thousands(x.Agreed), thousands(x.Differ), diag.PackCommand("packs --diff", p.Name))
}

// canGoBack reports whether a rollback of a pack has a version to go to. Without a
// live version, the one that was live last is the one that can't be.
func canGoBack(p control.Pack) bool {
	versions := p.Versions
	if p.Version == "" && len(versions) > 0 {
		versions = versions[1:]
	}
	return slices.ContainsFunc(versions, func(v control.PackVersion) bool { return v.Version != p.Version && !v.RolledBack && !v.Candidate })
}

// shortVersion returns the first digits of a version, by which people name it.
func shortVersion(v string) string {
	if v == "" {
		return "none"
	}
	return v[:min(8, len(v))]
}

// tell prints how a command went: as JSON, or in lines, of which empty ones are left
// out.
func tell(cmd *cobra.Command, json bool, v any, lines ...string) error {
	if json {
		return printJSON(cmd.OutOrStdout(), v)
	}
	for _, line := range lines {
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), diag.Visible(line)); err != nil {
			return err
		}
	}
	return nil
}

// shownChats is how many of the chats in which a rule is suspended are listed.
const shownChats = 3

// suspensions returns the lines about rules that are suspended.
func suspensions(p control.Pack) (list []string) {
	chats := map[string]int{}
	for _, r := range p.Suspended {
		subject, where, until := subject(&r), "", " until "+minute(r.Until)
		if r.Probing {
			until = ": the next event tries it again"
		}
		switch r.Scope {
		case "one_chat":
			if chats[subject]++; chats[subject] > shownChats {
				continue
			}
			where = " in chat " + r.Chat
		case "no_chat":
			where = " for events without a chat"
		}
		list = append(list, fmt.Sprintf("%s is suspended%s%s\n  %s", subject, where, until, r.Why))
	}
	for _, subject := range slices.Sorted(maps.Keys(chats)) {
		if more := chats[subject] - shownChats; more > 0 {
			list = append(list, fmt.Sprintf("%s is suspended in %s", subject, count(more, "more chat")))
		}
	}
	if n := len(list); n > 0 && p.SuspendedHint != "" {
		list[n-1] += "\n  hint: " + p.SuspendedHint
	}
	return list
}

// subject names what is suspended.
func subject(r *control.RuleSuspension) string {
	if r.Rule == "" {
		return "every rule"
	}
	return fmt.Sprintf("rule %q", r.Rule)
}
