package spec

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Options configures a run of specs. The zero value works.
type Options struct {
	Match   *regexp.Regexp // only specs whose full name it matches; nil: all
	Files   []string       // only spec files of these paths, as in rules.File; none: all
	Workers int            // how many run at a time; default GOMAXPROCS
	// Timeout ends a spec that takes longer in real time; default 10 s. Budgets of
	// steps end a runaway spec long before, on every machine at the same step.
	Timeout time.Duration
	Cover   bool             // measure which lines of the rules run
	Clock   func() time.Time // for Result.Took; nil: it stays 0

	// ran, if set, gets the World of each spec that ran, and the settings of its pack.
	ran func(p *rules.Pack, config map[string]any, w *World)
}

// Codes of the warnings of specs; docs/checks.md explains them.
const (
	codeNoAssertion   = "CH053"
	codeRunsNothing   = "CH054"
	codeFailedUnasked = "CH055"
)

// Status is how a spec ended.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Pending Status = "pending" // written down, not to be run
)

// Report is the result of the specs of one pack. Apart from Took it is the same in each
// run.
type Report struct {
	Pack     string         `json:"pack"`
	Path     string         `json:"path"`
	Version  string         `json:"version"`
	Files    []string       `json:"files"` // of specs; none: the pack has no specs
	Results  []Result       `json:"results"`
	Coverage []FileCoverage `json:"coverage,omitempty"` // of the rule files, with Options.Cover
	// Broken has the diagnostics of the pack and of spec files. A spec file with an
	// error did not load, and none of its specs ran.
	Broken diag.List `json:"broken,omitempty"`
	// Unloaded says that the pack did not load.
	Unloaded bool `json:"unloaded,omitempty"`
}

// NotLoaded returns the report of a pack that did not load.
func NotLoaded(p *rules.PackReport) Report {
	return Report{Pack: p.Name, Path: p.Path, Version: p.Tried.Version, Files: []string{}, Results: []Result{}, Broken: p.Diagnostics, Unloaded: true}
}

// Result is the result of one `it`.
type Result struct {
	Name    string        `json:"name"` // the names of the describes and the it, joined by spaces
	Path    []string      `json:"path"` // the same, one by one
	File    string        `json:"file"`
	Line    int           `json:"line"`
	Col     int           `json:"col"`
	Status  Status        `json:"status"`
	Why     string        `json:"why,omitempty"`     // of a pending one, if given
	Failure *Failure      `json:"failure,omitempty"` // of a failed one
	Printed []string      `json:"printed,omitempty"` // by the spec
	Events  int           `json:"events"`            // how many were handled
	Calls   int           `json:"calls"`             // how many were made
	Took    time.Duration `json:"took_ns"`
	// Warnings are of a spec that passed: it asserted nothing, or a rule failed and it
	// did not assert that.
	Warnings diag.List `json:"warnings,omitempty"`
}

// Failure is the failure of a spec: its place, what was expected and what was got, a
// hint if there is one, and all that happened until then.
type Failure struct {
	diag.Diagnostic
	Source string   `json:"source"`          // the line, as written
	Stack  []string `json:"stack,omitempty"` // file:line of the calls it was in, innermost first
	Story  []string `json:"story,omitempty"` // what happened, in lines
	Zone   string   `json:"zone,omitempty"`  // of the times in Story and in the hint
}

// OK reports whether nothing failed.
func (r *Report) OK() bool { return !r.Diagnostics().Errors() }

// Count returns how many specs ended with a status.
func (r *Report) Count(s Status) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Status == s {
			n++
		}
	}
	return n
}

// Diagnostics returns the failures as errors and the warnings of specs that passed, as
// check prints its findings.
func (r *Report) Diagnostics() diag.List {
	var diags diag.List
	diags = append(diags, r.Broken...)
	for i := range r.Results {
		res := &r.Results[i]
		if f := res.Failure; f != nil {
			d := f.Diagnostic
			d.Message = fmt.Sprintf("spec %q failed: %s", res.Name, d.Message)
			diags = append(diags, d)
		}
		diags = append(diags, res.Warnings...)
	}
	return diags
}

// Run runs the specs of a pack, each in a World with VMs of its own. It returns soon
// after ctx ends; specs that have not run by then fail.
func Run(ctx context.Context, p *rules.Pack, o Options) Report {
	return RunAll(ctx, []*rules.Pack{p}, o)[0]
}

// RunAll runs the specs of several packs concurrently, like Run.
func RunAll(ctx context.Context, packs []*rules.Pack, o Options) []Report {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	reports := make([]Report, len(packs))
	var jobs []*job
	var covers []*coverage
	for i, p := range packs {
		r := &reports[i]
		*r = Report{Pack: p.Name, Path: p.Path, Version: p.Version, Files: []string{}, Results: []Result{}}
		cover := newCoverage(p, o.Cover)
		covers = append(covers, cover)
		var mine []*job
		for _, f := range p.Files {
			if f.Kind != rules.SpecFile || len(o.Files) > 0 && !slices.Contains(o.Files, f.Path) {
				continue
			}
			if !isSpec(f) {
				r.Broken = append(r.Broken, diag.Diagnostic{File: f.Path, Line: 1, Col: 1, Severity: diag.SeverityWarning, Code: codeRunsNothing,
					Message: "this file is not run: the names of specs end in " + specSuffix, Hint: "rename it, or move shared code to lib/ and require it"})
				continue
			}
			r.Files = append(r.Files, f.Path)
			found, diags := discover(p, f, cover)
			r.Broken = append(r.Broken, diags...)
			for _, j := range found {
				if o.Match == nil || o.Match.MatchString(j.result.Name) {
					mine = append(mine, j)
				}
			}
		}
		r.Results = make([]Result, len(mine))
		for n, j := range mine {
			j.into = &r.Results[n]
		}
		jobs = append(jobs, mine...)
	}
	work(ctx, jobs, o)
	for i, c := range covers {
		reports[i].Coverage = c.report()
	}
	return reports
}

// work runs the jobs and waits for all.
func work(ctx context.Context, jobs []*job, o Options) {
	next := make(chan *job)
	var done sync.WaitGroup
	for range min(o.Workers, len(jobs)) {
		done.Go(func() {
			for j := range next {
				*j.into = j.run(ctx, o)
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	done.Wait()
}
