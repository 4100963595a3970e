package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
	"chertd/rules"
)

func newNewCommand() *cobra.Command {
	n := newPack{}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Create a pack to start from: a rule, its spec and editor settings",
		Long: `Creates the pack NAME in the rules directory, with settings, a rule, a spec and a
sample event. The pack starts in shadow mode, so it changes no chat until you set
mode: live.

The rules directory is rules.dir of ./chertd.yaml if that file exists, and ./rules
otherwise. If there is no ./rules and the current directory contains packs, the
pack is created there.

The command also writes editor and linter settings, and API stubs for completion
(.chertd/), which all packs share. To use them, open the rules directory in your
editor. --stubs regenerates the stubs for this version of chertd. Your own files
are never overwritten.`,
		Example: "  chertd new vip\n  chertd new vip --dir /etc/chertd/rules\n  chertd new --stubs",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case n.stubs && len(args) > 0:
				return hinted(usageError("--stubs takes no name"), "`chertd new --stubs` regenerates the stubs; `chertd new "+diag.ShellWord(args[0])+"` creates a pack and does that too")
			case !n.stubs && len(args) == 0:
				return hinted(usageError("a new pack needs a name"), "`chertd new NAME`, e.g. `chertd new vip`")
			case len(args) > 1:
				return hinted(usageError("one pack at a time, got %d names", len(args)), "a name with spaces needs quotes")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("dir") {
				n.dir = rulesFolder()
			}
			if n.stubs {
				return n.settings(cmd.OutOrStdout())
			}
			n.name = args[0]
			return n.make(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&n.dir, "dir", "", "create the pack in `DIR` (default rules.dir of ./chertd.yaml, else ./rules)")
	cmd.Flags().BoolVar(&n.stubs, "stubs", false, "create no pack, only regenerate the API stubs")
	return cmd
}

// newPack is one run of the command.
type newPack struct {
	name  string
	dir   string // of the packs
	stubs bool
}

// rulesFolder returns the directory for packs if the command line names none: where
// check, test and eval look for them, or the current directory if it contains packs.
func rulesFolder() string {
	if _, err := os.Stat(configPlaces[0]); err == nil {
		if c, _, err := loadOffline(configPlaces[0]); err == nil && c != nil {
			return string(c.Rules.Dir)
		}
	}
	if info, err := os.Stat(defaultRules); err == nil && info.IsDir() {
		return filepath.Clean(defaultRules)
	}
	for _, pattern := range []string{"*.lua", "*/*.lua", "*/pack.yaml", ".chertd"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return "."
		}
	}
	return filepath.Clean(defaultRules)
}

// make creates the pack and the files that packs share, and prints the next steps.
func (n *newPack) make(out io.Writer) error {
	if err := n.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(n.dir, 0o777); err != nil {
		return fmt.Errorf("create the rules directory: %w", err)
	}
	files := packFiles(n.name)
	if err := n.write(files); err != nil {
		return fmt.Errorf("create pack %q: %w", n.name, err)
	}
	for _, f := range files {
		said(out, "created", n.path(f.name), f.what)
	}
	if err := n.settings(out); err != nil {
		return err
	}
	pack := diag.ShellWord(n.path())
	_, err := fmt.Fprintf(out, `
Next steps:
  chertd check %[1]s
  chertd test %[1]s
  chertd eval %[2]s %[1]s
Then edit the rule in %[3]s.
The pack is in shadow mode: its decisions are recorded but not carried out. To
compare them with what became of the chats, run chertd packs --diff %[5]s. When
you are happy with them, set mode: live in %[4]s.
The document docs/getting-started.md shows each step with its output.
`, shown([]any{pack, diag.ShellWord(n.path(sampleEvent)), n.path(n.name + ".lua"), n.path("pack.yaml"), diag.ShellWord(n.name)})...)
	return err
}

// check rejects names that can't be the name of a pack, and directories in which a pack
// would do harm.
func (n *newPack) check() error {
	if wrong, hint := rules.CheckName(n.name); wrong != "" {
		if dir, name := filepath.Split(n.name); dir != "" && name != "" {
			hint = "`chertd new " + diag.ShellWord(name) + " --dir " + diag.ShellWord(filepath.Clean(dir)) + "`"
		}
		return hinted(usageError("%s", wrong), hint)
	}
	if _, err := os.Stat(filepath.Join(n.dir, "pack.yaml")); err == nil {
		return hinted(usageError("%s is a pack itself", n.dir), "create packs side by side: go one directory up, or name the rules directory with --dir")
	}
	for _, taken := range []string{n.name, n.name + ".lua"} {
		path := filepath.Join(n.dir, taken)
		if _, err := os.Lstat(path); err == nil {
			return hinted(fmt.Errorf("create pack %q: %s already exists", n.name, path), "choose another name, or move it away")
		}
	}
	if ignored := rules.IgnoredWith(n.dir, n.name); len(ignored) > 0 {
		i := ignored[0]
		if i.Path == n.path() {
			return hinted(fmt.Errorf("create pack %q: it would not be loaded: %s", n.name, i.Why), "choose another name, or "+i.Hint)
		}
		return hinted(fmt.Errorf("create pack %q: %s would no longer be loaded: %s", n.name, i.Path, i.Why), "choose another name, or "+i.Hint)
	}
	return nil
}

// write moves all files of the pack into place in one step, because a daemon that
// watches the directory must not see half a pack.
func (n *newPack) write(files []newFile) (err error) {
	hidden, err := os.MkdirTemp(n.dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(hidden)) }()
	made := filepath.Join(hidden, n.name)
	for _, f := range files {
		if err := writeNew(filepath.Join(made, filepath.FromSlash(f.name)), f.text); err != nil {
			return err
		}
	}
	return os.Rename(made, n.path())
}

// settings writes the files that all packs of the directory share. The stubs belong to
// chertd and are regenerated; other files are created only if they do not exist.
func (n *newPack) settings(out io.Writer) error {
	for _, f := range sharedFiles() {
		path := filepath.Join(n.dir, filepath.FromSlash(f.name))
		if _, err := os.Lstat(path); err == nil && !f.ours {
			said(out, "kept   ", path, f.what)
			continue
		}
		if f.ours {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("write what editors need: %w", err)
			}
		}
		if err := writeNew(path, f.text); err != nil {
			return fmt.Errorf("write what editors need: %w", err)
		}
		said(out, "created", path, f.what)
	}
	return nil
}

// path returns the path of a file of the pack, or of its directory.
func (n *newPack) path(names ...string) string {
	return filepath.Join(append([]string{n.dir, n.name}, names...)...)
}

// writeNew writes a file that must not exist yet, and creates the directories above it.
func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func said(out io.Writer, verb, path, what string) {
	fmt.Fprintf(out, "%s %-34s %s\n", verb, diag.Visible(path), what)
}
