package turn

import (
	"context"

	"chertd/rules/chat"
)

// Retry makes dead actions of the chat wait again, as an operator requests. Those of StaysDead stay
// as they are. repeat is chat.Revive.Repeat.
func (t *Turn) Retry(ctx context.Context, dead []chat.Action, repeat bool) (d Done, err error) {
	in := chat.Revive{Repeat: repeat}
	for i := range dead {
		if a := &dead[i]; t.StaysDead(a, repeat) == "" {
			in.Actions = append(in.Actions, *a)
		}
	}
	_, err = t.move(ctx, in, &d)
	return d, err
}

// StaysDead returns why a dead action is not retried now; "": it can be. It is never repeated
// (chat.Action.NeverAgain), or its pack or rule is not live, which may change again.
func (t *Turn) StaysDead(a *chat.Action, repeat bool) string {
	switch {
	case a.NeverAgain(repeat) != "":
		return a.NeverAgain(repeat)
	case !t.inactive(a):
		return ""
	case t.Set.Withdrawn(a.Pack, "", a.Chat):
		return chat.WhyPackInactive
	case t.Set.RuleWithdrawn(a.Pack, a.Rule):
		return chat.StaysRuleOff
	}
	return chat.StaysRuleGone
}

// inactive reports whether the pack of an action, the version of it or its rule is no longer
// live. An operator's read has no pack.
func (t *Turn) inactive(a *chat.Action) bool {
	if a.Pack == "" || t.Set == nil {
		return false
	}
	return t.Set.Withdrawn(a.Pack, a.Version, a.Chat) || t.Set.RuleWithdrawn(a.Pack, a.Rule) || a.Kind == chat.Read && !t.Set.HasRule(a.Pack, a.Rule)
}
