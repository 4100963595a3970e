package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// anyType subscribes to every type that Chert sends, but not to events that chertd makes, and
// not to signals.
const anyType = "*"

// checkType refuses event types that cannot exist or are probably typos.
func checkType(t string) *problem {
	known := append(slices.Clone(event.Documented), event.ActionDone, event.ActionFailed)
	name, isTimer := strings.CutPrefix(t, event.TimerPrefix)
	signal, isSignal := strings.CutPrefix(t, event.SignalPrefix)
	switch {
	case t == "":
		return &problem{message: "on: a type is the empty string"}
	case t == event.Schedule:
		return &problem{message: `on: "schedule" can't be subscribed to`, hint: `use chert.every("15m", {name = "…"}, fn)`}
	case isTimer && name == "":
		return &problem{message: `on: "timer:" lacks the timer's name`, hint: `"timer:<name>", with the name given to chert.set_timer`}
	case isSignal && signal == "":
		return &problem{message: `on: "signal:" lacks the signal's name`, hint: `"signal:<name>", with the name given to chertd signal`}
	case strings.TrimSpace(t) != t || strings.ContainsAny(t, " \t\r\n"):
		return &problem{message: fmt.Sprintf("on: %q: a type has no spaces", t)}
	case strings.Contains(t, anyType) && t != anyType:
		return &problem{message: fmt.Sprintf("on: %q: \"*\" must be used alone; it already matches every type", t), hint: "list the types you mean"}
	case isSignal && event.CheckSignalName(signal) != "":
		return &problem{message: fmt.Sprintf("on: %q: no signal can have this name: it %s", t, event.CheckSignalName(signal)), hint: `"signal:<name>", with the name given to chertd signal`}
	case strings.HasPrefix(t, "action.") && t != event.ActionDone && t != event.ActionFailed:
		p := &problem{message: fmt.Sprintf("on: there is no %q", t)}
		p.hint = cmp.Or(diag.DidYouMeanString("", t, known), `it is "action.done" or "action.failed"`)
		return p
	}
	if isTimer || isSignal || t == anyType || slices.Contains(known, t) {
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

// origin is where events of a type come from. An event from elsewhere under such a type
// triggers no rule of the type.
type origin int

const (
	fromChert  origin = iota
	fromEngine        // chertd makes them
	fromSignal        // somebody outside sends them to chertd
)

// originOf returns where events of a type come from.
func originOf(typ string) origin {
	switch {
	case typ == event.Schedule, typ == event.ActionDone, typ == event.ActionFailed, strings.HasPrefix(typ, event.TimerPrefix):
		return fromEngine
	case strings.HasPrefix(typ, event.SignalPrefix):
		return fromSignal
	}
	return fromChert
}

// cameFrom returns where an event comes from.
func cameFrom(ev *event.Event) origin {
	switch ev.Source {
	case event.SourceEngine:
		return fromEngine
	case event.SourceSignal:
		return fromSignal
	}
	return fromChert
}

// source returns the only source of events that are not Chert's; "" for those.
func (o origin) source() string {
	switch o {
	case fromEngine:
		return event.SourceEngine
	case fromSignal:
		return event.SourceSignal
	}
	return ""
}
