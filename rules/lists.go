package rules

import (
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Lists are the lists that operators change, as they are at one moment. It is immutable: a
// change makes another one, which shares almost all with it. The nil Lists are empty.
type Lists struct {
	byName map[string]*List
}

// List is one list as it is at one moment. It is immutable.
type List struct {
	Name    string
	Version int64 // each change of the list makes the next one, from 1
	members [memberSlots][]ListMember
	count   int
}

// ListMember is a member of a list.
type ListMember struct {
	Member string // as handle.Member returns it
	Until  int64  // Unix milliseconds from which it counts no more; 0: always
}

// ListVersions are versions of lists by name.
type ListVersions map[string]int64

// listName is the form of a list's name. A command line has it as one word.
var listName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// ValidListName reports whether a list may have this name.
func ValidListName(name string) bool { return listName.MatchString(name) }

// memberSlots is the number of slots that members are hashed to. A change copies the slots
// that it touches: of a list of 100,000 members about 200 members each.
const memberSlots = 512

// NewLists returns lists. Names must be unique.
func NewLists(all ...*List) *Lists {
	l := &Lists{byName: make(map[string]*List, len(all))}
	for _, list := range all {
		l.byName[list.Name] = list
	}
	return l
}

// List returns a list by its name, or nil.
func (l *Lists) List(name string) *List {
	if l == nil {
		return nil
	}
	return l.byName[name]
}

// With returns the lists with one in place of that with its name.
func (l *Lists) With(list *List) *Lists {
	next := &Lists{byName: map[string]*List{}}
	if l != nil {
		next.byName = maps.Clone(l.byName)
	}
	next.byName[list.Name] = list
	return next
}

// Names returns the names of the lists, sorted.
func (l *Lists) Names() []string {
	if l == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.byName))
}

// NewList returns a list of members.
func NewList(name string, version int64, members []ListMember) *List {
	return (&List{Name: name}).Changed(version, members, nil)
}

// Changed returns the list with members added, or replaced, and others removed. It is a
// version of its own.
func (l *List) Changed(version int64, add []ListMember, remove []string) *List {
	next := *l
	next.Version = version
	var own [memberSlots]bool
	slot := func(member string) *[]ListMember {
		n := slotOf(member)
		if !own[n] {
			own[n] = true
			next.members[n] = slices.Clone(l.members[n])
		}
		return &next.members[n]
	}
	for _, member := range remove {
		s := slot(member)
		if at, found := findMember(*s, member); found {
			*s = slices.Delete(*s, at, at+1)
			next.count--
		}
	}
	for _, m := range add {
		s := slot(m.Member)
		at, found := findMember(*s, m.Member)
		if found {
			(*s)[at] = m
			continue
		}
		*s = slices.Insert(*s, at, m)
		next.count++
	}
	return &next
}

// Len returns the number of members, those included that count no more and are not removed
// yet.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return l.count
}

// Find returns a member; ok is false if it was never on the list, or is removed.
func (l *List) Find(member string) (m ListMember, ok bool) {
	if l == nil {
		return ListMember{}, false
	}
	s := l.members[slotOf(member)]
	at, found := findMember(s, member)
	if !found {
		return ListMember{}, false
	}
	return s[at], true
}

// All returns the members in no order, those included that count no more.
func (l *List) All() iter.Seq[ListMember] {
	return func(yield func(ListMember) bool) {
		if l == nil {
			return
		}
		for _, s := range l.members {
			for _, m := range s {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// Has reports whether a member counts at a time.
func (l *List) Has(member string, now time.Time) bool {
	m, ok := l.Find(member)
	return ok && m.Counts(now)
}

// Counts reports whether the member counts at a time.
func (m *ListMember) Counts(now time.Time) bool { return m.Until == 0 || now.UnixMilli() < m.Until }

// MemberEnd returns a time as ListMember.Until has it; zero: always.
func MemberEnd(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

// End returns until when the member counts; zero: always.
func (m *ListMember) End() time.Time {
	if m.Until == 0 {
		return time.Time{}
	}
	return time.UnixMilli(m.Until)
}

// Live returns how many members count at a time.
func (l *List) Live(now time.Time) (n int) {
	for m := range l.All() {
		if m.Counts(now) {
			n++
		}
	}
	return n
}

func findMember(s []ListMember, member string) (int, bool) {
	return slices.BinarySearchFunc(s, member, func(m ListMember, member string) int { return strings.Compare(m.Member, member) })
}

func slotOf(member string) int {
	h := fnv.New32a()
	h.Write([]byte(member))
	return int(h.Sum32() % memberSlots)
}

// listReader looks members up for one event, and notes which lists it has looked at. It
// implements luabind.Lists.
type listReader struct {
	probe *probe
	lists *Lists
	now   time.Time
	// first is when the event was first handled, if it runs again: a member counts that was one
	// then, even if its time is over. Zero: it runs for the first time.
	first time.Time
	set   *Set
	seen  []string // in the order of the first look
}

// Check implements luabind.Lists.
func (r *listReader) Check(name string) error {
	if r.lists.List(name) != nil || r.set.declares(name) {
		return nil
	}
	return luabind.WithHint(noList(name), noListHint(name, slices.Sorted(maps.Keys(r.set.lists))))
}

// Has implements luabind.Lists.
func (r *listReader) Has(name, value string) bool { return r.on(name, r.probe.member(value)) }

// on reports whether a member is on a list.
func (r *listReader) on(name, member string) bool {
	if !slices.Contains(r.seen, name) {
		r.seen = append(r.seen, name)
	}
	l := r.lists.List(name)
	return l.Has(member, r.now) || !r.first.IsZero() && l.Has(member, r.first)
}

// whyNot returns, for people, why a member is not on a list.
func (r *listReader) whyNot(name, member string) string {
	var l *List
	if r != nil {
		l = r.lists.List(name)
	}
	if l == nil {
		return fmt.Sprintf("is not on the list %s, which is empty", name)
	}
	if m, ok := l.Find(member); ok && !m.Counts(r.now) {
		return fmt.Sprintf("is no longer on the list %s (version %d): it ended at %s", name, l.Version, m.End().UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("is not on the list %s (version %d)", name, l.Version)
}

// versions returns the versions of the lists that were looked at; nil: none was.
func (r *listReader) versions() ListVersions {
	if len(r.seen) == 0 {
		return nil
	}
	v := ListVersions{}
	for _, name := range r.seen {
		v[name] = 0
		if l := r.lists.List(name); l != nil {
			v[name] = l.Version
		}
	}
	return v
}

// noList returns the message about a list that the configuration does not declare.
func noList(name string) string { return fmt.Sprintf("no list is named %q", name) }

// noListHint returns its fix. known are the lists that are declared, sorted.
func noListHint(name string, known []string) string {
	if hint := diag.DidYouMeanString("", name, known); hint != "" {
		return hint
	}
	return fmt.Sprintf("declare it in chertd.yaml: rules: {lists: {%s: {writable: true}}}", shownKey(name))
}
