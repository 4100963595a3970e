package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules"
)

func newShadowCommand() *cobra.Command {
	var f daemonFlags
	var end, keepPending bool
	cmd := &cobra.Command{
		Use:   "shadow PACK PATH | PACK --end",
		Short: "Run a candidate version in shadow beside a live pack",
		Long: `Sends the files of a candidate version of a pack to the daemon, which runs it in
shadow beside the live version: on the same events, with its own stored data
(ev.state, kv), and without carrying out its actions. PATH is a .lua file or a
pack's folder. The files must pass the checks and specs, as an edit must.

A candidate survives restarts and edits of the pack's files. It neither vetoes nor
blocks reads. chertd packs --diff lists the events on which it asked for something
else than the live version. chertd mode PACK live --share 10% makes it live in a
share of the chats, and chertd mode PACK live in all of them. --end ends it, and so
does chertd rollback PACK.

Exits with 1 if the files do not pass.`,
		Example: "  chertd shadow codes /tmp/codes.lua\n  chertd packs --diff codes\n  chertd mode codes live --share 10%\n  chertd shadow codes --end",
		Args:    noneEmpty(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case end && len(args) == 2:
				return hinted(usageError("--end takes no PATH: it ends the candidate that the pack has"), diag.PackCommand("shadow", args[0], "--end"))
			case keepPending && !end:
				return hinted(usageError("--keep-pending goes with --end"), diag.PackCommand("shadow", args[0], "--end", "--keep-pending"))
			case !end && len(args) == 1:
				return hinted(usageError("PATH is missing: the .lua file or the folder of the candidate; or --end"), diag.PackCommand("packs", args[0])+" shows the candidate that the pack has")
			}
			if end {
				return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
					p, err := c.EndShadow(ctx, args[0], keepPending)
					if err != nil {
						return err
					}
					return tell(cmd, f.json, p, fmt.Sprintf("pack %s: the candidate ended; version %s is live", p.Name, shortVersion(p.Version)), droppedLine(p.Dropped, true))
				})
			}
			in, err := readCandidate(args[0], args[1])
			if err != nil {
				return err
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				p, err := c.Shadow(ctx, args[0], in)
				if refused := (*control.RefusedError)(nil); errors.As(err, &refused) {
					fmt.Fprintln(cmd.ErrOrStderr(), refused.Diagnostics.Error())
					return hinted(errors.New(refused.Message), refused.Hint)
				}
				if err != nil {
					return err
				}
				candidate := ""
				if p.Candidate != nil {
					candidate = p.Candidate.Version
				}
				return tell(cmd, f.json, p, fmt.Sprintf("pack %s: candidate %s runs in shadow beside version %s", p.Name, shortVersion(candidate), shortVersion(p.Version)),
					droppedLine(p.Dropped, true), "to compare them, run: "+diag.PackCommand("packs --diff", p.Name))
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&end, "end", false, "end the candidate: the live version continues alone")
	keepPendingFlag(cmd, &keepPending)
	return cmd
}

// readCandidate reads the files of a candidate.
func readCandidate(pack, path string) (in control.CandidateRequest, err error) {
	at, files, diags := rules.ReadCandidate(path, pack)
	if diags.Errors() {
		return in, fail(exitFailure, diags)
	}
	in.Path = at
	for _, f := range files {
		in.Files = append(in.Files, control.SentFile{Name: f.Name, Content: f.Bytes})
	}
	return in, nil
}
