package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
)

func newStoreBackupCommand() *cobra.Command {
	var f storeFlags
	var o sqlite.BackupOptions
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store into one file, also while chertd runs",
		Long: `Copies the store into FILE: one moment of it, also while chertd runs. The copy then
takes a quarter of the disk's time. Until it ends, the store's -wal file grows by
what chertd writes meanwhile.

FILE appears when the copy is complete, on disk and checked; until then it is
FILE.partial. It can be read by its owner only, because it holds people's messages.
A file that exists is replaced with --force only, and only if it is a database of
chertd. Backups belong on another disk.`,
		Example: "  chertd store backup /backup/chertd.db --force\n  chertd store backup \"/backup/chertd-$(date +%F).db\"",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, _, err := f.find(cmd)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			began := time.Now()
			b, err := sqlite.Backup(ctx, path, args[0], o)
			if err != nil {
				return storeError(err)
			}
			return tell(cmd, f.json, b, backupWords(b, time.Since(began)))
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace FILE if it exists and is a database of chertd")
	return cmd
}

// backupWords returns the line that describes a backup.
func backupWords(b sqlite.BackedUp, took time.Duration) string {
	return fmt.Sprintf("%s is a backup of %s: %s, %s; it took %s", b.Path, b.Store, contents(b.Schema, b.Events, b.Chats, b.Newest), sizeOf(b.Bytes), diag.About(took))
}
