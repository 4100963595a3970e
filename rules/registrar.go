package rules

import (
	"fmt"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// registrar compiles the subscriptions of one pack's files.
type registrar struct {
	pack       string
	onlyVetoes bool // the pack's, as canVeto
	canVeto    bool
	zone       *time.Location
	country    string // of numbers without +
	data       *dataFiles
	lists      []string // that the configuration declares, sorted; nil: any
	named      []string // lists that the code names
	rules      []*Rule
	perFile    map[string]int // subscriptions so far, by fileLabel
	byName     map[string]*Rule
	// warnings do not prevent loading, and luabind would not return them.
	warnings diag.List
}

// Subscribe implements luabind.Registrar, which adds the place to the problems.
func (g *registrar) Subscribe(sub luabind.Subscription) error {
	label := fileLabel(sub.File)
	g.perFile[label]++
	r, problems := compileRule(g.pack, sub, g.perFile[label], g.zone, g.country)
	problems = append(problems, g.checkLists(r.where)...)
	if first := g.byName[r.Name]; first != nil && r.Named {
		problems = append(problems, &problem{
			message: fmt.Sprintf("the name %q is already used by the rule at %s", r.Name, first.Place()),
			hint:    "names must be unique within a pack",
		})
	}
	if r.where != nil {
		r.where.onlyVetoes = g.onlyVetoes
	}
	r.onlyVetoes, r.canVeto = g.onlyVetoes, g.canVeto
	g.byName[r.Name] = r
	g.rules = append(g.rules, r)
	var errs diag.List
	for _, p := range problems {
		d := diag.Diagnostic{Severity: diag.SeverityError, Code: p.code, Message: p.message, Hint: p.hint}
		g.data.blame(&d, p, &sub)
		if p.warning {
			if d.Severity = diag.SeverityWarning; d.File == "" {
				d.File, d.Line = sub.File, sub.Line
			}
			g.warnings = append(g.warnings, d)
			continue
		}
		errs = append(errs, d)
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}
