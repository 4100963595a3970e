package lint

import (
	"cmp"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Coded returns diagnostics of loading with the codes and columns under which Check
// lists them. It is for rules.Options.Coded, so that an edit is refused in the same
// words wherever it is loaded. It drops only the repetitions of a warning about
// several rules on one line.
func Coded(of *rules.PackReport, ds diag.List) diag.List {
	coded := make(diag.List, 0, len(ds))
	if of == nil {
		for _, d := range ds {
			d.Code = cmp.Or(d.Code, codeOf(d))
			coded = append(coded, d)
		}
		return coded
	}
	p := newPack(of)
	for _, d := range ds {
		p.loaded(d)
	}
	p.dropTwice()
	for _, f := range p.found {
		coded = append(coded, f.Diagnostic)
	}
	return coded
}

// CodedSpecs returns the errors of loading a pack's spec files with their codes.
func CodedSpecs(of *rules.Pack, ds diag.List) diag.List {
	coded := slices.Clone(ds)
	for i := range coded {
		d := &coded[i]
		if d.Severity != diag.SeverityError || d.Code != "" {
			continue
		}
		d.Code = codeLoading
		for _, f := range of.Files {
			if f.Path != d.File {
				continue
			}
			if _, err := luabind.Compile(f.Path, f.Bytes); err != nil {
				d.Code = codeSyntax
			}
		}
	}
	return coded
}

// codeOf returns the code of a diagnostic that belongs to no single pack.
func codeOf(d diag.Diagnostic) string {
	if strings.HasPrefix(d.Message, rules.IgnoredMessage) {
		return codeIgnored
	}
	return codeFile
}
