package engine

import (
	"context"
	"maps"
	"slices"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
)

// lists explains which of the lists that an event's rules looked at have its sender, its
// chat or its line. The store has the members as they are now.
func (x *explainer) lists(ctx context.Context, r *store.Record) ([]control.ExplainedList, error) {
	if r.Decision == nil || len(r.Decision.Lists) == 0 {
		return nil, nil
	}
	reader := x.m.memberReader()
	var values []string
	for _, v := range []string{r.Event.From, r.Event.ChatID(), r.Event.Line()} {
		if v == "" {
			continue
		}
		if member := reader.Member(v); !slices.Contains(values, member) {
			values = append(values, member)
		}
	}
	var all []control.ExplainedList
	for _, name := range slices.Sorted(maps.Keys(r.Decision.Lists)) {
		l := control.ExplainedList{Name: name, Version: r.Decision.Lists[name], Members: []control.ListMember{}}
		if now := x.m.eng.Lists().List(name); now != nil {
			l.Now = now.Version
		}
		for _, v := range values {
			found, err := x.m.store.ListMembers(ctx, store.MemberQuery{List: name, Member: v})
			if err != nil {
				return nil, err
			}
			for _, m := range found {
				end := rules.ListMember{Until: rules.MemberEnd(m.Until)}
				if end.Counts(r.Decision.At) {
					l.Members = append(l.Members, control.ListMember{Member: m.Member, Since: m.AddedAt, By: m.By, Reason: m.Reason, Until: m.Until})
				}
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// listsChanged reports whether a list that an event's rules looked at has changed since.
func (x *explainer) listsChanged(r *store.Record) bool {
	return x.m.eng.lists.versionsNow(r.Decision.Lists) != nil
}
