package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules"
)

func newReloadCommand() *cobra.Command {
	var f daemonFlags
	var settings bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Reload the rules directory now",
		Long: `Reloads the rules directory now, as the daemon does when a file changes
(rules.watch). Prints which versions went live, which packs were removed, and the
resulting list of packs. If a pack's files were just deleted, the command waits up
to two seconds until the pack is removed.

With --settings, it first reloads chertd.yaml and the files of secrets that it
names, as SIGHUP does, and prints which settings have changed. Environment
variables are those with which the daemon was started: a changed one needs a
restart.

Exits with 1 if anything in the rules directory is not live, or if the settings
have an error; then the previous ones stay in use.`,
		Example: "  chertd reload\n  chertd reload --settings",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				var all reloaded
				if settings {
					s, err := c.ReloadSettings(ctx)
					if err != nil {
						return err
					}
					all.Settings = &s
				}
				done, err := c.Reload(ctx)
				if err != nil {
					return err
				}
				all.Reload = done
				if f.json {
					err = printJSON(cmd.OutOrStdout(), all)
				} else if err = tell(cmd, false, nil, settingsWords(all.Settings)...); err != nil {
					return err
				} else if err = printReload(cmd.OutOrStdout(), &done); err == nil {
					err = showPacks(ctx, cmd, c, done.Packs)
				}
				if err != nil {
					return err
				}
				return allLive(ctx, c, &done)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&settings, "settings", false, "also reload chertd.yaml and its files of secrets")
	return cmd
}

// reloaded is what a reload did.
type reloaded struct {
	Settings *control.Settings `json:"settings,omitempty"` // with --settings
	control.Reload
}

// settingsWords returns the lines that describe reloaded settings; nil: none were.
func settingsWords(s *control.Settings) (lines []string) {
	if s == nil {
		return nil
	}
	lines = append(lines, s.File+": "+choose(len(s.Applied) > 0, "applied "+strings.Join(s.Applied, ", "), "no setting has changed that can be applied without a restart"))
	if len(s.NeedsRestart) > 0 {
		lines = append(lines, "warning: not applied, they need a restart: "+strings.Join(s.NeedsRestart, ", "))
	}
	return lines
}

// printReload prints what became live, what was removed, and what is wrong with
// the folder as a whole.
func printReload(w io.Writer, done *control.Reload) error {
	safe := shown(*done)
	done = &safe
	var b strings.Builder
	for i := range done.Live {
		e := &done.Live[i]
		fmt.Fprintf(&b, "pack %s: version %s is live%s\n", e.Pack, shortVersion(e.Version), changeWords(&e.Change))
	}
	for _, name := range done.Removed {
		fmt.Fprintf(&b, "pack %s is removed: its files were deleted\n  hint: to restore it from the store, run: %s\n", name, diag.PackCommand("rollback", name))
	}
	for _, d := range done.Folder {
		fmt.Fprintf(&b, "%s\n", d.String())
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// changeWords returns what an edit changed, by rule: `; added "b"; changed "a"`.
func changeWords(c *rules.Change) (words string) {
	for _, part := range []struct {
		what  string
		names []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}} {
		for i, name := range part.names {
			words += choose(i == 0, "; "+part.what+" ", ", ") + strconv.Quote(name)
			if parts := c.Parts[name]; part.what == "changed" && len(parts) > 0 {
				words += " (" + strings.Join(parts, ", ") + ")"
			}
		}
	}
	for i, name := range c.Files {
		words += choose(i == 0, "; files ", ", ") + c.FileWords(name)
	}
	if len(c.Settings) > 0 {
		words += "; settings " + strings.Join(c.Settings, ", ")
	}
	return words
}

// allLive returns an error if some pack, or the folder as a whole, is not live as it is.
func allLive(ctx context.Context, c *control.Client, done *control.Reload) error {
	if len(done.Packs) > 0 {
		return done.AllLive()
	}
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	return hinted(fmt.Errorf("no rules are live"), strings.Join(s.Notes, "\n"))
}
