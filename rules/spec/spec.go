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

// Options says how specs are run. The zero value works.
type Options struct {
	Match   *regexp.Regexp // only specs whose full name it matches; nil: all
	Files   []string       // only spec files of these paths, as in rules.File; none: all
	Workers int            // how many run at a time; default GOMAXPROCS
	// Timeout ends a spec that takes so long on a clock of this world; default
	// 10 s. Budgets of steps end a runaway one long before, the same everywhere.
	Timeout time.Duration
	Cover   bool             // measure which lines of the rules run
	Clock   func() time.Time // for Result.Took; nil: it stays 0

	// ran, if set, gets the World of each spec that ran, and the settings of its pack.
	ran func(p *rules.Pack, config map[string]any, w *World)
}

// The codes of what specs warn of, as docs/checks.md has them.
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

// Report is how the specs of one pack went. But for Took it is the same each
// time.
type Report struct {
	Pack     string         `json:"pack"`
	Path     string         `json:"path"`
	Version  string         `json:"version"`
	Files    []string       `json:"files"` // of specs; none: the pack has no specs
	Results  []Result       `json:"results"`
	Coverage []FileCoverage `json:"coverage,omitempty"` // of the rule files, with Options.Cover
	// Broken says what is wrong with the pack or a spec file as such: an error is
	// of one that did not load, and none of its specs were run.
	Broken diag.List `json:"broken,omitempty"`
	// Unloaded says that the pack did not load.
	Unloaded bool `json:"unloaded,omitempty"`
}

// NotLoaded is the report of a pack that did not load.
func NotLoaded(p *rules.PackReport) Report {
	return Report{Pack: p.Name, Path: p.Path, Version: p.Tried.Version, Files: []string{}, Results: []Result{}, Broken: p.Diagnostics, Unloaded: true}
}

// Result is how one `it` went.
type Result struct {
	Name    string        `json:"name"` // what the describes and the it say, joined by spaces
	Path    []string      `json:"path"` // the same, one by one
	File    string        `json:"file"`
	Line    int           `json:"line"`
	Col     int           `json:"col"`
	Status  Status        `json:"status"`
	Why     string        `json:"why,omitempty"`     // of a pending one, if it says so
	Failure *Failure      `json:"failure,omitempty"` // of a failed one
	Printed []string      `json:"printed,omitempty"` // by the spec
	Events  int           `json:"events"`            // how many were handled
	Calls   int           `json:"calls"`             // how many were made
	Took    time.Duration `json:"took_ns"`
	// Warnings are what a spec that passed leaves open: it asserted nothing, or a
	// rule failed and it did not ask.
	Warnings diag.List `json:"warnings,omitempty"`
}

// Failure is why a spec failed: where, what was expected and got, a hint where
// there is one, and all that happened until then.
type Failure struct {
	diag.Diagnostic
	Source string   `json:"source"`          // the line, as written
	Stack  []string `json:"stack,omitempty"` // file:line of the calls it was in, innermost first
	Story  []string `json:"story,omitempty"` // what happened, in lines
	Zone   string   `json:"zone,omitempty"`  // of the times in Story and in the hint
}

// OK reports whether nothing failed.
func (r *Report) OK() bool { return !r.Diagnostics().Errors() }

// Count is how many specs ended so.
func (r *Report) Count(s Status) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Status == s {
			n++
		}
	}
	return n
}

// Diagnostics are the failures as check prints its findings: errors for what
// failed, warnings for what specs that passed leave open.
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

// Run runs the specs of a pack, each by itself: a World and VMs of its own.
// It ends soon after ctx does; specs that did not run by then have failed.
func Run(ctx context.Context, p *rules.Pack, o Options) Report {
	return RunAll(ctx, []*rules.Pack{p}, o)[0]
}

// RunAll is Run for several packs at once.
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
					Message: "this file is not run: specs are named NAME" + specSuffix, Hint: "rename it, or move what specs share to lib/ and require it"})
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
