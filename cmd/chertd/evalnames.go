package main

import (
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules"
)

// ruleKey returns the pack and the rule that PACK/RULE names.
func (r *stateReader) ruleKey(path, key string) (pack, rule string, ok bool) {
	if pack, rule, ok = strings.Cut(key, "/"); !ok {
		r.fail(path, codeValue, "like codes/read codes, as `chertd eval` prints it", "expected PACK/RULE, got %q", key)
	}
	return pack, rule, ok
}

// checkPack reports whether a pack is loaded, and warns if it is not.
func (r *stateReader) checkPack(path, pack string) bool {
	if r.set.Pack(pack) != nil {
		return true
	}
	hint := ""
	if near := diag.Suggest(pack, slices.Sorted(r.set.Known())); near != "" {
		hint = "did you mean " + near + "?"
	} else if r.partial {
		return false
	}
	r.warn(path, codeUnknown, hint, "no pack %q is loaded", pack)
	return false
}

// findRule returns a rule of a pack; nil, with a warning, if it is not loaded.
func (r *stateReader) findRule(path, pack, name string) *rules.Rule {
	if !r.checkPack(path, pack) {
		return nil
	}
	var names []string
	for _, rule := range r.set.Pack(pack).Rules {
		if rule.Name == name {
			return rule
		}
		names = append(names, rule.Name)
	}
	hint := ""
	if near := diag.Suggest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	r.warn(path, codeUnknown, hint, "pack %q has no rule %q", pack, name)
	return nil
}

// checkTimer warns if no rule of a pack subscribes to a timer's event.
func (r *stateReader) checkTimer(path, pack, name string) {
	typ := event.TimerPrefix + name
	types := subscribed(r.set.Pack(pack))
	if name == "" || slices.Contains(types, typ) {
		return
	}
	timers := slices.DeleteFunc(types, func(typ string) bool { return !strings.HasPrefix(typ, event.TimerPrefix) })
	hint := ""
	if near := diag.Suggest(typ, timers); near != "" {
		hint = "did you mean " + strings.TrimPrefix(near, event.TimerPrefix) + "?"
	} else if len(timers) > 0 {
		hint = "it has " + strings.Join(timers, ", ")
	}
	r.warn(path, codeUnknown, hint, "pack %q has no rule on %q", pack, typ)
}

// subscribed returns the types of events that a pack's rules subscribe to.
func subscribed(p *rules.Pack) []string {
	var types []string
	for _, rule := range p.Rules {
		types = append(types, rule.Types...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// memoryPacks returns the names of the memory of a pack in all roles. A state file is for the one that the pack is in.
func memoryPacks(pack string) (names []string) {
	for _, r := range rules.Roles {
		names = append(names, r.Key(pack))
	}
	return names
}

// checkList warns if no pack uses a list.
func (r *stateReader) checkList(path, name string) {
	var used []string
	for _, p := range r.set.Packs() {
		names, others := p.ListsUsed()
		if others || slices.Contains(names, name) {
			return
		}
		used = append(used, names...)
	}
	r.warn(path, codeUnknown, diag.DidYouMeanString("", name, used), "no rule uses the list %q", name)
}
