package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/lint"
	"chertd/rules/spec"
)

// testOptions is what `chertd test` is asked for.
type testOptions struct {
	paths    []string
	run      string
	format   string
	verbose  bool
	watch    bool
	cover    bool
	coverMin float64

	match *regexp.Regexp // of run
	files []string       // spec files named by paths, if they name nothing else
}

func newTestCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [PATH ...]",
		Short: "Run the packs' specs, on virtual time and without a network",
		Long: `Runs the specs of packs: spec/*_spec.lua in a pack's folder, NAME_spec.lua
beside NAME.lua. Time is virtual and calls are simulated, so that hours pass at
once and nothing reaches Chert. PATH is a rules folder, a pack, a .lua file or a
spec file; none is ./rules.

Exits with 0 if no spec failed, 1 if one did or the rules don't load.`,
		Example: `  chertd test
  chertd test rules/vip --run 'holds|releases' -v
  chertd test --watch
  chertd test --cover --cover-min 90
  chertd test --format junit > specs.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.find(pathsOr(args))
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			if o.watch {
				return o.runWatching(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			_, err := o.runOnce(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			return err
		},
	}
	formatFlag(cmd, &o.format, "pretty", "json", "junit", "github")
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "only specs whose full name matches the regular `expression`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every spec, and what it prints")
	f.BoolVar(&o.watch, "watch", false, "run again whenever a file changes, until interrupted")
	f.BoolVar(&o.cover, "cover", false, "show which lines of the rules the specs reach")
	f.Float64Var(&o.coverMin, "cover-min", 0, "fail below so many `percent` of lines reached; means --cover")
	return cmd
}

// find sorts out what PATHs name. A spec file stands for its pack; if nothing
// else is named, only these files are run.
func (o *testOptions) find(paths []string) {
	o.paths, o.files = nil, nil
	for _, p := range paths {
		name, isSpec := strings.CutSuffix(p, "_spec.lua")
		if isSpec && isFile(p) {
			o.files = append(o.files, filepath.Clean(p))
			switch dir := filepath.Dir(p); {
			case isFile(name + ".lua"):
				p = name + ".lua"
			case filepath.Base(dir) == "spec":
				p = filepath.Dir(dir)
			default:
				p = dir
			}
		}
		if !slices.Contains(o.paths, p) {
			o.paths = append(o.paths, p)
		}
	}
	if len(o.files) < len(paths) {
		o.files = nil
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// check looks at what was asked before anything runs.
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

// runOnce loads the packs and runs their specs. The set is nil if the packs
// don't load.
func (o *testOptions) runOnce(ctx context.Context, stdout, stderr io.Writer) (*rules.Set, error) {
	set, diags := rules.LoadPaths(o.paths, rules.Options{Coded: lint.Coded}, nil)
	if set == nil {
		return nil, fail(exitFailure, diags)
	}
	if err := printDiagnostics(io.Discard, stderr, "pretty", diags); err != nil {
		return set, err
	}
	began := time.Now()
	t := tested{
		Packs:    spec.RunAll(ctx, set.Packs(), spec.Options{Match: o.match, Files: o.files, Cover: o.cover, Clock: time.Now}),
		coverMin: o.coverMin,
	}
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
		err = t.pretty(stdout, o.verbose)
	}
	switch {
	case err != nil:
		return set, err
	case ctx.Err() != nil && !o.watch:
		return set, fail(exitFailure, fmt.Errorf("run the specs: %w", context.Cause(ctx)))
	case o.match != nil && t.Passed+t.Failed+t.Pending == 0:
		return set, hinted(fail(exitFailure, fmt.Errorf("no spec matches --run %q", o.run)), "a spec's full name is what its describes and its it say, joined by spaces")
	case !t.OK:
		return set, errSilent
	}
	return set, nil
}

// runWatching runs the specs, and again after each change, until ctx ends.
func (o *testOptions) runWatching(ctx context.Context, stdout, stderr io.Writer) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	changed := make(chan string, 1)
	watched := map[string]bool{}
	watch := func(set *rules.Set) {
		for _, dir := range watchDirs(o.paths, set) {
			if watched[dir] {
				continue
			}
			watched[dir] = true
			// What changes from here on is told, even before the watch stands.
			since := rules.LoadEach(dir, rules.Options{}, nil).Content
			watches.Go(func() {
				rules.Watch(ctx, dir, rules.WatchOptions{Since: since}, func(reason string) {
					select {
					case changed <- reason:
					default: // a run is due anyway
					}
				})
			})
		}
	}
	set, _ := rules.LoadPaths(o.paths, rules.Options{}, nil) // what is wrong with it, runOnce says
	for {
		watch(set)
		var err error
		set, err = o.runOnce(ctx, stdout, stderr)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			report(stderr, err)
		}
		watch(set)
		select {
		case <-ctx.Done():
			return nil
		case reason := <-changed:
			fmt.Fprintf(stdout, "\n%s\n", reason)
		}
	}
}

// watchDirs are the rules folders in which paths are: a watch is of a folder
// of packs, and a pack's is the one it stands in.
func watchDirs(paths []string, set *rules.Set) []string {
	var dirs []string
	for _, p := range paths {
		dir := p
		info, err := os.Stat(p)
		isPack := slices.ContainsFunc(set.Packs(), func(pack *rules.Pack) bool { return filepath.Clean(pack.Path) == filepath.Clean(p) })
		if err == nil && !info.IsDir() || isPack {
			abs, err := filepath.Abs(p)
			if err != nil {
				abs = p
			}
			dir = filepath.Dir(abs)
		}
		dirs = append(dirs, filepath.Clean(dir))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// tested is what came of all specs.
type tested struct {
	OK      bool          `json:"ok"`
	Passed  int           `json:"passed"`
	Failed  int           `json:"failed"` // spec files that did not load included
	Pending int           `json:"pending"`
	Covered *float64      `json:"covered_percent,omitempty"` // of all lines of rules
	Took    time.Duration `json:"took_ns"`
	Packs   []spec.Report `json:"packs"`

	coverMin float64
}

// sum adds the packs up.
func (t *tested) sum(took time.Duration) {
	t.Took = took
	lines, covered, measured := 0, 0, false
	for i := range t.Packs {
		r := &t.Packs[i]
		t.Passed += r.Count(spec.Passed)
		t.Failed += r.Count(spec.Failed)
		t.Pending += r.Count(spec.Pending)
		for _, d := range r.Broken {
			if d.Severity == luabind.SeverityError {
				t.Failed++
			}
		}
		for _, c := range r.Coverage {
			measured = true
			lines += c.Lines
			covered += c.Covered
		}
	}
	t.OK = t.Failed == 0
	if measured {
		percent := spec.FileCoverage{Lines: lines, Covered: covered}.Percent()
		t.Covered = &percent
		t.OK = t.OK && !t.short()
	}
}

// short reports whether the specs reach less than is asked for.
func (t *tested) short() bool { return t.Covered != nil && *t.Covered < t.coverMin }
