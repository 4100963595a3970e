package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/live"
)

func newPacksCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "packs [PACK]",
		Short: "Show which version of each pack is live, and which edit is not",
		Long: `Shows the packs of the running daemon: the version that is live and since when,
the mode, how many rules, and on how many events the version ran and failed. An
edit that is not live is shown with the reason and the places. At the end stands
what is not loaded because its name is that of a copy, or .chertignore says so
(with --json: in status).

With PACK it shows that one, with the versions it can be rolled back to.`,
		Example: "  chertd packs\n  chertd packs codes\n  chertd packs --json",
		Args:    noneEmpty(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
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
		ValidArgsFunction: f.packNames,
	}
	f.add(cmd)
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
		Short: "Forget a pack whose files are gone",
		Long: `Forgets a pack whose files are gone, drops the reads and timers that it still has
waiting, and ends what it has postponed. The daemon does so two seconds after they are gone, unless no other
pack is left. What the pack remembers (state, kv) and its versions stay in the store.`,
		Args: noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Remove(ctx, args[0], keepPending)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, r, fmt.Sprintf("pack %s is removed", args[0]), droppedLine(r.Dropped, keepPending))
			})
		},
		ValidArgsFunction: f.packNames,
	}
	f.add(cmd)
	keepPendingFlag(cmd, &keepPending)
	return cmd
}

func keepPendingFlag(cmd *cobra.Command, keep *bool) {
	cmd.Flags().BoolVar(keep, "keep-pending", false, "let what it has waiting be carried out")
}

// droppedLine is the line that says what a command dropped; "" if it kept all.
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
		line += fmt.Sprintf("; %s %s postponed no longer", count(d.Postponed, "chat"), choose(d.Postponed == 1, "is", "are"))
	}
	return line
}
