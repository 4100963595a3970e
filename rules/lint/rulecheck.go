package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// checkRules looks at the rules as they were loaded: whether anything can run
// them. A pack that did not load has none.
func (p *pack) checkRules() {
	if p.report.Pack == nil {
		return
	}
	sent := []string{event.MessageReceived, event.LeadReply, "reaction.added", "reaction.removed"}
	asks := p.unsure || p.usesAny("chert.mark_read", "chert.typing", "chert.react", "chert.send")
	for _, r := range p.report.Pack.Rules {
		at := p.callAt(r.File, r.Line)
		p.checkTimes(r, at)
		if why := r.Never(); why != "" {
			p.add(r.File, diag.SeverityWarning, codeNever, at, "", "this rule can never run: %s", why)
		}
		for _, t := range r.Types {
			switch {
			case t == event.ActionDone || t == event.ActionFailed:
				if !asks {
					p.add(r.File, diag.SeverityWarning, codeAnswer, at, "they reach only the pack that asked for the call", "%q never comes: this pack asks for no call", t)
				}
			case t == "*" || t == event.Schedule || strings.HasPrefix(t, event.TimerPrefix) || slices.Contains(sent, t):
			default:
				hint := "Chert sends " + strings.Join(sent, ", ")
				if near := diag.Suggest(t, sent); near != "" {
					hint = fmt.Sprintf("did you mean %q?", near)
				}
				p.add(r.File, diag.SeverityWarning, codeType, at, hint, "on: there is no %q", t)
			}
		}
	}
}

// checkTimes finds schedules that run at other times than they seem to, and
// calendars that nobody has continued.
func (p *pack) checkTimes(r *rules.Rule, at place) {
	if message, hint := r.Schedule.DaysMeet(); message != "" {
		p.add(r.File, diag.SeverityWarning, codeDaysMeet, at, hint, "schedule %q: %s", r.Every, message)
	}
	if message, hint := r.Schedule.UnevenStep(); message != "" {
		p.add(r.File, diag.SeverityWarning, codeUneven, at, hint, "schedule %q: %s", r.Every, message)
	}
	if ended := r.CalendarEnded(p.now); !ended.IsZero() {
		p.add(r.File, diag.SeverityWarning, codeCalendar, at, "add the days to come", "not_on: all its days are over: the last was %s", ended.Add(-time.Second).Format(time.DateOnly))
	}
}

// callAt is where a subscribing call stands on a line.
func (p *pack) callAt(path string, line int) place {
	if p.callsAt == nil {
		p.callsAt = map[string]map[int]place{}
		for _, r := range p.handlers {
			f := r.call.file
			if p.callsAt[f.path] == nil {
				p.callsAt[f.path] = map[int]place{}
			}
			at := f.start(r.call.expr)
			p.callsAt[f.path][at.line] = at
		}
	}
	if at, ok := p.callsAt[path][line]; ok {
		return at
	}
	return place{line: line}
}

// checkTimers compares the timers that are set with those that are waited for.
func (p *pack) checkTimers() {
	if p.report.Pack == nil {
		return
	}
	set := map[string]bool{}
	unknown := p.unsure
	for _, f := range p.files {
		for _, g := range f.gets {
			// chert.set_timer as a value: called by who knows whom.
			unknown = unknown || g.role == read && f.pathOf(g.expr) == "chert.set_timer"
		}
		for _, c := range f.calls {
			if c.expr.Func == nil || f.pathOf(c.expr.Func) != "chert.set_timer" || len(c.expr.Args) < 2 {
				continue
			}
			name, ok := f.constOf(c.expr.Args[0]).(string)
			if !ok {
				unknown = true
				continue
			}
			set[name] = true
			waited := slices.ContainsFunc(p.report.Pack.Rules, func(r *rules.Rule) bool { return slices.Contains(r.Types, event.TimerPrefix+name) })
			if !waited {
				f.warn(codeTimer, f.start(c.expr.Args[0]), fmt.Sprintf("chert.on(%q, function(ev) … end)", event.TimerPrefix+name), "no rule of this pack waits for the timer %q", name)
			}
		}
	}
	if unknown {
		return
	}
	var known []string
	for name := range set {
		known = append(known, name)
	}
	slices.Sort(known)
	for _, r := range p.report.Pack.Rules {
		for _, t := range r.Types {
			name, ok := strings.CutPrefix(t, event.TimerPrefix)
			if !ok || set[name] {
				continue
			}
			hint := fmt.Sprintf("a handler sets it: chert.set_timer(%q, \"5m\")", name)
			if near := diag.Suggest(name, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", event.TimerPrefix+near)
			}
			p.add(r.File, diag.SeverityWarning, codeTimer, p.callAt(r.File, r.Line), hint, "nothing in this pack sets the timer %q", name)
		}
	}
}

