package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// checkRules checks the rules of a pack that loaded: whether anything can run them.
func (p *pack) checkRules() {
	if p.report.Pack == nil {
		return
	}
	calls := p.unsure || p.usesAny("chert.mark_read", "chert.typing", "chert.react", "chert.send", "chert.notify")
	for _, r := range p.report.Pack.Rules {
		at := p.callAt(r.File, r.Line)
		p.checkTimes(r, at)
		if why := r.Never(); why != "" {
			p.add(r.File, diag.SeverityWarning, codeNever, at, "", "this rule can never run: %s", why)
		}
		for _, t := range r.Types {
			switch {
			case t == event.ActionDone || t == event.ActionFailed:
				if !calls {
					p.add(r.File, diag.SeverityWarning, codeAnswer, at, "they reach only the pack that requested the call", "%q never arrives: this pack requests no calls", t)
				}
			case t == "*" || t == event.Schedule || strings.HasPrefix(t, event.TimerPrefix) || strings.HasPrefix(t, event.SignalPrefix) || slices.Contains(event.Documented, t):
			default:
				hint := cmp.Or(diag.DidYouMeanString("", t, event.Documented), "Chert sends "+strings.Join(event.Documented, ", "))
				p.add(r.File, diag.SeverityWarning, codeType, at, hint, "on: there is no %q", t)
			}
		}
	}
}

// checkTimes finds schedules that run at other times than they seem to, and calendars
// without future days.
func (p *pack) checkTimes(r *rules.Rule, at place) {
	if message, hint := r.Schedule.DaysMeet(); message != "" {
		p.add(r.File, diag.SeverityWarning, codeDaysMeet, at, hint, "schedule %q: %s", r.Every, message)
	}
	if message, hint := r.Schedule.UnevenStep(); message != "" {
		p.add(r.File, diag.SeverityWarning, codeUneven, at, hint, "schedule %q: %s", r.Every, message)
	}
	if ended := r.CalendarEnded(p.now); !ended.IsZero() {
		p.add(r.File, diag.SeverityWarning, codeCalendar, at, "add future days", "not_on: all its days are past: the last was %s", ended.Add(-time.Second).Format(time.DateOnly))
	}
}

// callAt returns the place of the subscribing call on a line.
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

// checkTimers compares the timers that are set with the timers that have a handler.
func (p *pack) checkTimers() {
	if p.report.Pack == nil {
		return
	}
	set := map[string]bool{}
	unknown := p.unsure
	for _, f := range p.files {
		for _, g := range f.gets {
			// As a value, chert.set_timer may be called with any name.
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
				f.warn(codeTimer, f.start(c.expr.Args[0]), fmt.Sprintf("chert.on(%q, function(ev) … end)", event.TimerPrefix+name), "no rule of this pack handles the timer %q", name)
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
			hint := cmp.Or(diag.DidYouMeanString(event.TimerPrefix, name, known), fmt.Sprintf("set it in a handler: chert.set_timer(%q, \"5m\")", name))
			p.add(r.File, diag.SeverityWarning, codeTimer, p.callAt(r.File, r.Line), hint, "nothing in this pack sets the timer %q", name)
		}
	}
}

func (p *pack) usesAny(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(p.uses[n]) > 0 })
}

// checkCapabilities compares the functions that the pack uses with the permissions
// that it requests.
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
		p.found = append(p.found, finding{Diagnostic: rules.NotRequested(p.tried.Name, p.report.Path, manifest != nil || p.report.Path != at.file.path,
			diag.Diagnostic{File: at.file.path, Line: at.line, Col: at.col}, &it, p.tried.Manifest.Permissions)})
	}
	if p.unsure || manifest == nil || len(p.files) < p.sources() {
		return
	}
	for _, need := range p.tried.Manifest.Permissions {
		if !used[need] {
			p.add(manifest.Path, diag.SeverityWarning, codeNotUsed, p.permissionAt(need), "remove it: the operator must grant every permission", "permissions: %s is requested but never used", need)
		}
	}
}

// sources returns how many of the pack's files are rule files or in lib/.
func (p *pack) sources() int {
	n := 0
	for _, f := range p.tried.Files {
		if f.Kind == rules.RuleFile || f.Kind == rules.LibFile {
			n++
		}
	}
	return n
}

// manifestBroken reports whether pack.yaml has an error. Then its settings and
// permissions are not known.
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

// permissionAt returns where pack.yaml requests a permission.
func (p *pack) permissionAt(need string) place {
	if line, col := rules.PermissionPlace(p.tried.Files, need); line > 0 {
		return place{line, col}
	}
	return place{line: 1, col: 1}
}

// checkSpecs finds a pack without specs, and specs that are not Lua.
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
		return // a pack that does not load has other findings first
	}
	hint := "write spec/" + p.tried.Name + "_spec.lua: run `chertd new NAME` to see an example"
	if p.manifest() == nil && p.report.Path == first {
		hint = "write " + strings.TrimSuffix(first, ".lua") + "_spec.lua beside it: run `chertd new NAME` to see an example"
	}
	p.found = append(p.found, finding{whole: true, Diagnostic: diag.Diagnostic{
		File: first, Line: 1, Col: 1, Severity: diag.SeverityWarning, Code: codeNoSpec, Hint: hint,
		Message: fmt.Sprintf("pack %q has no specs: an edit that breaks it goes live", p.tried.Name),
	}})
}
