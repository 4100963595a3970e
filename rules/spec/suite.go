package spec

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// specSuffix is the end of the names of spec files. Other files in spec/ are not run.
const specSuffix = "_spec.lua"

func isSpec(f rules.File) bool { return strings.HasSuffix(f.Name, specSuffix) }

// job is one `it` to run.
type job struct {
	pack   *rules.Pack
	prog   *luabind.Program
	cols   luabind.Columns // of prog
	cover  *coverage
	index  int
	count  int    // how many specs the file has
	result Result // as far as it is known before the run
	into   *Result
}

// discover loads a spec file and returns its specs. The functions of describe run, those
// of it do not.
func discover(p *rules.Pack, f rules.File, cover *coverage) ([]*job, diag.List) {
	prog, err := luabind.Compile(f.Path, f.Bytes)
	if err != nil {
		return nil, diagnosticsOf(f.Path, err)
	}
	s, err := load(p, prog, cover, Options{})
	if err != nil {
		return nil, diagnosticsOf(f.Path, err)
	}
	if len(s.cases) == 0 {
		return nil, diag.List{{File: f.Path, Line: 1, Col: 1, Severity: diag.SeverityWarning, Code: codeRunsNothing, Message: "this spec file has no specs",
			Hint: `write one: it("…", function() … end)`}}
	}
	cols := prog.Columns()
	jobs := make([]*job, len(s.cases))
	for i, c := range s.cases {
		status := Passed
		if c.pending {
			status = Pending
		}
		jobs[i] = &job{pack: p, prog: prog, cols: cols, cover: cover, index: i, count: len(s.cases), result: Result{
			Name: strings.Join(c.path, " "), Path: c.path, File: f.Path, Line: c.line,
			Col: cols.Of(c.line, "it", "pending"), Status: status, Why: c.why,
		}}
	}
	return jobs, nil
}

func diagnosticsOf(file string, err error) diag.List {
	if ds, ok := err.(diag.List); ok {
		return ds
	}
	return diag.List{{File: file, Severity: diag.SeverityError, Message: err.Error()}}
}

// suite is a loaded spec file: its specs, and the `it` that runs. The file is loaded
// again for each `it`, so that nothing leaks between them.
type suite struct {
	script  *luabind.Script
	account *luabind.MemoryBudget // of the script and the pack it tries
	block   *block                // while loading: the describe it is in
	cases   []*testCase
	trial   *trial // nil while loading
}

// block is a describe, or the file itself.
type block struct {
	name   string
	outer  *block
	before []*lua.LFunction
	after  []*lua.LFunction
}

// testCase is an `it`, or a pending.
type testCase struct {
	path    []string
	line    int
	block   *block
	fn      *lua.LFunction
	pending bool
	why     string
}

// load runs the top level of a spec file.
func load(p *rules.Pack, prog *luabind.Program, cover *coverage, o Options) (*suite, error) {
	s := &suite{block: &block{}}
	cfg := p.Script()
	cfg.Limits.Wall = o.Timeout
	if cover != nil {
		cfg.Lib, cfg.Cover = cover.lib(cfg.Lib), cover.hit
	}
	cfg.Print = func(level, msg string, fields map[string]any) {
		if s.trial != nil {
			s.trial.printed = append(s.trial.printed, msg)
		}
	}
	script, err := luabind.LoadScript(cfg, prog, host(), s)
	if err != nil {
		return nil, err
	}
	s.script, s.account = script, cfg.Budget
	return s, nil
}

// run runs the `it` in a suite and a World of its own.
func (j *job) run(ctx context.Context, o Options) Result {
	res := j.result
	if res.Status == Pending {
		return res
	}
	began := now(o)
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the spec took longer than %s", diag.Duration(o.Timeout)))
	defer cancel()
	s, err := load(j.pack, j.prog, j.cover, o)
	if err != nil || len(s.cases) != j.count {
		if err == nil {
			err = fmt.Errorf("the file has other specs than when it was first loaded")
		}
		return j.failed(res, &luabind.Failure{Diagnostic: diagnosticsOf(res.File, err)[0]}, nil)
	}
	t := &trial{ctx: ctx, pack: j.pack, cover: j.cover, start: Epoch, timeout: o.Timeout, account: s.account}
	s.trial = t
	failure := s.play(s.cases[j.index])
	res.Printed = t.printed
	if t.world != nil {
		for i := range t.world.log {
			if t.world.log[i].Event != nil {
				res.Events++
			}
		}
		res.Calls = len(t.world.Calls())
		if o.ran != nil {
			o.ran(j.pack, t.config, t.world)
		}
	}
	switch {
	case t.pending:
		res.Status, res.Why = Pending, t.why
	case failure != nil:
		res = j.failed(res, failure, t)
	default:
		res.Warnings = t.warnings(&res)
	}
	res.Took = now(o).Sub(began)
	return res
}

// play runs the functions of before_each, outermost first, the body, and those of
// after_each, innermost first, even if the body failed.
func (s *suite) play(c *testCase) *luabind.Failure {
	s.script.Begin()
	defer s.script.End()
	var chain []*block
	for b := c.block; b != nil; b = b.outer {
		chain = append(chain, b)
	}
	failure := func() *luabind.Failure {
		for i := len(chain) - 1; i >= 0; i-- {
			for _, fn := range chain[i].before {
				if f := s.script.Call(fn); f != nil {
					return f
				}
			}
		}
		s.trial.asserted = false // assertions of before_each do not count
		return s.script.Call(c.fn)
	}()
	if failure == nil || !s.script.Broken() {
		for _, b := range chain {
			for _, fn := range b.after {
				if f := s.script.Call(fn); f != nil && failure == nil {
					failure = f
				}
			}
		}
	}
	return failure
}

func (j *job) failed(res Result, f *luabind.Failure, t *trial) Result {
	res.Status = Failed
	d := f.Diagnostic
	if d.File == "" {
		d.File, d.Line = res.File, res.Line
	}
	if d.File == j.prog.File && d.Line > 0 && (d.Col == 0 || d.Col == j.cols.Of(d.Line)) {
		// Only the line is known: find the word that failed on it.
		d.Col = j.column(d)
	}
	res.Failure = &Failure{Diagnostic: d, Source: sourceLine(j.prog, d)}
	if len(f.Stack) > 1 {
		res.Failure.Stack = f.Stack
	}
	if t != nil && t.world != nil {
		res.Failure.Story, res.Failure.Zone = t.story(), t.pack.Zone().String()
	}
	return res
}

// column returns the column of the word that failed: the one that the message begins
// with, or else an assertion.
func (j *job) column(d diag.Diagnostic) int {
	word, _, _ := strings.Cut(d.Message, " ")
	word, _, _ = strings.Cut(strings.TrimSuffix(word, ":"), ".")
	if !slices.Contains(words, word) {
		word = "assert"
	}
	if col := j.cols.Of(d.Line, word); col != j.cols.Of(d.Line) {
		return col
	}
	return j.cols.Of(d.Line, words...)
}

// sourceLine returns the line of the spec at which it failed.
func sourceLine(p *luabind.Program, d diag.Diagnostic) string {
	lines := strings.Split(string(p.Source), "\n")
	if d.File != p.File || d.Line < 1 || d.Line > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[d.Line-1], " \t\r")
}

func now(o Options) time.Time {
	if o.Clock == nil {
		return time.Time{}
	}
	return o.Clock()
}
