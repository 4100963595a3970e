package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/lint"
)

func newCheckCommand() *cobra.Command {
	var format string
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [PATH ...]",
		Short: "Find what is wrong with rules, without running them on anything",
		Long: `Loads rules exactly as the daemon does, looks at them more closely than loading
has to, and prints what is wrong with them, and how to mend it. PATH is a rules
folder, a pack or a .lua file; none is ./rules.

Each finding has a code, in brackets, that docs/checks.md explains. A comment
allows one where it is meant:  -- check: allow CH041 it is only a cache

Exits with 0 if nothing is wrong but what may be, with 1 if something is; with
--strict warnings count too.`,
		Example: "  chertd check\n  chertd check rules/vip --strict\n  chertd check --format github",
		RunE: func(cmd *cobra.Command, args []string) error {
			r := lint.Check(pathsOr(args), rules.Options{})
			var err error
			if format == "junit" {
				err = checkJUnit(cmd.OutOrStdout(), r.Findings)
			} else {
				err = printDiagnostics(cmd.OutOrStdout(), cmd.ErrOrStderr(), format, r.Findings)
			}
			if err != nil {
				return err
			}
			if r.Findings.Errors() || strict && len(r.Findings) > 0 {
				if format == "pretty" {
					fmt.Fprintf(cmd.ErrOrStderr(), "chertd: %s\n", tally(r.Findings))
				}
				return errSilent
			}
			if format == "pretty" {
				summary := fmt.Sprintf("%s, %s: fine", count(r.Packs, "pack"), count(r.Rules, "rule"))
				if len(r.Findings) > 0 {
					summary += ", with " + count(len(r.Findings), "warning")
				}
				fmt.Fprintln(cmd.OutOrStdout(), summary)
			}
			return nil
		},
	}
	formatFlag(cmd, &format, "pretty", "json", "junit", "github")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings fail too")
	return cmd
}

// checkJUnit writes findings as test cases that failed, a suite a file.
func checkJUnit(w io.Writer, diags luabind.Diagnostics) error {
	all := junitSuites{Tests: len(diags), Failures: len(diags), Time: seconds(0)}
	for _, d := range diags {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != d.File {
			all.Suites = append(all.Suites, junitSuite{Name: d.File})
		}
		s := &all.Suites[len(all.Suites)-1]
		s.Tests++
		s.Failures++
		s.Cases = append(s.Cases, junitCase{Name: d.Code + " " + d.Message, Class: d.File, File: d.File, Line: d.Line, Time: seconds(0),
			Failure: &junitFailure{Message: d.Message, Text: d.String()}})
	}
	return all.write(w)
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
		return printJSON(stdout, diags)
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
	d = shown(d)
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
