package turn

import (
	"context"

	"chertd/rules/chat"
)

// Retry makes dead actions of the chat wait again, as an operator requests. Those whose pack,
// version or rule is no longer live are dropped: off means off. repeat is chat.Revive.Repeat.
func (t *Turn) Retry(ctx context.Context, dead []chat.Action, repeat bool) (d Done, err error) {
	in := chat.Revive{Repeat: repeat}
	for i := range dead {
		if a := &dead[i]; a.NeverAgain(repeat) == "" && t.inactive(a) {
			in.Inactive = append(in.Inactive, *a)
		} else {
			in.Actions = append(in.Actions, *a)
		}
	}
	_, err = t.move(ctx, in, &d)
	return d, err
}

// inactive reports whether the pack of an action, the version of it or, of a read, its rule is
// no longer live. An operator's read has no pack.
func (t *Turn) inactive(a *chat.Action) bool {
	if a.Pack == "" || t.Set == nil {
		return false
	}
	return t.Set.Withdrawn(a.Pack, a.Version) || a.Kind == chat.Read && !t.Set.HasRule(a.Pack, a.Rule)
}
