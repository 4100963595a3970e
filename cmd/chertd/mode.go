package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

var modeNames = []string{"live", "shadow", "off"}

func newModeCommand() *cobra.Command {
	var f daemonFlags
	var in control.ModeRequest
	cmd := &cobra.Command{
		Use:   "mode PACK live|shadow|off | --reset",
		Short: "Set a pack's mode: live, shadow (dry run) or off",
		Long: `Sets a pack's mode to live, to shadow (its actions are recorded but not carried
out) or to off. The mode survives restarts, and overrides chertd.yaml and
pack.yaml. --reset removes the override.

Setting shadow or off drops the pack's pending reads and timers, ends its
postponements, and prints how many there were; --keep-pending keeps them.`,
		Example: "  chertd mode codes shadow\n  chertd mode codes --reset",
		Args:    noneEmpty(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case in.Reset && len(args) == 2:
				return hinted(usageError("--reset takes no mode: it removes the override"), diag.PackCommand("mode", args[0], "--reset"))
			case !in.Reset && len(args) == 1:
				return hinted(usageError("the mode is missing: live, shadow, off, or --reset"), diag.PackCommand("packs", args[0])+" shows the mode that the pack has")
			case len(args) == 2:
				in.Mode = args[1]
			}
			if !in.Reset && !slices.Contains(modeNames, in.Mode) {
				err := usageError("there is no mode %q: expected %s", in.Mode, strings.Join(modeNames, ", "))
				if near := diag.Suggest(in.Mode, modeNames); near != "" {
					return hinted(err, "did you mean "+near+"?")
				}
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.SetMode(ctx, args[0], in)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, p, fmt.Sprintf("pack %s: mode %s, by %s", p.Name, p.Mode, p.ModeBy), droppedLine(p.Dropped, p.Mode == "live" || in.KeepPending))
			})
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return modeNames, cobra.ShellCompDirectiveNoFileComp
			}
			return f.packNames(cmd, args, typed)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&in.Reset, "reset", false, "remove the override: chertd.yaml or pack.yaml decides")
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}
