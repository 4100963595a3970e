package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
)

// storeFlags are the flags of the commands that work on the store's file, with or without
// a daemon.
type storeFlags struct {
	config string
	file   string
	json   bool
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE` that names the store (default ./chertd.yaml, then /etc/chertd/chertd.yaml)")
	cmd.Flags().StringVar(&f.file, "file", "", "`PATH` of the store's database, instead of a configuration")
	cmd.Flags().BoolVar(&f.json, "json", false, "output JSON")
}

func newStoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Check, back up and restore the store",
		Long: `Checks, backs up and restores the store: the file that store.url of the
configuration names, or the one given by --file. These commands need no secrets and
no running daemon.`,
		Example: "  chertd store check\n  chertd store backup /backup/chertd.db --force\n  chertd store restore /backup/chertd.db --paused",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == "copy" {
				return hinted(usageError("store copy is not in this build, which has one kind of store"), "to move the store to another machine, use chertd store backup and chertd store restore")
			}
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newStoreCheckCommand(), newStoreBackupCommand(), newStoreRestoreCommand())
	return cmd
}

// find returns the path of the store, and the configuration that names it; nil: --file does.
func (f *storeFlags) find(cmd *cobra.Command) (string, *Config, error) {
	if cmd.Flags().Changed("file") {
		switch {
		case strings.TrimSpace(f.file) == "":
			return "", nil, hinted(usageError("--file: the path is empty"), "check that the shell variable in this place is set")
		case f.config != "":
			return "", nil, hinted(usageError("--file and --config exclude each other"), "leave one out")
		}
		return f.file, nil, nil
	}
	file, err := findConfig(f.config)
	if err != nil {
		return "", nil, hinted(fail(exitFailure, err), "name the configuration with -c FILE, or the store's database with --file PATH")
	}
	text, err := readConfig(file)
	if err != nil {
		return "", nil, fail(exitFailure, err)
	}
	c, err := storeOf(file, text, os.LookupEnv)
	if err != nil {
		return "", nil, err
	}
	return c.Store.Path, c, nil
}

// storeOf returns a configuration that names a store. Its other errors do not matter here:
// the shell usually lacks the environment with the daemon's secrets.
func storeOf(file string, text []byte, lookup func(string) (string, bool)) (*Config, error) {
	c, diags := parseConfig(file, text, lookup, use{events: true})
	var wrong diag.List
	for _, d := range diags {
		if d.Severity == diag.SeverityError && (c == nil || strings.HasPrefix(d.Message, "store.url") || strings.HasPrefix(d.Message, "store:")) {
			d.Hint += "; or name the store's database with --file PATH"
			wrong = append(wrong, d)
		}
	}
	if len(wrong) > 0 {
		return nil, fail(exitFailure, wrong)
	}
	return c, nil
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM; the second ends
// the process.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// storeError adds the fix to an error of the store.
func storeError(err error) error {
	var inUse *sqlite.InUseError
	if errors.As(err, &inUse) {
		hint := "stop chertd first"
		if inUse.PID != 0 {
			hint += fmt.Sprintf(" (systemctl stop chertd, or kill %d)", inUse.PID)
		}
		return hinted(err, hint+", then repeat the command, and start chertd again")
	}
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		return hinted(err, hint.Hint())
	}
	if errors.Is(err, context.Canceled) {
		return hinted(err, "it was interrupted, and nothing was changed")
	}
	return err
}
