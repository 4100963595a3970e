package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

func newQuarantineCommand() *cobra.Command {
	var f daemonFlags
	var limit int
	var bodies bool
	list := func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > control.MaxQuarantineShown {
			return usageError("--limit: expected 1 to %d, got %d", control.MaxQuarantineShown, limit)
		}
		return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
			q, err := c.Quarantine(ctx, limit, bodies)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), q)
			}
			return printQuarantine(cmd.OutOrStdout(), q)
		})
	}
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List, retry or drop deliveries that could not be understood",
		Long: `Lists the deliveries in quarantine, newest first, with the reason. They have a valid
signature, but could not be understood, or belong to another tenant. chertd keeps
them until they are retried or dropped.

Bodies hold people's messages. They are shown with --bodies only.`,
		Example: "  chertd quarantine\n  chertd quarantine --bodies --limit 1\n  chertd quarantine retry --all\n  chertd quarantine drop 17 18",
		Args:    cobra.NoArgs,
		RunE:    list,
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", control.QuarantineShown, "list this many `DELIVERIES`")
	cmd.Flags().BoolVar(&bodies, "bodies", false, "show the bodies as well")
	same := &cobra.Command{Use: "list", Short: "The same as chertd quarantine", Long: "Lists the deliveries in quarantine, as chertd quarantine does.", Example: "  chertd quarantine list --json", Args: cobra.NoArgs, RunE: list}
	same.Flags().AddFlagSet(cmd.Flags())
	cmd.AddCommand(same, newQuarantineRetryCommand(), newQuarantineDropCommand())
	return cmd
}

func newQuarantineRetryCommand() *cobra.Command {
	return quarantineCommand("retry", "Take deliveries in again",
		`Takes deliveries in quarantine in again, oldest first: after an update of chertd, or
a change of chert.tenant. Those that are understood now are handled as events and
leave the quarantine. The others stay, and are listed with the reason; if none is
understood, the command exits with 1.`,
		"  chertd quarantine retry --all\n  chertd quarantine retry 17 18",
		func(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, in control.QuarantineRequest) error {
			r, err := c.RetryQuarantined(ctx, in)
			if err != nil {
				return err
			}
			lines := []string{many(int64(r.Events), "event") + " taken in"}
			if r.Known > 0 {
				lines = append(lines, deliveries(r.Known)+choose(r.Known == 1, " was", " were")+" known already")
			}
			if r.Stay > 0 {
				lines = append(lines, deliveries(r.Stay)+choose(r.Stay == 1, " stays", " stay")+" in quarantine")
			}
			for _, d := range r.Still {
				lines = append(lines, fmt.Sprintf("  %d: %s", d.ID, d.Reason))
			}
			if more := r.Stay - len(r.Still); more > 0 {
				lines = append(lines, "  and "+many(int64(more), "other"))
			}
			if err := tell(cmd, json, r, lines...); err != nil || r.Stay == 0 || r.Events+r.Known > 0 {
				return err
			}
			return hinted(errors.New("nothing was taken in: "+deliveries(r.Stay)+choose(r.Stay == 1, " is", " are")+" not understood"),
				"correct the causes and repeat the command, or remove what nobody needs: chertd quarantine drop")
		})
}

func newQuarantineDropCommand() *cobra.Command {
	return quarantineCommand("drop", "Remove deliveries from the quarantine",
		`Removes deliveries from the quarantine. They can't be restored from the store. If
Chert sends one again, or its events log still has it, chertd ignores it for half a
year, unless it is understood by then.`,
		"  chertd quarantine drop 17 18\n  chertd quarantine drop --all",
		func(ctx context.Context, cmd *cobra.Command, c *control.Client, json bool, in control.QuarantineRequest) error {
			r, err := c.DropQuarantined(ctx, in)
			if err != nil {
				return err
			}
			return tell(cmd, json, r, deliveries(r.Dropped)+" dropped")
		})
}

func quarantineCommand(name, short, long, example string,
	do func(context.Context, *cobra.Command, *control.Client, bool, control.QuarantineRequest) error) *cobra.Command {
	var f daemonFlags
	var in control.QuarantineRequest
	cmd := &cobra.Command{
		Use: name + " ID...|--all", Short: short, Long: long, Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.IDs = nil
			for _, arg := range args {
				id, err := strconv.ParseInt(arg, 10, 64)
				if err != nil || id < 1 {
					return hinted(usageError("%q is not the id of a delivery", arg), "chertd quarantine lists the ids")
				}
				in.IDs = append(in.IDs, id)
			}
			if in.All == (len(args) > 0) {
				return hinted(usageError("give ids, or --all"), "chertd quarantine lists the ids")
			}
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error { return do(ctx, cmd, c, f.json, in) })
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&in.All, "all", false, "all deliveries in quarantine")
	return cmd
}

func deliveries(n int) string {
	return thousands(int64(n)) + choose(n == 1, " delivery", " deliveries")
}

// printQuarantine prints deliveries in quarantine, each on a line, with its body below.
func printQuarantine(w io.Writer, q control.Quarantine) error {
	var b strings.Builder
	if q.Total == 0 {
		b.WriteString("nothing is in quarantine\n")
	}
	for _, d := range q.Quarantine {
		fmt.Fprintf(&b, "%d  %s  %s, %s: %s\n", d.ID, minute(d.Received), diag.Visible(d.Source), choose(d.Truncated, "truncated to ", "")+many(int64(d.Bytes), "byte"), diag.Visible(d.Reason))
		switch {
		case d.Body != "":
			fmt.Fprintf(&b, "    %s\n", diag.Visible(d.Body))
		case len(d.BodyBase64) > 0:
			fmt.Fprintf(&b, "    not UTF-8, in base64: %s\n", base64.StdEncoding.EncodeToString(d.BodyBase64))
		}
	}
	if n := q.Total - int64(len(q.Quarantine)); n > 0 && len(q.Quarantine) > 0 {
		fmt.Fprintf(&b, "and %s\n", many(n, "older one"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
