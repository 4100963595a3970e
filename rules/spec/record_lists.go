package spec

import (
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/turn"
)

// RecordedList is a list that rules looked at.
type RecordedList struct {
	Name string `json:"name"`
	// Members are the senders, the chat and the lines of the recording that are on the
	// list now.
	Members []RecordedMember `json:"members"`
	Changed bool             `json:"changed,omitempty"` // the list has changed since a decision
}

// RecordedMember is a member as events write it.
type RecordedMember struct {
	Member string    `json:"member"`
	Until  time.Time `json:"until,omitzero"`
}

// AddLists adds the lists that a decision looked at, without members. now has their
// present versions.
func (r *Recording) AddLists(d *turn.Decision, now *rules.Lists) {
	if d == nil {
		return
	}
	for name, version := range d.Lists {
		at := slices.IndexFunc(r.Lists, func(l RecordedList) bool { return l.Name == name })
		if at < 0 {
			at = len(r.Lists)
			r.Lists = append(r.Lists, RecordedList{Name: name, Members: []RecordedMember{}})
		}
		present := int64(0)
		if l := now.List(name); l != nil {
			present = l.Version
		}
		r.Lists[at].Changed = r.Lists[at].Changed || present != version
	}
}

// FindMembers fills in the members of the lists. member returns what lists call a sender,
// a chat or a line.
func (r *Recording) FindMembers(now *rules.Lists, member func(string) string) {
	slices.SortFunc(r.Lists, func(a, b RecordedList) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	values := []string{r.Chat}
	for i := range r.Events {
		for _, v := range []string{r.Events[i].From, r.Events[i].Line} {
			if v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	for i := range r.Lists {
		l := &r.Lists[i]
		for _, v := range values {
			if m, ok := now.List(l.Name).Find(member(v)); ok && (len(r.Events) == 0 || m.Counts(r.Events[0].Received)) {
				l.Members = append(l.Members, RecordedMember{Member: v, Until: m.End()})
			}
		}
	}
}

// setLists writes the word that sets the lists of a recording, for those that the pack uses.
func (s *recordedStory) setLists() {
	var lists []luaField
	changed := false
	for _, l := range s.r.Lists {
		if s.used != nil && !s.used(l.Name) {
			continue
		}
		changed = changed || l.Changed
		var members []luaField
		timed := slices.ContainsFunc(l.Members, func(m RecordedMember) bool { return !m.Until.IsZero() })
		for _, m := range l.Members {
			name := luaQuote(m.Member)
			if m.Member == s.r.Chat {
				name = "chat"
			}
			switch {
			case !timed:
				members = append(members, luaField{"", name})
			case m.Until.IsZero():
				members = append(members, luaField{"", "[" + name + "] = true"})
			default:
				members = append(members, luaField{"", "[" + name + "] = " + luaQuote(m.Until.UTC().Format(time.RFC3339Nano))})
			}
		}
		lists = append(lists, luaField{l.Name, luaTable(members)})
	}
	if len(lists) == 0 {
		return
	}
	if changed {
		s.comment("the lists have changed since: these are their present members")
	}
	s.statement(luaCall(indentOfSpec, "configure", "", []luaField{{"lists", luaTable(lists)}}))
}
