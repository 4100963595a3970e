package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
)

func newStoreRestoreCommand() *cobra.Command {
	var f storeFlags
	var o sqlite.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the store by a backup",
		Long: `Replaces the store by a backup, which is checked first. chertd must be stopped. The
replaced files stay beside the store, as NAME.before-restore-TIME.

At the next start, chertd continues where the backup ends. It reads what came since
then from Chert's events log, and calls wait for that, for up to
sources.catchup.wait. If that takes longer, or the log can't be read, they go out. What
chertd did after the backup is not known to it any more:

- Events are handled again. A chat that is marked as read again stays as it is.
  Messages of unchanged rules have the same idempotency keys as before, so that Chert
  sends them once. Reactions are made again.
- Modes, rollbacks, holds and the pause are those of the backup. Chats that are held,
  and calls that are paused, in the replaced store stay so. If that can't be read,
  calls are paused.
- Timers that were due since then fire.

To look before any call goes out, restore with --paused, start chertd, look at
chertd status, and run chertd resume.`,
		Example: "  chertd store restore /backup/chertd.db\n  chertd store restore /backup/chertd.db --paused",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, c, err := f.find(cmd)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			r, err := sqlite.Restore(ctx, path, args[0], o)
			if err != nil {
				return storeError(err)
			}
			return tell(cmd, f.json, r, restoreWords(r, c)...)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.Paused, "paused", false, "pause all calls, until chertd resume")
	cmd.Flags().BoolVar(&o.Force, "force", false, "restore a backup although the content of its tables has faults, which chertd store check lists")
	return cmd
}

// restoreWords returns the lines that describe a restore, and what follows from it. c is nil
// if the configuration is not known.
func restoreWords(r sqlite.Restored, c *Config) []string {
	lines := []string{fmt.Sprintf("%s is restored from %s: %s", r.Path, r.From, contents(r.Schema, r.Events, r.Chats, r.Newest))}
	if r.Events > 0 {
		lines = append(lines, fmt.Sprintf("  of these, %s to be handled, and %s", many(r.Pending, "event")+choose(r.Pending == 1, " waits", " wait"), many(r.Waiting, "action")+choose(r.Waiting == 1, " waits", " wait")))
	}
	if r.Kept != "" {
		lines = append(lines, "  the replaced store is "+r.Kept+"; delete it, with its -wal and -shm, once you do not need it")
	}
	switch {
	case c != nil && !c.Sources.Catchup.Enabled:
		lines = append(lines, "warning: sources.catchup is disabled: what came since the backup is lost, and a read may cover messages that no rule has seen",
			"hint: enable sources.catchup before you start chertd, or pause calls: chertd store restore "+diag.ShellWord(r.From)+" --paused")
	case r.LogRead.IsZero():
		lines = append(lines, "warning: the backup does not know where to continue in Chert's events log",
			"hint: set sources.catchup.lookback to the age of the backup before you start chertd")
	default:
		lines = append(lines, logWords(r, c)...)
	}
	if r.Holds > 0 {
		lines = append(lines, "  "+many(int64(r.Holds), "hold")+" of the replaced store "+choose(r.Holds == 1, "is", "are")+" kept, which the backup did not have")
	}
	switch {
	case r.Unread != "":
		lines = append(lines, "warning: the replaced store can't be read ("+r.Unread+")",
			"  it is unknown whether calls were paused: they are now; chertd resume lets them go out",
			"  holds that were set since the backup are unknown, too: before you resume, repeat them with chertd hold CHAT --for DURATION")
	case r.PausedBefore:
		lines = append(lines, "  calls stay paused, as they were in the replaced store; chertd resume lets them go out")
	case r.Paused:
		lines = append(lines, "  calls are paused; chertd resume lets them go out")
	case r.Kept == "":
		lines = append(lines, "  no store was there before: calls are not paused")
	}
	return lines
}

// shortWait is a sources.catchup.wait that may end before the events log is read.
const shortWait = time.Minute

// logWords returns the lines that describe what the next start does with Chert's events log,
// and for how long calls wait for it.
func logWords(r sqlite.Restored, c *Config) []string {
	reads := "  at the next start chertd reads Chert's events log from " + minute(r.LogRead) + " on"
	again := "  events of that time are handled again, and reactions are made again"
	if c == nil {
		return []string{reads + ", and calls wait for that, for up to sources.catchup.wait", again}
	}
	wait := c.Sources.Catchup.Wait
	if wait > 0 {
		reads += fmt.Sprintf(", and calls wait for that, for up to sources.catchup.wait, %s", roughly(wait))
	}
	lines := []string{reads, again}
	if wait >= shortWait || r.Paused {
		return lines
	}
	short := "warning: sources.catchup.wait is " + roughly(wait) + ": calls do not wait for the events log, and a read may cover messages that no rule has seen"
	if wait > 0 {
		short = "warning: sources.catchup.wait is only " + roughly(wait) + ": if reading the events log takes longer, a read may cover messages that no rule has seen"
	}
	return append(lines, short, "hint: set sources.catchup.wait to 5m before you start chertd, or pause calls: chertd store restore "+diag.ShellWord(r.From)+" --paused")
}
