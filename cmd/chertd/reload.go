package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
)

func newReloadCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running daemon read the rules folder now",
		Long: `Has the running daemon read the rules folder now, as it does by itself when a
file changes (rules.watch), and shows the packs as they are then. Settings in
chertd.yaml are read again by SIGHUP.

Exits with 1 if what is in the folder is not live.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				packs, err := c.Reload(ctx)
				if err != nil {
					return err
				}
				if f.json {
					err = printJSON(cmd.OutOrStdout(), control.ListOf(packs))
				} else {
					err = showPacks(ctx, cmd, c, packs)
				}
				if err != nil {
					return err
				}
				return allLive(ctx, c, packs)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// allLive is an error if some pack, or the folder as a whole, is not live as it is.
func allLive(ctx context.Context, c *control.Client, packs []control.Pack) error {
	if len(packs) > 0 {
		return control.AllLive(packs)
	}
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	return hinted(fmt.Errorf("no rules are live"), strings.Join(s.Notes, "\n"))
}
