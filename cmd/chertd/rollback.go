package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
)

func newRollbackCommand() *cobra.Command {
	var f daemonFlags
	var in control.RollbackRequest
	cmd := &cobra.Command{
		Use:   "rollback PACK [VERSION]",
		Short: "Make an earlier version of a pack live",
		Long: `Makes a version of a pack live that was live before: the one before the live
one that did not fail on more than a fifth of its events, if there is one, or
VERSION, of which the first digits do. What the version that goes still
has waiting is cancelled. It stays until the pack's files change, or with --keep
also then: until the next rollback.`,
		Example: "  chertd rollback codes\n  chertd rollback codes 3f786850 --keep",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				in.Version = args[1]
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.Rollback(ctx, args[0], in)
				if err != nil {
					return err
				}
				until := "until its files change"
				if in.Keep {
					until = "also when its files change"
				}
				if !p.Pinned {
					until = "as its files have it"
				}
				failed := ""
				if p.Failures > 0 {
					failed = fmt.Sprintf("; warning: it failed on %s of its %s before: chertd packs %s lists the others", thousands(p.Failures), many(p.Events, "event"), p.Name)
				}
				return tell(cmd, f.json, p, "pack %s: version %s is live, %s%s", p.Name, shortVersion(p.Version), until, failed)
			})
		},
		ValidArgsFunction: f.packNames,
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&in.Keep, "keep", false, "keep this version live even when the pack's files change")
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}
