package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

var modeNames = []string{"live", "shadow", "off"}

func newModeCommand() *cobra.Command {
	var f daemonFlags
	var in control.ModeRequest
	cmd := &cobra.Command{
		Use:   "mode PACK|PACK/RULE live|shadow|off [--for 1h] [--share 10%] | --reset",
		Short: "Set the mode of a pack or a rule: live, shadow (dry run) or off",
		Long: `Sets a pack's mode to live, to shadow (its actions are recorded but not carried
out) or to off. The mode survives restarts, and overrides chertd.yaml and
pack.yaml. --reset removes the override.

With --for, the mode holds for that time. Then what it covered holds again: a mode
set before without --for, or else that of chertd.yaml or pack.yaml. A second --for
replaces the first, and a mode without --for ends it.

With PACK/RULE, it sets the mode of one rule, by its name. That survives edits. It
only restricts the mode of the pack: a rule that is live, in a pack in shadow, is in
shadow. For a rule, live without --for is the same as --reset.

With --share, a live pack is live in that share of the chats, and in shadow in all
others and for events without a chat. A chat stays in the share when it grows.
live without --share is live in all chats. If the pack has a candidate (chertd
shadow), --share makes that live in the share, and the live version stays live in
the others; live without --share makes the candidate the live version.

Setting shadow or off drops the pack's pending reads and timers, ends its
postponements, and prints how many there were; --keep-pending keeps them. --share
does the same in the chats in which the pack is not live. Of a rule, only what that
rule has pending is dropped.`,
		Example: "  chertd mode codes shadow\n  chertd mode codes off --for 1h --reason \"wrong reads since noon\"\n  chertd mode \"codes/read codes\" off --for 30m\n  chertd mode codes live --share 10%\n  chertd mode codes --reset",
		Args:    noneEmpty(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case in.Reset && len(args) == 2:
				return hinted(usageError("--reset takes no mode: it removes the override"), diag.PackCommand("mode", args[0], "--reset"))
			case !in.Reset && len(args) == 1:
				pack, _, _ := strings.Cut(args[0], "/")
				return hinted(usageError("the mode is missing: live, shadow, off, or --reset"), diag.PackCommand("packs", pack)+" shows the mode that the pack has")
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
			pack, err := splitRule(args[0], &in)
			if err != nil {
				return err
			}
			if err := checkShare(&in, pack, cmd.Flags().Changed("share")); err != nil {
				return err
			}
			if err := checkFor(&in, args[0], cmd.Flags().Changed("for")); err != nil {
				return err
			}
			in.By = author(in.By)
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.SetMode(ctx, pack, in)
				if err != nil {
					return err
				}
				if in.Rule != "" {
					return tell(cmd, f.json, p, ruleModeLines(&p, &in)...)
				}
				return tell(cmd, f.json, p, fmt.Sprintf("pack %s: mode %s, by %s", p.Name, modeWords(&p.Pack), p.ModeBy), untilLine(&p.Pack), promotedLine(&p.Pack), droppedLine(p.Dropped, p.Mode == "live" && p.Share == "" || in.KeepPending))
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&in.Reset, "reset", false, "remove the override: chertd.yaml or pack.yaml decides")
	cmd.Flags().StringVar(&in.Share, "share", "", "with live: the `SHARE` of the chats in which the pack is live, such as 10%")
	cmd.Flags().StringVar(&in.For, "for", "", "how long the mode holds: a `DURATION` such as 30m, 2h or 1d; without it, until another command")
	cmd.Flags().StringVar(&in.By, "by", "", "who sets the mode, for records: a `NAME`; default: the login name")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`REASON`, shown in packs, status and explain")
	cmd.Flags().BoolVar(&in.Force, "force", false, "with PACK/RULE: accept any name if no version of the pack is loaded")
	keepPendingFlag(cmd, &in.KeepPending)
	return cmd
}

// splitRule returns the pack of PACK or PACK/RULE, and sets the rule of the request. The name
// of a rule may have slashes, that of a pack has none.
func splitRule(name string, in *control.ModeRequest) (pack string, err error) {
	pack, rule, named := strings.Cut(name, "/")
	switch {
	case named && (pack == "" || rule == ""):
		return "", hinted(usageError("%q is neither PACK nor PACK/RULE", name), "for example chertd mode vip, or chertd mode vip/night")
	case !named && in.Force:
		return "", hinted(usageError("--force goes with PACK/RULE"), diag.PackCommand("mode", pack+"/RULE", "off", "--force"))
	}
	in.Rule = rule
	return pack, nil
}

// checkFor checks the time of a command that sets a mode.
func checkFor(in *control.ModeRequest, name string, given bool) error {
	if !given {
		return nil
	}
	if in.Reset {
		return hinted(usageError("--for goes with a mode: a reset has no end"), diag.PackCommand("mode", name, "--reset"))
	}
	d, err := luabind.ParseDuration(in.For)
	if err == nil && d <= 0 {
		err = fmt.Errorf("the duration of a mode must be greater than 0, got %s", in.For)
	}
	if err != nil {
		return hinted(usageError("--for: %v", err), diag.PackCommand("mode", name, in.Mode, "--for=1h"))
	}
	return nil
}

// checkShare checks the share of a command that sets a mode.
func checkShare(in *control.ModeRequest, pack string, given bool) error {
	if !given {
		return nil
	}
	example := diag.PackCommand("mode", pack, "live", "--share=10%")
	if in.Rule != "" {
		return hinted(usageError("--share goes with a pack: a rule runs in all chats in which its pack does"), example)
	}
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
