package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// shownDifferences is how many differing events of a pack are printed by default; --json has
// all that are kept.
const shownDifferences = 20

// showDifferences prints how what packs request in shadow compares: of one pack, or of all
// of which something runs in shadow.
func showDifferences(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, args []string, limit int) error {
	names := args
	if len(args) == 0 {
		packs, err := c.Packs(ctx)
		if err != nil {
			return err
		}
		for i := range packs {
			if packs[i].Comparison != nil {
				names = append(names, packs[i].Name)
			}
		}
	}
	all := []control.Differences{}
	for _, name := range names {
		d, err := c.Differences(ctx, name, limit)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	switch {
	case json && len(args) == 1:
		return printJSON(cmd.OutOrStdout(), all[0])
	case json:
		return printJSON(cmd.OutOrStdout(), differencesList{all})
	case len(all) == 0:
		return tell(cmd, false, nil, "no pack runs in shadow, or has a candidate")
	}
	for i := range all {
		if err := printDifferences(cmd.OutOrStdout(), all[i]); err != nil {
			return err
		}
	}
	return nil
}

// differencesList is what packs --diff --json prints without a pack.
type differencesList struct {
	Packs []control.Differences `json:"packs"`
}

// printDifferences prints the counts of a pack, and the events that differ.
func printDifferences(w io.Writer, d control.Differences) error {
	d = shown(d)
	var b strings.Builder
	c := d.Comparison
	if c == nil {
		fmt.Fprintf(&b, "pack %s: nothing of it runs in shadow\n  hint: %s runs a changed version beside the live one\n", d.Pack, diag.PackCommand("shadow", d.Pack, "PATH"))
		_, err := io.WriteString(w, b.String())
		return err
	}
	fmt.Fprintf(&b, "%s\n", comparedWords(d.Pack, c))
	for _, line := range differenceLines(c) {
		b.WriteString("  " + line + "\n")
	}
	for i := range d.Events {
		e := &d.Events[i]
		where := "no chat"
		if e.Chat != "" {
			where = "chat " + e.Chat
		}
		fmt.Fprintf(&b, "\n%s  %s  %s  event %s\n", minute(e.At), differenceWords(e.Result), where, e.Event)
		if c.Against == "" {
			requests(&b, "in shadow", e.Candidate)
			for _, read := range e.Reads {
				fmt.Fprintf(&b, "  %-9s  %s\n", "the chat", read)
			}
			if len(e.Reads) == 0 {
				fmt.Fprintf(&b, "  %-9s  no read on this event\n", "the chat")
			}
			continue
		}
		requests(&b, "live", e.Live)
		requests(&b, "candidate", e.Candidate)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// requests prints what the rules of a version requested on an event.
func requests(b *strings.Builder, who string, all []control.RuleRequests) {
	n := 0
	for i := range all {
		r := &all[i]
		what := strings.Join(r.Asked, ", ")
		switch {
		case r.Error != "":
			what = "failed: " + r.Error
		case r.Skipped != "":
			what = "skipped: " + r.Skipped
		case what == "":
			what = "nothing"
		}
		fmt.Fprintf(b, "  %-9s  %s (%s, %s)\n", who, what, r.Rule, r.Place)
		n++
	}
	if n == 0 {
		fmt.Fprintf(b, "  %-9s  no rule wants it\n", who)
	}
}

// comparedWords returns how many events agree, and with what they were compared.
func comparedWords(pack string, c *control.Comparison) string {
	what := fmt.Sprintf("pack %s: candidate %s against live %s", pack, shortVersion(c.Version), shortVersion(c.Against))
	if c.Against == "" {
		what = fmt.Sprintf("pack %s: version %s in shadow against what became of the chats", pack, shortVersion(c.Version))
	}
	if c.Events == 0 {
		return what + "\n  no event yet"
	}
	return fmt.Sprintf("%s\n  %s since %s: %s agree, %s differ", what, many(c.Events, "event"), minute(c.Since), thousands(c.Agreed), thousands(c.Differ))
}

// differenceLines returns how many events differ in what way.
func differenceLines(c *control.Comparison) (lines []string) {
	for _, x := range []struct {
		n      int64
		result string
	}{
		{c.FailedLive, "failed_live"}, {c.FailedCandidate, "failed_candidate"}, {c.Veto, "veto"}, {c.ReadLive, "read_live"},
		{c.ReadCandidate, "read_candidate"}, {c.Time, "time"}, {c.Other, "other"},
	} {
		if x.n > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", differenceWords(x.result), thousands(x.n)))
		}
	}
	return lines
}

// differenceWords returns a kind of difference in words.
func differenceWords(result string) string {
	switch result {
	case "failed_live":
		return "only the live version failed"
	case "failed_candidate":
		return "failed in shadow only"
	case "veto":
		return "a veto differs"
	case "read_live":
		return "read only by the live version"
	case "read_candidate":
		return "read only in shadow"
	case "time":
		return "at another time"
	case "other":
		return "other actions differ"
	}
	return result
}
