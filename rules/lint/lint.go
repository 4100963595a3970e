// Package lint finds mistakes in rules that loading does not refuse: names that
// don't exist, invalid arguments, rules that never run, state that a reload loses.
// It reports only what is certain, because people silence a tool that raises
// false alarms.
package lint

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Result is what Check found in packs.
type Result struct {
	Packs    int
	Rules    int       // of the packs that load
	Findings diag.List // by file and place
	Refused  bool      // loading refuses some of the packs, whatever rules.gate says
}

// Check loads what a command is given, as rules.Load does, and looks at it
// more closely. Everything loading refuses is among the findings.
func Check(paths []string, o rules.Options) Result {
	report := rules.Load(paths, o)
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	found, packs, vetoes := make([]diag.List, len(report.Packs)), make([]*pack, len(report.Packs)), make([][]veto, len(report.Packs))
	signals := signalsOf(report.Packs)
	each(len(packs), func(i int) {
		packs[i] = newPack(&report.Packs[i])
		packs[i].now, packs[i].signals = now, signals
		if p := report.Packs[i].Pack; p != nil && o.ModeOf(p) == rules.Live {
			vetoes[i] = packs[i].vetoes()
		}
	})
	all := slices.Concat(vetoes...)
	each(len(packs), func(i int) {
		packs[i].checkCovered(all)
		found[i] = packs[i].check()
		packs[i] = nil // it is large
	})
	r := Result{Packs: len(report.Packs), Refused: report.Diagnostics.Errors()}
	for i := range report.Packs {
		if p := report.Packs[i].Pack; p != nil {
			r.Rules += len(p.Rules)
		}
	}
	for _, d := range report.Others() {
		d.Code = cmp.Or(d.Code, codeOf(d))
		r.Findings = append(r.Findings, d)
	}
	for _, ds := range found {
		r.Findings = append(r.Findings, ds...)
	}
	slices.SortStableFunc(r.Findings, byPlace)
	r.Findings = slices.Compact(r.Findings)
	return r
}

func byPlace(a, b diag.Diagnostic) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
}

// each calls do with the numbers below n, on all processors.
func each(n int, do func(i int)) {
	var wait sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range min(runtime.GOMAXPROCS(0), n) {
		wait.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	wait.Wait()
}

// check returns what is found in the pack.
func (p *pack) check() diag.List {
	for _, f := range p.files {
		f.checkNames()
		f.checkCalls()
		f.checkHandlers()
		f.checkLocals()
		f.checkMemory()
		f.checkNil()
		f.checkAbsent()
		f.checkRelations()
		f.checkLoops()
		for _, at := range f.unreachable {
			f.warn(codeDead, at, "delete it, or the statement that exits the block before it", "unreachable: the statement before this always exits the block")
		}
	}
	p.checkRules()
	p.checkTimers()
	p.checkSignals(p.signals)
	p.checkCapabilities()
	p.checkSpecs()
	return p.settle()
}

// Errors returns the errors that Check finds in a pack that was loaded. The gate of an
// edit calls it. The caller must not use the pack at the same time.
func Errors(p *rules.Pack) diag.List {
	// It has no time, which only warnings about calendars need, and no signals of other packs.
	found := newPack(&rules.PackReport{Name: p.Name, Path: p.Path, Pack: p, Tried: p}).check()
	return slices.DeleteFunc(found, func(d diag.Diagnostic) bool { return d.Severity != diag.SeverityError })
}

// NoSpecs returns the warning that a pack has no specs, for `chertd test`. It returns
// nothing if the pack has specs or its files allow the finding.
func NoSpecs(report *rules.PackReport) diag.List {
	p := newPack(report)
	p.checkSpecs()
	return slices.DeleteFunc(p.settle(), func(d diag.Diagnostic) bool { return d.Code != codeNoSpec })
}

func (f *file) fail(code string, at place, hint, format string, args ...any) {
	f.pack.add(f.path, diag.SeverityError, code, at, hint, format, args...)
}

// mistake adds an error in the words in which running the file would raise it.
func (f *file) mistake(code string, at place, m luabind.Mistake) {
	f.fail(code, at, m.Hint, "%s", m.Message)
}

func (f *file) warn(code string, at place, hint, format string, args ...any) {
	f.pack.add(f.path, diag.SeverityWarning, code, at, hint, format, args...)
}

func (p *pack) add(path string, severity diag.Severity, code string, at place, hint, format string, args ...any) {
	p.found = append(p.found, finding{Diagnostic: diag.Diagnostic{
		File: path, Line: at.line, Col: at.col, Severity: severity, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint,
	}})
}
