package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
	"chertd/rules/lint"
)

func newCheckCommand() *cobra.Command {
	var format string
	var strict bool
	var source ruleSource
	cmd := &cobra.Command{
		Use:   "check [-c FILE] [PATH ...]",
		Short: "Check rules and the configuration for errors and likely mistakes",
		Long: `Loads rules exactly as the daemon does, runs additional checks on them, and prints
each problem with a suggested fix. PATH is a rules directory, a pack or a .lua
file.

If you give -c FILE, or no PATH and ./chertd.yaml exists, the command also checks
that configuration and applies its settings, grants and time zone to the rules.
Without a PATH it checks rules.dir of the configuration; without a configuration,
./rules. No secrets are needed.

Each finding ends in a code such as [CH041], which docs/checks.md explains. To
suppress a finding, add a comment with the code and the reason:
  -- check: allow CH041 it is only a cache

Exits with 0 if there are no errors, and with 1 otherwise. With --strict, warnings
count as errors.`,
		Example: "  chertd check\n  chertd check -c /etc/chertd/chertd.yaml\n  chertd check rules/vip --strict\n  chertd check --format github",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := source.check(args)
			if err != nil {
				return err
			}
			if format == "junit" {
				err = checkJUnit(cmd.OutOrStdout(), r.Findings, strict)
			} else {
				err = printDiagnostics(cmd.OutOrStdout(), cmd.ErrOrStderr(), format, r.Findings)
			}
			if err != nil {
				return err
			}
			if r.Findings.Errors() || strict && len(r.Findings) > 0 {
				if format == "pretty" {
					fmt.Fprintf(cmd.ErrOrStderr(), "chertd: %s\n", tally(r.Findings))
					if !r.Refused && !source.found.Errors() {
						source.gateNote(cmd.ErrOrStderr(), func(g GateConfig) (string, string) { return "checks", g.Checks })
					}
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
	cmd.Flags().BoolVar(&strict, "strict", false, "treat warnings as errors")
	source.flags(cmd)
	return cmd
}

// check looks at the configuration, if one is used, and at the rules.
func (s *ruleSource) check(paths []string) (lint.Result, error) {
	if err := s.find(paths); err != nil {
		return lint.Result{}, err
	}
	if s.file != "" && s.config == nil {
		return lint.Result{Findings: s.found}, nil // the rules can't be judged without it
	}
	o := s.options
	o.Coded = nil // Check gives the codes
	r := lint.Check(s.paths, o)
	r.Findings = append(slices.Clone(s.found), r.Findings...)
	return r, nil
}

// checkJUnit writes findings as test cases, one suite per file. An error is a failed
// case. A warning is a skipped case, or a failed one if strict is set.
func checkJUnit(w io.Writer, diags diag.List, strict bool) error {
	all := junitSuites{Time: seconds(0)}
	for _, d := range diags {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != d.File {
			all.Suites = append(all.Suites, junitSuite{Name: d.File})
		}
		all.Suites[len(all.Suites)-1].finding(d, strict)
	}
	all.sum()
	return all.write(w)
}

// formatFlag adds --format, which takes one of the names; the first is the default.
func formatFlag(cmd *cobra.Command, format *string, names ...string) {
	cmd.Flags().StringVar(format, "format", names[0], "output `FORMAT`: "+strings.Join(names, ", "))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(names, *format) {
			return usageError("--format %q: expected %s", *format, strings.Join(names, ", "))
		}
		return nil
	}
	_ = cmd.Flags().SetAnnotation("format", flagWords, names)
}

// printDiagnostics lists findings: for people on stderr, for programs on stdout.
func printDiagnostics(stdout, stderr io.Writer, format string, diags diag.List) error {
	switch format {
	case "json":
		if diags == nil {
			diags = diag.List{}
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

// annotation returns a finding as a workflow command of GitHub Actions, which shows
// it beside the line: "::error file=F,line=L,col=C,title=T::MESSAGE".
func annotation(d diag.Diagnostic) string {
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
