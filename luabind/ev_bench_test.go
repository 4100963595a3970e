package luabind

import (
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

const twoReads = `
chert.on("message.received", function(ev)
  return ev.text == "" or ev.chat.id == ""
end)`

// BenchmarkHandler is the budget "a handler that reads two fields, all in,
// against plain gopher-lua called with the event built as a table": ns/op of
// ours over that of table is to be at most 0.5.
func BenchmarkHandler(b *testing.B) {
	ev := testEvent(event.MessageReceived)
	b.Run("ours", func(b *testing.B) {
		r := loadRules(b, Config{}, twoReads)
		w := &world{}
		c := &Call{Event: ev, Now: time.Unix(1767614400, 0), Seed: 7, Effects: w, Memory: w}
		b.ReportAllocs()
		for b.Loop() {
			if err := r.vm.Call(0, c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("table", func(b *testing.B) {
		L := lua.NewState()
		defer L.Close()
		if err := L.DoString(`function handle(ev) return ev.text == "" or ev.chat.id == "" end`); err != nil {
			b.Fatal(err)
		}
		fn := L.GetGlobal("handle")
		b.ReportAllocs()
		for b.Loop() {
			if err := L.CallByParam(lua.P{Fn: fn, NRet: 1, Protect: true}, eventTable(L, ev)); err != nil {
				b.Fatal(err)
			}
			L.Pop(1)
		}
	})
	b.Run("create", func(b *testing.B) {
		vm, c := &VM{}, &Call{Event: ev}
		b.ReportAllocs()
		for b.Loop() {
			newEvent(vm, c)
		}
	})
}

// eventTable is what a binding without laziness makes of an event, lists left
// out: 15 fields.
func eventTable(L *lua.LState, e *event.Event) *lua.LTable {
	t, chat, msg := L.NewTable(), L.NewTable(), L.NewTable()
	chat.RawSetString("id", lua.LString(e.Chat.ID))
	chat.RawSetString("is_group", lua.LBool(e.Chat.IsGroup == event.True))
	chat.RawSetString("line", lua.LString(e.Chat.Line))
	msg.RawSetString("id", lua.LString(e.Message.ID))
	msg.RawSetString("direction", lua.LString(e.Message.Direction))
	msg.RawSetString("sent_at", lua.LNumber(e.Message.SentAt.Unix()))
	t.RawSetString("id", lua.LString(e.ID))
	t.RawSetString("type", lua.LString(e.Type))
	t.RawSetString("at", lua.LNumber(e.At.Unix()))
	t.RawSetString("source", lua.LString(e.Source))
	t.RawSetString("text", lua.LString(e.Text))
	t.RawSetString("from", lua.LString(e.From))
	t.RawSetString("chat", chat)
	t.RawSetString("message", msg)
	return t
}
