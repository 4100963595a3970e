package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

func newRollbackCommand() *cobra.Command {
	var f daemonFlags
	var in control.RollbackRequest
	cmd := &cobra.Command{
		Use:   "rollback PACK [VERSION]",
		Short: "Restore an earlier version of a pack",
		Long: `Restores an earlier version of a pack. VERSION may be shortened to any unique
prefix. Without VERSION, the previous version is restored; versions that failed on
more than a fifth of their events are skipped if there is a better one.

While the pack has a candidate (chertd shadow), rollback without VERSION ends the
candidate, and the live version stays live in all chats. While the pack is live in a
share of the chats without a candidate, it puts the pack in shadow in all of them.
With VERSION, a candidate ends as well.

The rollback lasts until the pack's files change. With --pin it lasts until the
next rollback, or until --undo, which makes the pack's files live again.

Pending reads and timers of the outgoing version are dropped and counted;
--keep-pending keeps them. Its postponements stay in force until they end.`,
		Example: "  chertd rollback codes\n  chertd rollback codes 3f786850 --pin\n  chertd rollback codes --undo",
		Args:    noneEmpty(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				in.Version = args[1]
			}
			if in.Undo && (in.Pin || in.Version != "") {
				return hinted(usageError("--undo makes the pack's files live again: it takes no VERSION and no --pin"), diag.PackCommand("rollback", args[0], "--undo"))
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.Rollback(ctx, args[0], in)
				if err != nil {
					return err
				}
				if p.Ended != nil && in.Version == "" && !in.Pin {
					return tell(cmd, f.json, p, endedLine(&p), droppedLine(p.Dropped, in.KeepPending))
				}
				until := "until its files change"
				if in.Pin {
					until = "even if its files change; to end that, run: " + diag.PackCommand("rollback", p.Name, "--undo")
				}
				if !p.Pinned {
					until = "matching the files on disk"
				}
				unfit, notLive := "", "its files are not live"
				if slices.ContainsFunc(p.Diagnostics, func(d diag.Diagnostic) bool { return d.Code == codeNoSetting && d.Severity == diag.SeverityError }) {
					unfit = fmt.Sprintf("warning: settings in chertd.yaml do not fit it; to see which, and what it runs with, run: chertd packs %s", diag.ShellWord(p.Name))
					notLive = "its files are not live with the settings of chertd.yaml"
				}
				if in.Undo && p.NotLive != "" {
					if !f.json {
						if err := printPacks(cmd.OutOrStdout(), []control.Pack{p.Pack}); err != nil {
							return err
						}
					} else if err := printJSON(cmd.OutOrStdout(), p); err != nil {
						return err
					}
					return hinted(fmt.Errorf("no rollback of pack %s is in force, and %s: %s", p.Name, notLive, p.NotLive), "chertd check "+diag.ShellWord(p.Path))
				}
				failed := ""
				if p.Failures > 0 {
					failed = fmt.Sprintf("warning: this version failed on %s of its %s before; to list the others, run: %s", thousands(p.Failures), many(p.Events, "event"), diag.PackCommand("packs", p.Name))
				}
				return tell(cmd, f.json, p, endedLine(&p), fmt.Sprintf("pack %s: version %s is live, %s", p.Name, shortVersion(p.Version), until), droppedLine(p.Dropped, in.KeepPending), failed, unfit)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&in.Pin, "pin", false, "keep this version live even when the pack's files change")
	cmd.Flags().BoolVar(&in.Undo, "undo", false, "make the pack's files live again")
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}

// endedLine returns a line about a candidate or a share that a rollback has ended; "": none.
func endedLine(p *control.Changed) string {
	switch e := p.Ended; {
	case e == nil:
		return ""
	case e.Candidate != "" && e.Share != "":
		return fmt.Sprintf("pack %s: candidate %s ended, which was live in %s of the chats; version %s is live in all", p.Name, shortVersion(e.Candidate), e.Share, shortVersion(p.Version))
	case e.Candidate != "":
		return fmt.Sprintf("pack %s: candidate %s ended, which was in shadow; version %s is live", p.Name, shortVersion(e.Candidate), shortVersion(p.Version))
	}
	return fmt.Sprintf("pack %s: it is no longer live in %s of the chats; version %s is in shadow in all", p.Name, p.Ended.Share, shortVersion(p.Version))
}
