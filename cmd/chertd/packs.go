package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
)

func newPacksCommand() *cobra.Command {
	var f daemonFlags
	var diff bool
	var limit int
	cmd := &cobra.Command{
		Use:   "packs [PACK]",
		Short: "List packs: live version, mode, event and failure counts, rejected edits",
		Long: `Lists the packs of the running daemon: the live version and since when, the mode,
the number of rules, and on how many events the version ran and failed. If an edit
is not live, the reason and the lines to fix are listed below the pack. Files that
are not loaded because of their name or .chertignore come last (with --json, they
are in chertd status).

With PACK, it shows only that pack, with the versions you can roll back to.

With --diff, it shows how what packs request in shadow compares: with the live
version, for a candidate (chertd shadow), and else with what became of the chat.
It counts the events that agree and those that differ, and lists the newest that
differ. Two times of the same action that are within a second agree.`,
		Example: "  chertd packs\n  chertd packs codes\n  chertd packs --diff codes --limit 5\n  chertd packs --json",
		Args:    noneEmpty(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch given := cmd.Flags().Changed("limit"); {
			case given && !diff:
				return hinted(usageError("--limit is for --diff"), "for example chertd packs --diff --limit 5")
			case limit < 1 || limit > store.KeptDifferences:
				return usageError("--limit: expected 1 to %d, which is how many of a pack are kept, got %d", store.KeptDifferences, limit)
			case !given && f.json:
				limit = store.KeptDifferences
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if diff {
					return showDifferences(ctx, cmd, c, f.json, args, limit)
				}
				if len(args) == 1 {
					return showPack(ctx, cmd, c, f.json, args[0])
				}
				packs, err := c.Packs(ctx)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), control.ListOf(packs))
				}
				return showPacks(ctx, cmd, c, packs)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&diff, "diff", false, "compare what packs request in shadow with the live versions")
	cmd.Flags().IntVar(&limit, "limit", shownDifferences, "with --diff, list the newest `EVENTS` that differ; with --json, the default is all that are kept")
	cmd.AddCommand(newPacksRemoveCommand())
	return cmd
}

// showPacks prints the packs, and what is none for its name.
func showPacks(ctx context.Context, cmd *cobra.Command, c *control.Client, packs []control.Pack) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if err := printPacks(cmd.OutOrStdout(), packs); err != nil {
		return err
	}
	return printIgnored(cmd.OutOrStdout(), s.Ignored)
}

func showPack(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, name string) error {
	p, err := c.Pack(ctx, name)
	if err != nil {
		return err
	}
	if json {
		return printJSON(cmd.OutOrStdout(), p)
	}
	return printPack(cmd.OutOrStdout(), p)
}

func newPacksRemoveCommand() *cobra.Command {
	var f daemonFlags
	var keepPending bool
	cmd := &cobra.Command{
		Use:   "remove PACK",
		Short: "Remove a pack whose files were deleted",
		Long: `Removes a pack whose files were deleted: drops its pending reads and timers, and
ends its postponements. The daemon does this automatically after two seconds,
unless it is the last pack. The pack's stored data (ev.state, kv) and its versions
stay in the store.`,
		Example: "  chertd packs remove vip\n  chertd packs remove vip --keep-pending",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Remove(ctx, args[0], keepPending)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, r, fmt.Sprintf("pack %s is removed", args[0]), droppedLine(r.Dropped, keepPending))
			})
		},
	}
	f.add(cmd)
	keepPendingFlag(cmd, &keepPending)
	return cmd
}

func keepPendingFlag(cmd *cobra.Command, keep *bool) {
	cmd.Flags().BoolVar(keep, "keep-pending", false, "do not drop pending reads and timers")
}

// droppedLine returns a line about what a command dropped; "" if it dropped nothing.
func droppedLine(d live.Dropped, kept bool) string {
	if kept && d == (live.Dropped{}) {
		return ""
	}
	others := ""
	if d.Calls > 0 {
		others = fmt.Sprintf(", and %s", count(d.Calls, "other call"))
	}
	line := fmt.Sprintf("dropped: %s and %s%s", count(d.Reads, "waiting read"), count(d.Timers, "timer"), others)
	if d.Postponed > 0 {
		line += fmt.Sprintf("; %s %s no longer postponed", count(d.Postponed, "chat"), choose(d.Postponed == 1, "is", "are"))
	}
	return line
}
