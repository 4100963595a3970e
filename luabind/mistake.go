package luabind

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// Mistake is a mistake in a rule that `check` may find in the source and that a script
// raises when it runs. Both report it in the words of the functions in this file.
type Mistake struct{ Message, Hint string }

func mistake(hint, format string, args ...any) Mistake {
	return Mistake{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// raiseMistake raises a mistake as an error.
func raiseMistake(L *lua.LState, m Mistake) { raise(L, m.Hint, "%s", m.Message) }

// WrongPhase returns the mistake of calling a function while the file loads, or in a
// handler if handling is set, where it can't be called. ok is false if it can.
func (it *Symbol) WrongPhase(handling bool) (m Mistake, ok bool) {
	switch {
	case it.When == Handling && !handling:
		return mistake("call it inside a handler: chert.on(\"message.received\", function(ev) … end)",
			"%s can't be called while the file loads: there is no event yet", it.Name), true
	case it.When == Loading && handling:
		return mistake("call it at the top of the file, outside any function",
			"%s can only be called while the file loads, not in a handler", it.Name), true
	}
	return Mistake{}, false
}

// TooManyArguments returns the mistake of a call with more arguments than Params.
func (it *Symbol) TooManyArguments(given int) Mistake {
	return mistake("usage: "+it.Signature(), "%s got %d arguments, it takes at most %d", it.Name, given, len(it.Params))
}

// CalledWithColon returns the mistake of calling chert.hold as chert:hold.
func CalledWithColon(function string) Mistake {
	return mistake(fmt.Sprintf("write %s(…), with a dot", function), "%s was called with a colon", function)
}

// NotDefined returns the mistake of reading a global that is not defined.
func NotDefined(name, hint string) Mistake { return mistake(hint, "%s is not defined", shorten(name)) }

// GlobalSet returns the mistake of setting a global in a handler.
func GlobalSet(name string) Mistake {
	name = shorten(name)
	return mistake(fmt.Sprintf("write `local %s`; to remember it between events use `ev.state`", name), "%s is global", name)
}

// LibrarySet returns the mistake of setting a key of a library.
func LibrarySet(library, key string) Mistake {
	hint := "use a local table of your own"
	if library == "kv" {
		hint = fmt.Sprintf("write kv.set(%q, …)", shorten(key))
	}
	return mistake(hint, "%s can't be changed: it is a library", library)
}

// NoMember returns the mistake of reading a key that a library does not have. known are
// the keys that it has.
func NoMember(library, key string, known []string) Mistake {
	key = shorten(key)
	return mistake(cmp.Or(diag.DidYouMean(library+".", key, known), memberHint(library, key)), "%s.%s does not exist", library, key)
}

// NoField returns the mistake of reading a field that ev, or a table of ev, does not have.
func NoField(table, name string) Mistake {
	return mistake(fieldHint(table, name), "%s has no field %s", table, quote(name))
}

// NoModule returns the mistake of requiring a module that the pack does not have, given
// those that it has.
func NoModule(name string, known []string) Mistake {
	hint := "require loads files of the pack's lib folder: lib/" + strings.ReplaceAll(shorten(name), ".", "/") + ".lua"
	return mistake(cmp.Or(diag.DidYouMean("", name, known), hint), "there is no module %q", shorten(name))
}

// WrongArgument returns the mistake of passing a value of the wrong type, or a word that
// is not among those expected. got is the value as Describe names it.
func WrongArgument(function, param, expected, got, hint string) Mistake {
	return mistake(hint, "%s: %s must be %s, got %s", function, param, expected, got)
}

// EmptyArgument returns the mistake of passing "" where a string has to have content.
func EmptyArgument(function, param string) Mistake {
	return mistake("", "%s: %s is empty", function, param)
}

// AfterAndAt returns the mistake of giving both options.
func AfterAndAt(function string) Mistake {
	return mistake("keep one of them", "%s: after and at exclude each other", function)
}

// ZoneWithoutAt returns the mistake of giving tz without at. business is whether after is
// business time, which has a tz of its own.
func ZoneWithoutAt(function string, business bool) Mistake {
	if business {
		return mistake(`write it within after: after = { "30m", during = "Mon-Fri 09:00-17:30", tz = "Europe/Berlin" }`,
			"%s: tz is the time zone of at, and after has its own", function)
	}
	return mistake(`add at = "Mon-Fri 09:00"`, "%s: tz is the time zone of at, and at is missing", function)
}

// businessTimeForm is how business time is written, for hints.
const businessTimeForm = `{ "30m", during = "Mon-Fri 09:00-17:30" }`

// BusinessTimeWithout returns the mistake of business time, in an option, that lacks its
// duration or its window.
func BusinessTimeWithout(function, option, missing string) Mistake {
	return mistake(fmt.Sprintf("write %s = %s", option, businessTimeForm), "%s: %s: %s is missing", function, option, missing)
}

// AtMostWithoutDelay returns the mistake of an at_most for a read without a delay.
func AtMostWithoutDelay() Mistake {
	return mistake(`add after = "30s"`, "chert.mark_read: at_most limits how long later reads restart the delay, and after and at are missing")
}

// AtMostOfZero returns the mistake of an at_most of no time.
func AtMostOfZero() Mistake {
	return mistake("leave at_most out if later reads may always restart the delay", "chert.mark_read: at_most must be greater than 0")
}

// PostponeWithoutTime returns the mistake of a chert.postpone without after and at.
func PostponeWithoutTime() Mistake {
	return mistake(`write { at = "Mon-Fri 09:00" } or { after = "1h" }; to keep the chat unread, chert.keep_unread(chat_id)`,
		"chert.postpone: after or at is missing: it sets until when reads wait")
}

// HoldOfZero returns the mistake of a chert.hold for no time.
func HoldOfZero() Mistake {
	return mistake("to end a hold, write chert.release(chat_id)", "chert.hold: duration must be greater than 0")
}

// LoopHint is the hint for a loop over a value that is not an iterator.
const LoopHint = "write for key, value in pairs(t) do, or ipairs(t) for lists"

// HintOf returns the hint of an error that has one, such as the errors of
// ParseSchedule; "" for any other error.
func HintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// hintedError is an error with a hint how to write the rule.
type hintedError struct{ message, hint string }

func (e *hintedError) Error() string { return e.message }
func (e *hintedError) Hint() string  { return e.hint }

// WithHint returns an error with a hint, as HintOf returns it.
func WithHint(message, hint string) error { return &hintedError{message: message, hint: hint} }

// misformed returns a hintedError.
func misformed(hint, format string, args ...any) error {
	return &hintedError{message: fmt.Sprintf(format, args...), hint: hint}
}
