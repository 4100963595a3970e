package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// selectionHold holds the chats of a selection: it counts them first, and asks.
func selectionHold(cmd *cobra.Command, f *daemonFlags, in control.HoldRequest, yes bool) error {
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		preview := in
		preview.DryRun = true
		p, err := c.HoldSelection(ctx, preview)
		if err != nil {
			return err
		}
		question := fmt.Sprintf("hold %s until %s? %s", p.Where, minute(p.Until), selectionWords(&p))
		if err := confirm(cmd, yes, question); err != nil {
			return err
		}
		h, err := c.HoldSelection(ctx, in)
		if err != nil {
			return err
		}
		return tell(cmd, f.json, h, heldSelectionWords(f, &h)...)
	})
}

// selectionWords describes which chats a hold concerns.
func selectionWords(h *control.HeldSelection) string {
	more := func(n int64) string { return choose(n < control.CountedHolds, "", " or more") }
	text := fmt.Sprintf("It concerns %s%s known; ", many(h.KnownChats, "chat"), more(h.KnownChats))
	if h.WaitingChats == 0 {
		return text + "nothing waits in any of them"
	}
	return text + fmt.Sprintf("something waits in %s, and reads of these are dropped", many(h.WaitingChats, "chat"))
}

// heldSelectionWords returns the lines that describe the result of such a hold.
func heldSelectionWords(f *daemonFlags, h *control.HeldSelection) []string {
	end := "hint: to end it early, run " + f.daemonCommand(fmt.Sprintf("release --id %d", h.ID))
	if h.Longer {
		return []string{
			fmt.Sprintf("%s is already held until %s, by %s (hold %d), which is longer and stays in force", h.Where, minute(h.Until), h.By, h.ID),
			end,
		}
	}
	return []string{fmt.Sprintf("%s is held until %s, by %s (hold %d). %s", h.Where, minute(h.Until), h.By, h.ID, selectionWords(h)), end}
}

// selectionRelease ends the hold of a selection.
func selectionRelease(cmd *cobra.Command, f *daemonFlags, in control.ReleaseRequest) error {
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		r, err := c.ReleaseSelection(ctx, in)
		if err != nil {
			return err
		}
		var lines []string
		for i := range r.Ended {
			h := &r.Ended[i]
			lines = append(lines, fmt.Sprintf("%s is released (hold %d); it was held until %s, by %s", h.Where, h.ID, minute(h.Until), h.By))
		}
		return tell(cmd, f.json, r, append(lines, "reads that were dropped do not return; holds of single chats stay in force")...)
	})
}

// listedHolds is what hold --list --json prints: fields of chertd status.
type listedHolds struct {
	Holds          *control.Holds          `json:"holds,omitempty"`
	HeldSelections []control.SelectionHold `json:"held_selections,omitempty"`
	Unknown        string                  `json:"unknown,omitempty"`
}

// listHolds lists the holds in force.
func listHolds(cmd *cobra.Command, f *daemonFlags) error {
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		lines := append(heldSelectionsShown(s.HeldSelections), heldChats(s.Holds)...)
		switch {
		case s.Unknown != "":
			lines = append(lines, "holds of single chats are unknown: "+s.Unknown)
		case len(lines) == 0:
			lines = []string{"nothing is held"}
		}
		return tell(cmd, f.json, listedHolds{s.Holds, s.HeldSelections, s.Unknown}, lines...)
	})
}

// heldSelectionsShown lists the holds of selections, those that end last first.
func heldSelectionsShown(all []control.SelectionHold) (list []string) {
	for i := range all {
		h := &all[i]
		list = append(list, fmt.Sprintf("%s, all its chats: until %s, by %s%s (hold %d)", h.Where, minute(h.Until), h.By, choose(h.Reason == "", "", ": "+h.Reason), h.ID))
	}
	return list
}

// stillHeld returns the lines about holds of selections that a release of one chat leaves in force.
func stillHeld(f *daemonFlags, r *control.Released) (lines []string) {
	for i := range r.StillHeld {
		h := &r.StillHeld[i]
		lines = append(lines,
			fmt.Sprintf("chat %s stays held with %s until %s, by %s (hold %d)", r.Chat, h.Where, minute(h.Until), h.By, h.ID),
			"hint: to end that for all its chats, run "+f.daemonCommand(fmt.Sprintf("release --id %d", h.ID)))
	}
	return lines
}

// checkWhere rejects pairs that are empty. They come from an unset shell variable, and must not choose
// everything.
func checkWhere(where []string) error {
	for _, pair := range where {
		if _, value, ok := strings.Cut(pair, "="); !ok || strings.TrimSpace(value) == "" {
			return hinted(usageError("--where: expected KEY=VALUE, got %q", pair), "for example --where line="+diag.ShellWord("+14155550100"))
		}
	}
	return nil
}
