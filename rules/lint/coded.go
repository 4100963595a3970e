package lint

import (
	"cmp"
	"strings"

	"chertd/luabind"
	"chertd/rules"
)

// Coded gives what loading says the codes and columns under which Check lists
// it: it is what rules.Options.Coded takes, so that an edit is refused in the
// same words by whatever loads it. Everything said is kept, but for a warning
// that is told of several rules on one line.
func Coded(of *rules.PackReport, said luabind.Diagnostics) luabind.Diagnostics {
	coded := make(luabind.Diagnostics, 0, len(said))
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

// codeOf is the code of what is said of no single pack.
func codeOf(d luabind.Diagnostic) string {
	if strings.HasPrefix(d.Message, rules.IgnoredMessage) {
		return codeIgnored
	}
	return codeFile
}
