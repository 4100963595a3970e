package luabind

import (
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

const (
	// maxPayload is the maximum size of a timer's payload as JSON, in bytes.
	maxPayload = 64 << 10
	// maxPayloads is the maximum size of all payloads that one call sets: the timers
	// of a chat are in memory with it.
	maxPayloads = 4 * maxPayload
	// maxName is the maximum length of names, windows and formats, in bytes.
	maxName = 200
	// maxText is the maximum length of the text of chert.send and chert.notify, in bytes.
	maxText = 16 << 10
	// maxNotifyFields is the maximum size of the fields of chert.notify as JSON, in bytes.
	maxNotifyFields = 16 << 10
)

// chertMarkRead is chert.mark_read(chat_id [, options]).
func chertMarkRead(vm *VM, L *lua.LState) int {
	const name = "chert.mark_read"
	chat := wantChat(vm, L, name, 1)
	o := wantTable(L, name, 2)
	r := ReadOptions{Due: vm.call.Now, OnlyIf: o.oneOf("only_if", "answered", "unanswered"), Reason: o.reason(), EvenIfNewer: o.bool("even_if_newer")}
	due, given := vm.due(L, o)
	if given {
		r.Due, r.Delayed = due, due.After(vm.call.Now) || o.text("at") != ""
	}
	if latest := vm.delay(L, o, "at_most"); latest.given() {
		switch {
		case !given:
			raiseMistake(L, AtMostWithoutDelay())
		case latest.time.d == 0:
			raiseMistake(L, AtMostOfZero())
		}
		r.Latest = latest.after(L, o.function, vm.call.Now)
	}
	return requested(L, name, vm.call.Effects.MarkRead(chat, r))
}

// due returns the time that the options after, at and tz give. given is false if
// neither after nor at is given.
func (vm *VM) due(L *lua.LState, o table) (due time.Time, given bool) {
	at, tz := o.text("at"), o.text("tz")
	switch after := vm.delay(L, o, "after"); {
	case after.given() && at != "":
		raiseMistake(L, AfterAndAt(o.function))
	case tz != "" && at == "":
		raiseMistake(L, ZoneWithoutAt(o.function, after.business))
	case after.given():
		return after.after(L, o.function, vm.call.Now), true
	case at != "":
		w, err := vm.opening(L, at, tz)
		if err != nil {
			raise(L, "", "%s: at: %v", o.function, err)
		}
		charge(L, 50, 0)
		return w.NextOpening(vm.call.Now), true
	}
	return time.Time{}, false
}

// chertPostpone is chert.postpone(chat_id, options).
func chertPostpone(vm *VM, L *lua.LState) int {
	const name = "chert.postpone"
	chat := wantChat(vm, L, name, 1)
	o := wantTable(L, name, 2)
	until, given := vm.due(L, o)
	if !given {
		raiseMistake(L, PostponeWithoutTime())
	}
	return requested(L, name, vm.call.Effects.Postpone(chat, until, o.reason()))
}

// chertCancelRead is chert.cancel_read(chat_id).
func chertCancelRead(vm *VM, L *lua.LState) int {
	const name = "chert.cancel_read"
	return requested(L, name, vm.call.Effects.CancelRead(wantChat(vm, L, name, 1)))
}

// chertKeepUnread is chert.keep_unread(chat_id [, options]).
func chertKeepUnread(vm *VM, L *lua.LState) int {
	const name = "chert.keep_unread"
	return requested(L, name, vm.call.Effects.KeepUnread(wantChat(vm, L, name, 1), wantTable(L, name, 2).reason()))
}

// chertHold is chert.hold(chat_id, duration [, options]).
func chertHold(vm *VM, L *lua.LState) int {
	const name = "chert.hold"
	chat := wantChat(vm, L, name, 1)
	d := wantDuration(L, name, 2)
	if d == 0 {
		raiseMistake(L, HoldOfZero())
	}
	return requested(L, name, vm.call.Effects.Hold(chat, vm.call.Now.Add(d), wantTable(L, name, 3).reason()))
}

// chertRelease is chert.release(chat_id).
func chertRelease(vm *VM, L *lua.LState) int {
	const name = "chert.release"
	return requested(L, name, vm.call.Effects.Release(wantChat(vm, L, name, 1)))
}

// chertSetTimer is chert.set_timer(name, duration [, payload]).
func chertSetTimer(vm *VM, L *lua.LState) int {
	const name = "chert.set_timer"
	timer := wantTimer(vm, L, name, 1)
	d := wantDuration(L, name, 2)
	var payload []byte
	if v := L.Get(3); v != lua.LNil {
		text, err := encodeStored(L, v)
		if err != nil {
			raise(L, "", "%s: payload can't be stored: %v", name, err)
		}
		if len(text) > maxPayload {
			raise(L, "", "%s: payload is too large: %d bytes as JSON, at most %d", name, len(text), maxPayload)
		}
		if vm.bound.payloads += len(text); vm.bound.payloads > maxPayloads {
			raise(L, "store large values in kv, and put their key into the payload", "%s: the payloads of one handler exceed %d bytes", name, maxPayloads)
		}
		payload = text
	}
	return requested(L, name, vm.call.Effects.SetTimer(vm.call.Now.Add(d), timer, payload))
}

// chertCancelTimer is chert.cancel_timer(name).
func chertCancelTimer(vm *VM, L *lua.LState) int {
	const name = "chert.cancel_timer"
	return requested(L, name, vm.call.Effects.CancelTimer(wantTimer(vm, L, name, 1)))
}

// chertTyping is chert.typing(chat_id, state).
func chertTyping(vm *VM, L *lua.LState) int {
	const name = "chert.typing"
	chat := wantChat(vm, L, name, 1)
	return requested(L, name, vm.call.Effects.Typing(chat, wantOneOf(L, name, 2, "typing", "stopped")))
}

// chertReact is chert.react(message_id, kind).
func chertReact(vm *VM, L *lua.LState) int {
	const name = "chert.react"
	message := wantChat(vm, L, name, 1)
	kind := wantOneOf(L, name, 2, "like", "dislike", "love", "laugh", "emphasize", "question")
	return requested(L, name, vm.call.Effects.React(message, kind))
}

// chertSend is chert.send(chat_id, text).
func chertSend(vm *VM, L *lua.LState) int {
	const name = "chert.send"
	chat := wantChat(vm, L, name, 1)
	return requested(L, name, vm.call.Effects.Send(chat, wantUTF8(L, name, 2, maxText)))
}

// chertNotify is chert.notify(target, text [, fields]).
func chertNotify(vm *VM, L *lua.LState) int {
	const name = "chert.notify"
	target, text := wantUTF8(L, name, 1, maxName), wantUTF8(L, name, 2, maxText)
	var fields []byte
	switch v := L.Get(3).(type) {
	case *lua.LNilType:
	case *lua.LTable:
		var err error
		if fields, err = encodeJSON(L, v); err != nil {
			raise(L, "", "%s: fields can't be written as JSON: %v", name, err)
		}
		if fields[0] == '[' {
			raise(L, `write { chat = ev.chat.id }`, "%s: fields must have names, got a list", name)
		}
		if len(fields) > maxNotifyFields {
			raise(L, "", "%s: fields are too large: %d bytes as JSON, at most %d", name, len(fields), maxNotifyFields)
		}
	default:
		wrong(L, name, "", 3, "a table")
	}
	charge(L, (len(text)+len(fields))/256, 2*(len(text)+len(fields))) // the body has copies
	return requested(L, name, vm.call.Effects.Notify(target, text, fields))
}

// wantTimer returns the name of a timer. The event must have a chat.
func wantTimer(vm *VM, L *lua.LState, function string, n int) string {
	timer := wantUTF8(L, function, n, maxName)
	if strings.ContainsAny(timer, " \t\r\n*") {
		raise(L, `write a name such as "remind_me"`, "%s: name %s contains a space or a *: no rule can subscribe to \"timer:%s\"", function, quote(timer), shorten(timer))
	}
	if vm.call.Event.Chat == nil {
		raise(L, "for work not tied to a chat, use chert.every", "%s: timers belong to a chat, and this event (%s) has none", function, vm.call.Event.Type)
	}
	return timer
}

// wantOneOf returns an argument that is one of the words.
func wantOneOf(L *lua.LState, function string, n int, words ...string) string {
	s, ok := L.Get(n).(lua.LString)
	if ok && slices.Contains(words, string(s)) {
		return string(s)
	}
	wrong(L, function, diag.DidYouMeanString("", string(s), words), n, `"`+strings.Join(words, `", "`)+`"`)
	return ""
}
