package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
)

var modeNames = []string{"live", "shadow", "off", "default"}

func newModeCommand() *cobra.Command {
	var f daemonFlags
	var in control.ModeRequest
	cmd := &cobra.Command{
		Use:   "mode PACK live|shadow|off|default",
		Short: "Say whether a pack acts, only records what it would do, or rests",
		Long: `Sets a pack's mode, also across restarts: live; shadow, in which what it asks for
is recorded and not carried out; or off. default takes the command back: then
chertd.yaml and pack.yaml say it. Shadow and off cancel what the pack still has
waiting.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Mode = args[1]; !slices.Contains(modeNames, in.Mode) {
				err := usageError("there is no mode %q: expected %s", in.Mode, strings.Join(modeNames, ", "))
				if near := luabind.Suggest(in.Mode, modeNames); near != "" {
					return hinted(err, "did you mean "+near+"?")
				}
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.SetMode(ctx, args[0], in)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, p, "pack %s: mode %s, by %s", p.Name, p.Mode, p.ModeBy)
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
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}
