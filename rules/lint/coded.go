package lint

import (
	"cmp"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Coded gives what loading says the codes and columns under which Check lists
// it: it is what rules.Options.Coded takes, so that an edit is refused in the
// same words by whatever loads it. Everything said is kept, but for a warning
// that is told of several rules on one line.
func Coded(of *rules.PackReport, said diag.List) diag.List {
	coded := make(diag.List, 0, len(said))
	if of == nil {
		for _, d := range said {
			d.Code = cmp.Or(d.Code, codeOf(d))
			coded = append(coded, d)
		}
		return coded
	}
	p := newPack(of)
	for _, d := range said {
		p.loaded(d)
	}
	p.dropTwice()
	for _, f := range p.found {
		coded = append(coded, f.Diagnostic)
	}
	return coded
}

// CodedSpecs gives errors of loading a pack's spec files their codes.
func CodedSpecs(of *rules.Pack, said diag.List) diag.List {
	coded := slices.Clone(said)
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

// codeOf is the code of what is said of no single pack.
func codeOf(d diag.Diagnostic) string {
	if strings.HasPrefix(d.Message, rules.IgnoredMessage) {
		return codeIgnored
	}
	return codeFile
}
