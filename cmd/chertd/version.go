package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and what it was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

// versionText returns what `chertd version` and `chertd --version` print.
func versionText() string {
	info, _ := debug.ReadBuildInfo()
	return versionLine(info)
}

// version returns the version without the build details, for logs.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versionLine describes the build on one line, e.g. "chertd v1.2.0 (3535a6d0c1b2,
// 2026-01-05T12:00:00Z, modified) go1.26.0 linux/amd64". Details that the build did not
// record are left out.
func versionLine(info *debug.BuildInfo) string {
	version, source := "(devel)", []string(nil)
	if info != nil {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if rev := settings["vcs.revision"]; rev != "" {
			source = append(source, rev[:min(12, len(rev))])
		}
		if at := settings["vcs.time"]; at != "" {
			source = append(source, at)
		}
		if settings["vcs.modified"] == "true" {
			source = append(source, "modified")
		}
	}
	line := "chertd " + version
	if len(source) > 0 {
		line += " (" + strings.Join(source, ", ") + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", line, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
