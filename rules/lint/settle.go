package lint

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/diag"
	"chertd/rules"
)

// settle returns one list of the diagnostics of loading and the findings, each once,
// without those that the files allow.
func (p *pack) settle() diag.List {
	for _, d := range p.report.Diagnostics {
		p.loaded(d)
	}
	p.dropTwice()
	p.applyAllows()
	slices.SortStableFunc(p.found, func(a, b finding) int { return byPlace(a.Diagnostic, b.Diagnostic) })
	var ds diag.List
	for _, f := range p.found {
		ds = append(ds, f.Diagnostic)
	}
	return slices.Compact(ds)
}

// loading adds the errors of compiling a file.
func (p *pack) loading(err error) {
	var ds diag.List
	if errors.As(err, &ds) {
		for _, d := range ds {
			d.Code = codeSyntax
			p.found = append(p.found, finding{Diagnostic: d})
		}
	}
}

// loaded adds a diagnostic of loading, with the code of its subject.
func (p *pack) loaded(d diag.Diagnostic) {
	f := p.fileOf(d.File)
	whole := false
	switch kind := p.kindOf(d.File); {
	case d.Code != "":
		if f != nil && d.Line > 0 {
			d.Col = cmp.Or(d.Col, p.callAt(d.File, d.Line).col, f.columnOf(d.Line))
		}
	case p.report.Empty && d.File == p.tried.Path && d.Line == 0:
		d.Code, whole = codeNoRules, true
	case kind == rules.ManifestFile:
		d.Code = codeManifest
	case kind == rules.DataFile:
		d.Code = codeData
	case kind != rules.RuleFile && kind != rules.LibFile:
		d.Code = codeFile
	case f == nil:
		d.Code = codeSyntax
	case d.Line == 0:
		d.Code = codeFile
	default:
		d.Code = codeLoading
		if at := p.callAt(d.File, d.Line); at.col > 0 {
			d.Code, d.Col = codeRule, cmp.Or(d.Col, at.col)
			if d.Severity == diag.SeverityWarning && strings.HasPrefix(d.Message, "on: ") {
				d.Code = codeType
			}
		}
		d.Col = cmp.Or(d.Col, f.columnOf(d.Line))
	}
	p.found = append(p.found, finding{d, whole})
}

// dropTwice drops errors of loading on lines where a check found an error of its own,
// which has a column and a code.
func (p *pack) dropTwice() {
	type line struct {
		file string
		line int
	}
	exact := map[line]bool{}
	for _, f := range p.found {
		if f.Severity == diag.SeverityError && f.Code != codeLoading && f.Code != codeRule {
			exact[line{f.File, f.Line}] = true
		}
	}
	types := map[diag.Diagnostic]bool{}
	p.found = slices.DeleteFunc(p.found, func(f finding) bool {
		switch f.Code {
		case codeLoading, codeRule:
			return f.Severity == diag.SeverityError && exact[line{f.File, f.Line}]
		case codeType:
			same := diag.Diagnostic{File: f.File, Line: f.Line, Message: f.Message}
			twice := types[same]
			types[same] = true
			return twice
		}
		return false
	})
}

func (p *pack) fileOf(path string) *file {
	for _, f := range p.files {
		if f.path == path {
			return f
		}
	}
	return nil
}

func (p *pack) kindOf(path string) rules.FileKind {
	for i := range p.tried.Files {
		if p.tried.Files[i].Path == path {
			return p.tried.Files[i].Kind
		}
	}
	return ""
}

// columnOf returns the column of the first token on a line; 0 if the line has none.
func (f *file) columnOf(line int) int {
	i, _ := slices.BinarySearchFunc(f.tokens, line, func(t ast.Token, line int) int { return cmp.Compare(t.Pos.Line, line) })
	if i < len(f.tokens) && f.tokens[i].Pos.Line == line {
		return f.tokens[i].Pos.Column
	}
	return 0
}
