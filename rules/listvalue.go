package rules

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/engine/event/handle"
	"chertd/luabind"
)

// ListOf returns a list from the value that a spec or a file of eval gives it: a list of
// members, or a table of members and until when they count: true, a duration from now, or
// a time in RFC 3339. country is that of numbers without +. An error has the hint of
// luabind.HintOf.
func ListOf(name string, v any, country string, now time.Time) (*List, error) {
	var members []ListMember
	add := func(written any, until any) error {
		s, ok := written.(string)
		if !ok {
			return luabind.WithHint(fmt.Sprintf("a member is a string, got %s", describe(written)), `for example "+14155550100"`)
		}
		member, err := handle.Member(s, country)
		if err != nil {
			hint := ""
			if e, ok := err.(*handle.Error); ok {
				hint = e.Hint
			}
			return luabind.WithHint(err.Error(), hint)
		}
		end, err := listEnd(until, now)
		if err != nil {
			return luabind.WithHint(fmt.Sprintf("%s: %v", s, err), `write true, a duration such as "2h", or a time such as "2026-01-05T14:00:00Z"`)
		}
		members = append(members, ListMember{Member: member, Until: end})
		return nil
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := add(item, true); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, member := range slices.Sorted(maps.Keys(v)) {
			if err := add(member, v[member]); err != nil {
				return nil, err
			}
		}
	default:
		return nil, luabind.WithHint(fmt.Sprintf("expected a list of members, got %s", describe(v)), fmt.Sprintf(`lists = { %s = { "+14155550100" } }`, name))
	}
	return NewList(name, 1, members), nil
}

// listEnd returns until when a member counts, as ListMember has it.
func listEnd(until any, now time.Time) (int64, error) {
	switch until := until.(type) {
	case bool:
		if until {
			return 0, nil
		}
	case string:
		if at, err := time.Parse(time.RFC3339, until); err == nil {
			return at.UnixMilli(), nil
		}
		d, err := luabind.ParseDuration(until)
		if err != nil {
			return 0, err
		}
		if d <= 0 {
			return 0, fmt.Errorf("%s is over already", until)
		}
		return now.Add(d).UnixMilli(), nil
	}
	return 0, fmt.Errorf("%s is not the end of a member", describe(until))
}
