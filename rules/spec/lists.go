package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// listsKey is the key of configure under which a spec sets lists.
const listsKey = "lists"

// unusedListHint returns the fix for a list that a pack never uses.
func unusedListHint(name string, used []string) string {
	if hint := diag.DidYouMeanString("", name, used); hint != "" {
		return hint
	}
	if len(used) == 0 {
		return "it uses no list"
	}
	return "it uses " + strings.Join(used, ", ")
}

// SetLists replaces the lists. Events that come later see them.
func (w *World) SetLists(l *rules.Lists) {
	w.c.Lists = l
	w.noteLists()
}

// noteLists notes the lists as they are now.
func (w *World) noteLists() {
	note := "lists:"
	for i, name := range w.c.Lists.Names() {
		if i > 0 {
			note += ","
		}
		note += fmt.Sprintf(" %s has %s", name, plural(w.c.Lists.List(name).Live(w.now), "member"))
	}
	w.note(Happening{At: w.now, Note: note, Lists: w.c.Lists})
}

// Lists returns the lists, which may be nil.
func (w *World) Lists() *rules.Lists { return w.c.Lists }

// configureLists sets the lists among the values of configure, and removes them there. Each
// replaces the list of its name; others stay. A pack.yaml that declares a setting of that
// name comes first.
func (t *trial) configureLists(u *luabind.HostCall, given map[string]any) bool {
	if _, isSetting := t.pack.Manifest.Config[listsKey]; isSetting {
		return false
	}
	v, ok := given[listsKey]
	if !ok {
		return false
	}
	delete(given, listsKey)
	named, isTable := v.(map[string]any)
	if none, isList := v.([]any); !isTable && (!isList || len(none) > 0) {
		u.Raise(`configure { lists = { vips = { "+14155550100" } } }`, "configure: lists: expected lists by name")
	}
	now := t.start
	if now.IsZero() {
		now = Epoch
	}
	lists := t.lists
	if t.world != nil {
		now, lists = t.world.Now(), t.world.Lists()
	}
	used, others := t.pack.ListsUsed()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !others && !slices.Contains(used, name) {
			u.Raise(unusedListHint(name, used), "configure: lists: pack %q never uses the list %q", t.pack.Name, name)
		}
		l, err := rules.ListOf(name, named[name], t.pack.Country(), now)
		if err != nil {
			u.Raise(luabind.HintOf(err), "configure: lists.%s: %v", name, err)
		}
		u.Charge(10 * l.Len())
		if before := lists.List(name); before != nil && t.world != nil {
			next := *l
			next.Version = before.Version + 1
			l = &next
		}
		lists = lists.With(l)
	}
	if t.lists = lists; t.world != nil {
		t.world.SetLists(lists)
	}
	return true
}
