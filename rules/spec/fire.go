package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
)

// fire is fire(type, fields): an event of any type, those that chertd itself makes
// included: a timer, a schedule, the result of a call.
func (t *trial) fire(u *luabind.HostCall) []lua.LValue {
	typ, ok := u.Arg(1).(lua.LString)
	if !ok || typ == "" {
		u.Raise(`fire("reaction.added", { chat = "c1" })`, "fire: the type must be a string, got %s", u.Described(u.Arg(1)))
	}
	fields := map[string]any{}
	if u.Arg(2) != lua.LNil {
		fields = fieldsArg(u, "fire", 2)
	}
	refuseSignal(u, "fire", string(typ))
	w := t.must(u)
	name, isTimer := strings.CutPrefix(string(typ), event.TimerPrefix)
	switch {
	case isTimer:
		known(u, "fire", fields, "chat", "payload")
		t.mustKnowTimer(u, "fire", name)
		t.happened(u, "fire", w.FireTimer(t.ctx, t.pack.Name, name, t.chatField(u, "fire", fields), asJSON(u, "fire", fields["payload"])))
	case typ == event.Schedule:
		known(u, "fire", fields, "name")
		t.happened(u, "fire", w.FireSchedule(t.ctx, t.schedule(u, fields["name"])))
	case typ == event.ActionDone || typ == event.ActionFailed:
		t.fireAnswer(u, string(typ), fields)
	default:
		t.mustKnowType(u, "fire", string(typ))
		d := delivery{typ: string(typ), word: "fire", now: w.Now(), fields: fields}
		t.deliver(u, d)
	}
	return nil
}

// fireAnswer sends the pack the event of a call of its own that ended.
func (t *trial) fireAnswer(u *luabind.HostCall, typ string, fields map[string]any) {
	known(u, "fire", fields, "kind", "chat", "target", "code", "status", "attempts", "trace_id")
	if kind, given := fields["kind"]; given && !slices.Contains(callKinds, any(kind)) {
		u.Raise("it is read, typing, react, send or notify", "fire: there are no calls of kind %q", fmt.Sprint(kind))
	}
	if code, given := fields["code"].(float64); given && code != 0 {
		if _, ok := Documented(int(code)); !ok || code != float64(int(code)) {
			u.Raise("it is "+codeList(), "fire: Chert has no error code %v", code)
		}
	}
	detail := map[string]any{"kind": "read", "code": 0, "status": 200, "attempts": 1, "trace_id": "trace-1"}
	var of *event.Chat
	if fields["kind"] == string(chat.Notify) {
		target, ok := fields["target"].(string)
		if !ok || fields["chat"] != nil {
			u.Raise(`fire("action.failed", { kind = "notify", target = "oncall" })`, "fire: a notification has a target and no chat")
		}
		t.mustKnowTarget(u, "fire", target)
	} else {
		if fields["target"] != nil {
			u.Raise(`fire("action.failed", { kind = "notify", target = "oncall" })`, "fire: only a notification has a target")
		}
		of = &event.Chat{ID: t.chatField(u, "fire", fields)}
		detail["chat"] = of.ID
	}
	if typ == event.ActionFailed {
		detail["code"], detail["status"] = 4099, 501
	}
	for k, v := range fields {
		detail[k] = v
	}
	t.sent++
	ev := event.Event{ID: typ + ":" + strconv.Itoa(t.sent), Type: typ, At: t.world.Now(), Source: event.SourceEngine,
		Chat: of, Pack: t.pack.Name, Action: asJSON(u, "fire", detail), Depth: 1}
	t.happened(u, "fire", t.world.Receive(t.ctx, ev))
}

// schedule returns the rule of chert.every with a name, or the only one if none is given.
func (t *trial) schedule(u *luabind.HostCall, name any) *rules.Rule {
	all := t.set.Schedules()
	var names []string
	for _, r := range all {
		if r.Name == name || name == nil && len(all) == 1 {
			return r
		}
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		u.Raise(`chert.every("15m", { name = "sweep" }, function(ev) … end) makes one`, "fire: the pack has no schedules")
	}
	if given, ok := name.(string); ok {
		u.Raise(nearest(given, names, ""), "fire: no rule of chert.every is named %q", given)
	}
	u.Raise(`fire("schedule", { name = … })`, "fire: which schedule? the pack has %s", quoted(names))
	return nil
}

// quoted returns a list of names in quotes.
func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strconv.Quote(name)
	}
	return strings.Join(list, ", ")
}

// chatField returns the chat of a fire or a signal: that of the last event if none is given.
func (t *trial) chatField(u *luabind.HostCall, word string, fields map[string]any) string {
	switch v := fields["chat"].(type) {
	case string:
		t.mustKnowChat(u, word, v)
		t.lastChat = v
	case nil:
		if t.lastChat == "" {
			u.Raise(word+`(…, { chat = "c1" })`, "%s: chat is missing", word)
		}
	default:
		u.Raise("", "%s: chat must be a string", word)
	}
	return t.lastChat
}

// asJSON returns Go data as JSON, nil for nil. It raises an error for data that JSON
// can't represent.
func asJSON(u *luabind.HostCall, word string, v any) json.RawMessage {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		u.Raise("", "%s: these fields can't be written as JSON: %v", word, err)
	}
	return b
}
