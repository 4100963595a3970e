package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind"
)

// signal is signal(name, fields): a signal comes from outside, as by chertd signal.
func (t *trial) signal(u *luabind.HostCall) []lua.LValue {
	name, ok := u.Arg(1).(lua.LString)
	if !ok {
		u.Raise(`signal("human_replied", { chat = "c1" })`, "signal: the name must be a string, got %s", u.Described(u.Arg(1)))
	}
	fields := map[string]any{}
	if u.Arg(2) != lua.LNil {
		fields = fieldsArg(u, "signal", 2)
	}
	known(u, "signal", fields, "chat", "data", "id")
	w := t.must(u)
	t.mustKnowSignal(u, string(name))
	t.sent++
	s := event.SignalSpec{Name: string(name), Chat: t.chatField(u, "signal", fields), ID: fmt.Sprintf("spec:%d", t.sent), At: w.Now(), Data: asJSON(u, "signal", fields["data"])}
	switch id := fields["id"].(type) {
	case nil:
	case string:
		s.ID = id
	default:
		u.Raise("", "signal: id must be a string")
	}
	ev, err := event.NewSignal(s)
	if err != nil {
		u.Raise("", "signal: chertd would refuse it: %v", err)
	}
	u.Charge(200)
	t.happened(u, "signal", w.Receive(t.ctx, ev))
	return nil
}

// mustKnowSignal refuses a signal to which no rule subscribes.
func (t *trial) mustKnowSignal(u *luabind.HostCall, name string) {
	var all []string
	for _, typ := range t.subscribed() {
		if signal, ok := strings.CutPrefix(typ, event.SignalPrefix); ok {
			all = append(all, signal)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if !slices.Contains(all, name) {
		u.Raise(nearest(strings.TrimPrefix(name, event.SignalPrefix), all, "the pack has no rule on a signal"), "signal: no rule subscribes to the signal %q", name)
	}
}

// refuseSignal refuses the type of a signal in another word: what Chert sends is never a signal.
func refuseSignal(u *luabind.HostCall, word, typ string) {
	if name, ok := strings.CutPrefix(typ, event.SignalPrefix); ok {
		u.Raise(fmt.Sprintf("signal(%q, { chat = \"c1\" })", name), "%s: Chert sends no signals", word)
	}
}

// signal writes a signal.
func (s *recordedStory) signal(e *RecordedEvent) {
	name := strings.TrimPrefix(e.Type, event.SignalPrefix)
	if !s.begun {
		s.comment("the signal %s came before the first event of the recording: not part of this spec", name)
		return
	}
	ran := slices.ContainsFunc(e.Rules, func(r RecordedRule) bool { return r.Pack == s.pack })
	if !ran && !s.looksAt(name) { // signal refuses a name that no rule of the pack has
		s.comment("the signal %s came, to which no rule of this pack subscribes", name)
		return
	}
	if e.NoText {
		s.comment("the data of this signal is no longer kept (store.raw)")
	}
	fields := []luaField{{"chat", "chat"}}
	var data any
	if json.Unmarshal([]byte(e.Payload), &data) == nil && data != nil {
		fields = append(fields, luaField{"data", luaData(data)})
	}
	s.lines = append(s.lines, recordedLine{text: luaCall(indentOfSpec, "signal", luaQuote(name), fields), others: s.other})
}