func (p *pack) usesAny(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(p.uses[n]) > 0 })
}

// checkCapabilities compares what the pack does with what it says it needs.
func (p *pack) checkCapabilities() {
	manifest := p.manifest()
	used := map[string]bool{}
	for _, it := range luabind.Symbols() {
		places := p.uses[it.Name]
		if it.Grant == "" || len(places) == 0 {
			continue
		}
		used[it.Grant] = true
		if slices.Contains(p.tried.Manifest.Permissions, it.Grant) {
			continue
		}
		at := places[0]
		p.found = append(p.found, finding{Diagnostic: rules.NotAsked(p.tried.Name, p.report.Path, manifest != nil || p.report.Path != at.file.path,
			diag.Diagnostic{File: at.file.path, Line: at.line, Col: at.col}, &it, p.tried.Manifest.Permissions)})
	}
	if p.unsure || manifest == nil || len(p.files) < p.sources() {
		return
	}
	for _, need := range p.tried.Manifest.Permissions {
		if !used[need] {
			p.add(manifest.Path, diag.SeverityWarning, codeNotUsed, p.permissionAt(need), "take it out: the operator has to grant what a pack needs", "permissions: %s is asked for and never used", need)
		}
	}
}

// sources is how many files of the pack are Lua that it runs.
func (p *pack) sources() int {
	n := 0
	for _, f := range p.tried.Files {
		if f.Kind == rules.RuleFile || f.Kind == rules.LibFile {
			n++
		}
	}
	return n
}

// manifestBroken reports whether pack.yaml has an error: it declares more than is known.
func (p *pack) manifestBroken() bool {
	m := p.manifest()
	return m != nil && slices.ContainsFunc(p.report.Diagnostics, func(d diag.Diagnostic) bool {
		return d.File == m.Path && d.Severity == diag.SeverityError
	})
}

func (p *pack) manifest() *rules.File {
	for i := range p.tried.Files {
		if p.tried.Files[i].Kind == rules.ManifestFile {
			return &p.tried.Files[i]
		}
	}
	return nil
}

// permissionAt is where pack.yaml asks for a permission.
func (p *pack) permissionAt(need string) place {
	if line, col := rules.PermissionPlace(p.tried.Files, need); line > 0 {
		return place{line, col}
	}
	return place{line: 1, col: 1}
}

// checkSpecs looks whether there are any, and whether they are Lua.
func (p *pack) checkSpecs() {
	specs := 0
	first := ""
	for _, f := range p.tried.Files {
		switch f.Kind {
		case rules.RuleFile:
			if first == "" {
				first = f.Path
			}
		case rules.SpecFile:
			specs++
			if _, err := luabind.Compile(f.Path, f.Bytes); err != nil {
				p.loading(err)
			}
		}
	}
	if specs > 0 || first == "" || p.report.Pack == nil {
		return // what does not load has other worries
	}
	hint := "write spec/" + p.tried.Name + "_spec.lua: `chertd new` shows how"
	if p.manifest() == nil && p.report.Path == first {
		hint = "write " + strings.TrimSuffix(first, ".lua") + "_spec.lua beside it: `chertd new` shows how"
	}
	p.found = append(p.found, finding{whole: true, Diagnostic: diag.Diagnostic{
		File: first, Line: 1, Col: 1, Severity: diag.SeverityWarning, Code: codeNoSpec, Hint: hint,
		Message: fmt.Sprintf("pack %q has no specs: an edit that breaks it goes live", p.tried.Name),
	}})
}
