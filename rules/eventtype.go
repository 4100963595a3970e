package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// anyType subscribes to every type that Chert sends, but not to events that chertd makes.
const anyType = "*"

// checkType refuses event types that cannot exist or are probably typos.
func checkType(t string) *problem {
	known := []string{event.MessageReceived, event.LeadReply, "reaction.added", "reaction.removed", event.ActionDone, event.ActionFailed}
	name, isTimer := strings.CutPrefix(t, event.TimerPrefix)
	switch {
	case t == "":
		return &problem{message: "on: a type is the empty string"}
	case t == event.Schedule:
		return &problem{message: `on: "schedule" can't be subscribed to`, hint: `use chert.every("15m", {name = "…"}, fn)`}
	case isTimer && name == "":
		return &problem{message: `on: "timer:" lacks the timer's name`, hint: `"timer:<name>", with the name given to chert.set_timer`}
	case strings.TrimSpace(t) != t || strings.ContainsAny(t, " \t\r\n"):
		return &problem{message: fmt.Sprintf("on: %q: a type has no spaces", t)}
	case strings.Contains(t, anyType) && t != anyType:
		return &problem{message: fmt.Sprintf("on: %q: \"*\" must be used alone; it already matches every type", t), hint: "list the types you mean"}
	case strings.HasPrefix(t, "action.") && t != event.ActionDone && t != event.ActionFailed:
		p := &problem{message: fmt.Sprintf("on: there is no %q", t)}
		p.hint = cmp.Or(diag.DidYouMeanString("", t, known), `it is "action.done" or "action.failed"`)
		return p
	}
	if isTimer || t == anyType || slices.Contains(known, t) {
		return nil
	}
	near := diag.Suggest(t, known)
	if near == "" {
		return nil // Chert may add event types
	}
	// A type that differs from a known one only in case and separators is certainly a
	// typo; one that is merely near may be a new type.
	plain := strings.NewReplacer("_", "", "-", "", ".", "")
	return &problem{
		message: fmt.Sprintf("on: there is no %q", t), hint: diag.DidYouMeanString("", t, known),
		warning: !strings.EqualFold(plain.Replace(t), plain.Replace(near)),
	}
}

// engineType reports whether only chertd itself makes events of the type. One from
// outside under such a type triggers no rule.
func engineType(t string) bool {
	return t == event.Schedule || t == event.ActionDone || t == event.ActionFailed || strings.HasPrefix(t, event.TimerPrefix)
}
