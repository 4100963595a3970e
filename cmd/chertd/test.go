package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
	"chertd/rules/spec"
)

// testOptions are the options of `chertd test`.
type testOptions struct {
	source   ruleSource
	paths    []string // PATHs
	run      string
	format   string
	verbose  bool
	strict   bool
	watch    bool
	cover    bool
	coverMin float64

	match *regexp.Regexp // of run
	files []string       // spec files named by paths, if they name nothing else
}

func newTestCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [-c FILE] [PATH ...]",
		Short: "Run the packs' specs, in virtual time and without a network",
		Long: `Runs the specs of packs: spec/*_spec.lua in a pack's directory, or NAME_spec.lua
beside NAME.lua. Time is virtual and calls are simulated: waiting takes no real
time, and nothing is sent to Chert. PATH is a rules directory, a pack, a .lua file
or a spec file.

If you give -c FILE, or no PATH and ./chertd.yaml exists, packs have the settings,
grants and time zone of that configuration, as in the daemon. Without a PATH, the
packs are those in rules.dir of the configuration; without a configuration, in
./rules. No secrets are needed.

Exits with 0 if no spec failed, and with 1 if one did or a pack does not load. A
spec that asserts nothing and a pack without specs are warnings, which fail with
--strict.`,
		Example: `  chertd test
  chertd test rules/vip --run 'holds|releases' -v
  chertd test --watch
  chertd test --cover --cover-min 90
  chertd test --format junit > specs.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process immediately
			if o.watch {
				return o.runWatching(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			_, err := o.runOnce(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			return err
		},
	}
	formatFlag(cmd, &o.format, "pretty", "json", "junit", "github")
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "run only specs whose full name matches this `REGEXP`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "list every spec and what it prints")
	f.BoolVar(&o.strict, "strict", false, "treat warnings as failures")
	o.source.flags(cmd)
	f.BoolVar(&o.watch, "watch", false, "run again whenever a file changes, until interrupted")
	f.BoolVar(&o.cover, "cover", false, "show which lines of the rules the specs reach")
	f.Float64Var(&o.coverMin, "cover-min", 0, "fail if specs reach less than this `PERCENT` of lines; implies --cover")
	return cmd
}

// find determines the packs to test and their configuration; it is called before each
// run. If only spec files are named, only those run.
func (o *testOptions) find() error {
	if err := o.source.use(o.paths); err != nil {
		return err
	}
	o.files = nil
	for _, p := range o.paths {
		if strings.HasSuffix(p, "_spec.lua") {
			o.files = append(o.files, filepath.Clean(p))
		}
	}
	if len(o.files) < len(o.paths) {
		o.files = nil
	}
	return nil
}

// check validates the options before anything runs.
func (o *testOptions) check(cmd *cobra.Command) error {
	if o.run != "" {
		match, err := regexp.Compile(o.run)
		if err != nil {
			return usageError("--run: %w", err)
		}
		o.match = match
	}
	if cmd.Flags().Changed("cover-min") {
		o.cover = true
		if o.coverMin < 0 || o.coverMin > 100 {
			return usageError("--cover-min %v: expected percent, from 0 to 100", o.coverMin)
		}
	}
	return nil
}

// runOnce loads the packs and runs the specs of those that load. The result of the
// others is their load error.
func (o *testOptions) runOnce(ctx context.Context, stdout, stderr io.Writer) (rules.Report, error) {
	if err := o.find(); err != nil {
		return rules.Report{}, err
	}
	report := rules.Load(o.source.paths, o.source.options)
	began := time.Now()
	t := tested{Diagnostics: report.Others(), Packs: o.runPacks(ctx, &report), coverMin: o.coverMin, strict: o.strict, some: o.match != nil || o.files != nil}
	t.sum(time.Since(began))
	var err error
	switch o.format {
	case "json":
		err = t.json(stdout)
	case "junit":
		err = t.junit(stdout)
	case "github":
		err = t.github(stdout)
	default:
		err = t.pretty(stdout, stderr, o.verbose)
	}
	switch {
	case err != nil:
		return report, err
	case ctx.Err() != nil && !o.watch:
		return report, fail(exitFailure, fmt.Errorf("run the specs: %w", context.Cause(ctx)))
	case o.files != nil && t.Failed == 0 && !slices.ContainsFunc(t.Packs, func(r spec.Report) bool { return len(r.Files) > 0 }):
		return report, hinted(fail(exitFailure, fmt.Errorf("%s: none of its specs was run: the pack does not read this file", strings.Join(o.files, ", "))),
			"`chertd check` lists the files that are not loaded, and why")
	case o.match != nil && t.Passed+t.Failed+t.Pending == 0:
		return report, hinted(fail(exitFailure, fmt.Errorf("no spec matches --run %q", o.run)), "a spec's full name is the text of its describe and it blocks, joined by spaces")
	case !t.OK:
		if o.format == "pretty" {
			o.source.gateNote(stderr, func(g GateConfig) (string, string) { return "specs", g.Specs })
		}
		return report, errSilent
	}
	return report, nil
}

// runPacks runs the specs of the loaded packs. The reports are in the order of the
// packs, with the load errors.
func (o *testOptions) runPacks(ctx context.Context, report *rules.Report) []spec.Report {
	var packs []*rules.Pack
	for i := range report.Packs {
		if p := report.Packs[i].Pack; p != nil {
			packs = append(packs, p)
		}
	}
	files := o.namedFiles(packs)
	ran := spec.RunAll(ctx, packs, spec.Options{Match: o.match, Files: files, Cover: o.cover, Clock: time.Now})
	reports := make([]spec.Report, len(report.Packs))
	for i := range report.Packs {
		p, r := &report.Packs[i], &reports[i]
		if p.Pack == nil {
			*r = spec.NotLoaded(p)
			continue
		}
		*r, ran = ran[0], ran[1:]
		r.Broken = append(slices.Clone(p.Diagnostics), lint.CodedSpecs(p.Pack, r.Broken)...)
		if len(r.Files) == 0 && o.files == nil && o.match == nil {
			r.Broken = append(r.Broken, lint.NoSpecs(p)...)
		}
	}
	return reports
}

// namedFiles returns the spec files that PATHs name, by their names within their packs.
func (o *testOptions) namedFiles(packs []*rules.Pack) []string {
	named := map[string]bool{}
	for _, f := range o.files {
		named[absolute(f)] = true
	}
	var files []string
	for _, p := range packs {
		for _, f := range p.Files {
			if named[absolute(f.Path)] {
				files = append(files, f.Path)
			}
		}
	}
	if len(files) == 0 {
		return o.files
	}
	return files
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// tested is the result of all specs.
type tested struct {
	OK       bool          `json:"ok"`
	Passed   int           `json:"passed"`
	Failed   int           `json:"failed"` // packs and spec files that did not load included
	Pending  int           `json:"pending"`
	Warnings int           `json:"warnings"`
	Covered  *float64      `json:"covered_percent,omitempty"` // of all lines of rules
	Took     time.Duration `json:"took_ns"`
	Packs    []spec.Report `json:"packs"`
	// Diagnostics are errors that belong to no single pack, such as a wrong PATH.
	Diagnostics diag.List `json:"diagnostics,omitempty"`

	coverMin float64
	strict   bool
	some     bool // specs were named: not all were to be run
}

// sum adds up the packs.
func (t *tested) sum(took time.Duration) {
	t.Took = took
	lines, covered, measured := 0, 0, false
	broken := func(diags diag.List) {
		for _, d := range diags {
			if d.Severity == diag.SeverityError {
				t.Failed++
			} else {
				t.Warnings++
			}
		}
	}
	broken(t.Diagnostics)
	for i := range t.Packs {
		r := &t.Packs[i]
		t.Passed += r.Count(spec.Passed)
		t.Failed += r.Count(spec.Failed)
		t.Pending += r.Count(spec.Pending)
		broken(r.Broken)
		for n := range r.Results {
			t.Warnings += len(r.Results[n].Warnings)
		}
		for _, c := range r.Coverage {
			measured = true
			lines += c.Lines
			covered += c.Covered
		}
	}
	t.OK = t.Failed == 0 && (!t.strict || t.Warnings == 0)
	if measured {
		percent := spec.FileCoverage{Lines: lines, Covered: covered}.Percent()
		t.Covered = &percent
		t.OK = t.OK && !t.short()
	}
}

// short reports whether the specs reach fewer lines than required.
func (t *tested) short() bool { return t.Covered != nil && *t.Covered < t.coverMin }
