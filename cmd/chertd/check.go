package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/luabind"
	"chertd/rules"
)

func newCheckCommand() *cobra.Command {
	var format string
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [PATH ...]",
		Short: "Find what is wrong with rules, without running them on anything",
		Long: `Loads rules exactly as the daemon does and prints what is wrong with them, and
how to mend it. PATH is a rules folder, a pack or a .lua file; none is ./rules.

Exits with 0 if the rules would go live, 1 if not; with --strict warnings count too.`,
		Example: "  chertd check\n  chertd check rules/vip --strict\n  chertd check --format github",
		RunE: func(cmd *cobra.Command, args []string) error {
			set, diags := rules.LoadPaths(pathsOr(args), rules.Options{}, nil)
			if err := printDiagnostics(cmd.OutOrStdout(), cmd.ErrOrStderr(), format, diags); err != nil {
				return err
			}
			if diags.Errors() || strict && len(diags) > 0 {
				if format == "pretty" {
					fmt.Fprintf(cmd.ErrOrStderr(), "chertd: %s\n", tally(diags))
				}
				return errSilent
			}
			if format == "pretty" {
				summary := fmt.Sprintf("%s, %s: fine", count(len(set.Packs()), "pack"), count(set.Rules(), "rule"))
				if len(diags) > 0 {
					summary += ", with " + count(len(diags), "warning")
				}
				fmt.Fprintln(cmd.OutOrStdout(), summary)
			}
			return nil
		},
	}
	formatFlag(cmd, &format, "pretty", "json", "github")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings fail too")
	return cmd
}

// formatFlag adds --format, which takes one of the names; the first is the default.
func formatFlag(cmd *cobra.Command, format *string, names ...string) {
	cmd.Flags().StringVar(format, "format", names[0], strings.Join(names, ", "))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(names, *format) {
			return usageError("--format %q: expected %s", *format, strings.Join(names, ", "))
		}
		return nil
	}
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// pathsOr is where rules are, if the command line does not say.
func pathsOr(args []string) []string {
	if len(args) == 0 {
		return []string{"./rules"}
	}
	return args
}

// printDiagnostics lists findings: for people on stderr, for programs on stdout.
func printDiagnostics(stdout, stderr io.Writer, format string, diags luabind.Diagnostics) error {
	switch format {
	case "json":
		if diags == nil {
			diags = luabind.Diagnostics{}
		}
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(diags)
	case "github":
		for _, d := range diags {
			if _, err := fmt.Fprintln(stdout, annotation(d)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range diags {
		if _, err := fmt.Fprintln(stderr, d); err != nil {
			return err
		}
	}
	return nil
}

// annotation is a finding as a workflow command of GitHub Actions, which shows
// it beside the line: "::error file=F,line=L,col=C,title=T::MESSAGE".
func annotation(d luabind.Diagnostic) string {
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	var b strings.Builder
	fmt.Fprintf(&b, "::%s file=%s", d.Severity, property.Replace(d.File))
	if d.Line > 0 {
		fmt.Fprintf(&b, ",line=%d,col=%d", d.Line, max(d.Col, 1))
	}
	if d.Code != "" {
		fmt.Fprintf(&b, ",title=%s", property.Replace(d.Code))
	}
	message := d.Message
	if d.Hint != "" {
		message += "\nhint: " + d.Hint
	}
	return b.String() + "::" + data.Replace(message)
}
