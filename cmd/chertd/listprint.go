package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// printLists prints all lists.
func (f *listFlags) printLists(cmd *cobra.Command, all []control.List) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), control.Lists{Lists: all})
	}
	if len(all) == 0 {
		return tell(cmd, false, nil, "there are no lists; chertd.yaml declares them: rules: {lists: {vips: {writable: true}}}")
	}
	var lines [][]string
	for _, l := range all {
		lines = append(lines, []string{l.Name, many(int64(l.Members), "member"), fmt.Sprintf("version %d", l.Version), listNote(&l)})
	}
	return printColumns(cmd, lines)
}

// listNote returns what commands can do with a list.
func listNote(l *control.List) string {
	switch {
	case !l.Declared:
		return "not in chertd.yaml: no rule can use it"
	case !l.Writable:
		return "not writable"
	}
	return "writable"
}

// printMembers prints members of a list.
func (f *listFlags) printMembers(cmd *cobra.Command, l control.ListShown) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), l)
	}
	lines := []string{fmt.Sprintf("list %s: %s, version %d, %s", l.Name, many(int64(l.Members), "member"), l.Version, listNote(&l.List))}
	if f.member != "" && len(l.Shown) == 0 {
		lines = append(lines, fmt.Sprintf("%s is not on it", f.member))
	}
	if err := tell(cmd, false, nil, lines...); err != nil {
		return err
	}
	var rows [][]string
	for _, m := range l.Shown {
		rows = append(rows, []string{"  " + m.Member, memberWords(&m)})
	}
	if err := printColumns(cmd, rows); err != nil || !l.More {
		return err
	}
	last := l.Shown[len(l.Shown)-1].Member
	return tell(cmd, false, nil, fmt.Sprintf("there are more: chertd list %s --after %s", l.Name, diag.ShellWord(last)))
}

// memberWords returns who added a member, when, until when it counts, and why.
func memberWords(m *control.ListMember) string {
	text := fmt.Sprintf("since %s by %s", minute(m.Since), m.By)
	if !m.Until.IsZero() {
		text += " until " + minute(m.Until)
	}
	if m.Reason != "" {
		text += ": " + m.Reason
	}
	return text
}

// printHistory prints the changes of a list.
func (f *listFlags) printHistory(cmd *cobra.Command, h control.ListHistory) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), h)
	}
	if len(h.Changes) == 0 {
		return tell(cmd, false, nil, fmt.Sprintf("list %s has no changes", h.Name))
	}
	var rows [][]string
	for _, c := range h.Changes {
		what := c.Action + " " + c.Member
		if !c.Until.IsZero() {
			what += " until " + minute(c.Until)
		}
		if c.Reason != "" {
			what += ": " + c.Reason
		}
		rows = append(rows, []string{minute(c.At), fmt.Sprintf("version %d", c.Version), c.By, what})
	}
	if err := printColumns(cmd, rows); err != nil || !h.More {
		return err
	}
	return tell(cmd, false, nil, olderChanges(f.limit))
}

// olderChanges says how to see older changes than those that a limit lets through.
func olderChanges(limit int) string {
	if limit >= control.MaxListShown {
		return fmt.Sprintf("there are older ones: at most %s are printed, and the table list_changes of the store has all", thousands(control.MaxListShown))
	}
	return fmt.Sprintf("there are older ones: --limit %d shows more", min(10*limit, control.MaxListShown))
}

// printColumns prints rows of columns.
func printColumns(cmd *cobra.Command, rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := slices.Clone(row)
		for i := range cells {
			cells[i] = diag.Visible(strings.ReplaceAll(cells[i], "\t", " "))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

// changedWords returns the lines that describe a change of a list.
func changedWords(l control.ListChanged) []string {
	var parts []string
	unchanged := l.Unchanged
	if len(l.NotThere) > 0 {
		unchanged = 0 // of a removal, all that were not on it
	}
	for _, part := range []struct {
		n    int
		what string
	}{{l.Added, "added"}, {l.Updated, "updated"}, {l.Removed, "removed"}, {unchanged, "unchanged"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(int64(part.n)), part.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing changed"}
	}
	lines := []string{fmt.Sprintf("list %s: %s; it has %s now, version %d", l.Name, strings.Join(parts, ", "), many(int64(l.Members), "member"), l.Version)}
	if len(l.NotThere) > 0 {
		text := "not on it: " + strings.Join(l.NotThere, ", ")
		if more := l.Unchanged - len(l.NotThere); more > 0 {
			text += fmt.Sprintf(" and %s more", thousands(int64(more)))
		}
		lines = append(lines, text)
	}
	if len(l.Skipped) > 0 {
		lines = append(lines, many(int64(len(l.Skipped)), "row")+" left out")
	}
	return lines
}

// listWords returns how a list that an event's rules looked at decided, for explain.
func listWords(l *control.ExplainedList) []string {
	text := fmt.Sprintf("list %s, version %d: ", l.Name, l.Version)
	var lines []string
	for i := range l.Members {
		m := &l.Members[i]
		lines = append(lines, text+m.Member+" is a member "+memberWords(m))
	}
	if len(lines) == 0 {
		lines = append(lines, text+"neither its sender nor its chat is a member")
	}
	if l.Now != l.Version {
		lines = append(lines, fmt.Sprintf("the list has changed since: this is how it is now, version %d", l.Now))
	}
	return lines
}
