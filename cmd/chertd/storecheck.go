package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
)

func newStoreCheckCommand() *cobra.Command {
	var f storeFlags
	var o sqlite.CheckOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look for damage in the store",
		Long: `Reads the whole store and lists what is damaged, with the fix: pages and indexes, as
SQLite's integrity_check does, whether all tables, indexes and triggers are there, and
whether what chertd keeps in the tables agrees, such as that each event was handled or
waits, and that due calls are found.

chertd may run meanwhile. The check changes nothing. It exits with 1 if it finds
anything. With --file it also checks a backup.`,
		Example: "  chertd store check\n  chertd store check --quick --json\n  chertd store check --file /backup/chertd.db",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, _, err := f.find(cmd)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			began := time.Now()
			r, err := sqlite.Check(ctx, path, o)
			if err != nil {
				return storeError(err)
			}
			if err := tell(cmd, f.json, r, checkWords(r, time.Since(began))...); err != nil {
				return err
			}
			if len(r.Findings) > 0 {
				return fail(exitFailure, errSilent)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "leave out what takes longest: indexes, decisions and chats")
	return cmd
}

// checkWords returns the lines that describe the result of a check.
func checkWords(r sqlite.CheckReport, took time.Duration) []string {
	lines := []string{r.Path + ": " + contents(r.Schema, r.Events, r.Chats, r.Newest)}
	for i, f := range r.Findings {
		lines = append(lines, f.Where+": "+f.What)
		if i == len(r.Findings)-1 || r.Findings[i+1].Fix != f.Fix { // one for all that have the same
			lines = append(lines, "  fix: "+f.Fix)
		}
	}
	if r.Partly != "" {
		lines = append(lines, "note: "+r.Partly)
	}
	found := many(int64(len(r.Findings)), "fault") + " found"
	if len(r.Findings) == 0 {
		found = "no fault found"
	}
	return append(lines, fmt.Sprintf("%s in %s", found, diag.About(took)))
}

// contents describes what a store holds.
func contents(schema int, events, chats int64, newest time.Time) string {
	text := fmt.Sprintf("schema %d", schema)
	if events+chats > 0 {
		text += ", " + many(events, "event") + ", " + many(chats, "chat")
	}
	if !newest.IsZero() {
		text += ", newest event of " + minute(newest)
	}
	return text
}
