package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"chertd/engine/store/sqlite"
)

// The linker sets these (-ldflags "-X main.linkedVersion=v1.2.0") where the toolchain can't
// record what was built: a build of a source archive, which has no git history. What the
// toolchain records takes precedence, except over the version that a release is named.
var (
	linkedVersion string // such as v1.2.0
	linkedCommit  string // in full
	linkedTime    string // of the commit, RFC 3339 in UTC
)

// linkedBuild is what the linker set.
func linkedBuild() build {
	return build{Version: linkedVersion, Commit: linkedCommit, CommitTime: linkedTime}
}

// build is what chertd was built from. What is not known is empty.
type build struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commit_time,omitempty"`
	Modified   bool   `json:"modified"` // with changes that are not committed
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`

	Store struct {
		Schema    int `json:"schema"`
		OpensFrom int `json:"opens_from"` // the oldest schema that it opens, and upgrades
	} `json:"store"`
	SQLite    string `json:"sqlite"`
	GopherLua string `json:"gopher_lua,omitempty"`
}

// unreleased is the version of a build that has none.
const unreleased = "(devel)"

// buildOf returns what the toolchain recorded, and what the linker set; info may be nil.
func buildOf(info *debug.BuildInfo, linked build) build {
	b := build{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, SQLite: sqlite.Library}
	b.Store.Schema, b.Store.OpensFrom = sqlite.Schema(), 1
	if info == nil {
		info = &debug.BuildInfo{}
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.Version = cmp.Or(linked.Version, info.Main.Version, unreleased)
	b.Commit = cmp.Or(settings["vcs.revision"], linked.Commit)
	b.CommitTime = cmp.Or(settings["vcs.time"], linked.CommitTime)
	b.Modified = settings["vcs.modified"] == "true"
	for _, d := range info.Deps {
		if d.Path == "github.com/yuin/gopher-lua" {
			b.GopherLua = d.Version
		}
	}
	return b
}

// built returns what this program was built from.
func built() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(info, linkedBuild())
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, what it was built from, and which stores it opens",
		Long: `Prints the version, the commit and its time, whether there were changes that are not
committed, and the versions of Go, SQLite and the Lua interpreter. A build outside of
git prints what it knows.

The store's line shows the version of its schema. chertd upgrades an older store when it
opens it; an older chertd does not open it then. Before an upgrade, run chertd store
backup. What the running daemon was built from is in chertd status.`,
		Example: "  chertd version\n  chertd version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), built())
			}
			return built().print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "output JSON")
	return cmd
}

// print writes all that is known about a build; its first line is that of --version.
func (b build) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, b.line())
	if b.Commit != "" {
		fmt.Fprintf(t, "  commit\t%s\n", strings.Join(b.source(b.Commit), ", "))
	} else {
		fmt.Fprintf(t, "  commit\tunknown: it was built outside of a git checkout, or with -buildvcs=false\n")
	}
	fmt.Fprintf(t, "  store\tschema %d; opens %d to %d, and upgrades older ones\n", b.Store.Schema, b.Store.OpensFrom, b.Store.Schema)
	fmt.Fprintf(t, "  SQLite\t%s\n", b.SQLite)
	fmt.Fprintf(t, "  gopher-lua\t%s\n", cmp.Or(b.GopherLua, "unknown"))
	return t.Flush()
}

// source returns what was built, as far as it is known; commit is how it shows the commit.
func (b build) source(commit string) (parts []string) {
	for _, part := range []string{commit, b.CommitTime} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if b.Modified {
		parts = append(parts, "modified")
	}
	return parts
}

// versionText returns what `chertd --version` prints.
func versionText() string { return built().line() }

// version returns the version without the build details, for logs.
func version() string { return built().Version }

// line describes the build on one line, e.g. "chertd v1.2.0 (3535a6d0c1b2,
// 2026-01-05T12:00:00Z, modified) go1.26.0 linux/amd64". Details that are not known are
// left out.
func (b build) line() string {
	line := "chertd " + b.Version
	if source := b.source(b.Commit[:min(12, len(b.Commit))]); len(source) > 0 {
		line += " (" + strings.Join(source, ", ") + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", line, b.Go, b.OS, b.Arch)
}
