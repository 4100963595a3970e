package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules"
)

var modeNames = []string{"live", "shadow", "off"}

func newModeCommand() *cobra.Command {
	var f daemonFlags
	var in control.ModeRequest
	cmd := &cobra.Command{
		Use:   "mode PACK live|shadow|off [--share 10%] | --reset",
		Short: "Set a pack's mode: live, shadow (dry run) or off",
		Long: `Sets a pack's mode to live, to shadow (its actions are recorded but not carried
out) or to off. The mode survives restarts, and overrides chertd.yaml and
pack.yaml. --reset removes the override.

With --share, a live pack is live in that share of the chats, and in shadow in all
others and for events without a chat. A chat stays in the share when it grows.
live without --share is live in all chats. If the pack has a candidate (chertd
shadow), --share makes that live in the share, and the live version stays live in
the others; live without --share makes the candidate the live version.

Setting shadow or off drops the pack's pending reads and timers, ends its
postponements, and prints how many there were; --keep-pending keeps them. --share
does the same in the chats in which the pack is not live.`,
		Example: "  chertd mode codes shadow\n  chertd mode codes live --share 10%\n  chertd mode codes --reset",
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
			if err := checkShare(&in, args[0], cmd.Flags().Changed("share")); err != nil {
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.SetMode(ctx, args[0], in)
				if err != nil {
					return err
				}
				return tell(cmd, f.json, p, fmt.Sprintf("pack %s: mode %s, by %s", p.Name, modeWords(&p.Pack), p.ModeBy), promotedLine(&p.Pack), droppedLine(p.Dropped, p.Mode == "live" && p.Share == "" || in.KeepPending))
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
	cmd.Flags().StringVar(&in.Share, "share", "", "with live: the share of the chats in which the pack is live, such as 10%")
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}

// checkShare checks the share of a command that sets a mode.
func checkShare(in *control.ModeRequest, pack string, given bool) error {
	if !given {
		return nil
	}
	example := diag.PackCommand("mode", pack, "live", "--share=10%")
	if in.Mode != string(rules.Live) {
		return hinted(usageError("--share goes with live: in the other chats the pack runs in shadow"), example)
	}
	if _, err := rules.ParseShare(in.Share); err != nil {
		return hinted(usageError("--share %s: %v", in.Share, err), example)
	}
	return nil
}

// promotedLine returns a line about a candidate that was made live; "" if there is none.
func promotedLine(p *control.Pack) string {
	if !p.Promoted {
		return ""
	}
	return fmt.Sprintf("version %s, which was the candidate, is live until the files change; %s", shortVersion(p.Version), promotedHint(p))
}

// promotedHint returns how the files of a pack become those of the version that is live.
func promotedHint(p *control.Pack) string {
	return "hint: copy its files over " + diag.ShellWord(p.Path) + ", which has the version before"
}

// modeWords returns a pack's mode, and in which chats it has it.
func modeWords(p *control.Pack) string {
	if p.Share == "" {
		return p.Mode
	}
	if c := p.Candidate; c != nil {
		return fmt.Sprintf("%s, candidate %s live in %s of the chats", p.Mode, shortVersion(c.Version), p.Share)
	}
	return fmt.Sprintf("%s in %s of the chats, shadow in the others", p.Mode, p.Share)
}
