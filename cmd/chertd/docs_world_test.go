package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// docWorld is the world in which the steps of one example happen. They are Lua,
// in the words that specs have.
type docWorld struct {
	*spec.World
	t     *testing.T
	ex    *docExample
	set   *rules.Set
	L     *lua.LState
	sent  int    // events
	begun bool   // something was done but setting the clock
	last  string // the chat that a step named last
	err   error  // of the step that runs
}

func newDocWorld(t *testing.T, ex *docExample, set *rules.Set) *docWorld {
	w := &docWorld{World: spec.NewWorld(spec.WorldConfig{Set: set}), t: t, ex: ex, set: set, last: "c1",
		L: lua.NewState(lua.Options{SkipOpenLibs: true})}
	t.Cleanup(w.L.Close)
	for name, do := range map[string]func(*lua.LState) error{
		"receive": w.receive, "fire": w.fire, "signal": w.signal, "advance": w.advance, "clock": w.clock, "fail_next": w.failNext, "configure": w.configure,
	} {
		w.L.SetGlobal(name, w.L.NewFunction(func(L *lua.LState) int {
			w.err = errors.Join(w.err, do(L))
			return 0
		}))
	}
	return w
}

func (w *docWorld) step(s docStep) {
	w.t.Helper()
	before := len(w.Log())
	w.err = nil
	if err := w.L.DoString(s.code); err != nil || w.err != nil {
		w.t.Fatalf("line %d, %s: %v %v", s.line, s.code, err, w.err)
	}
	w.begun = w.begun || !strings.HasPrefix(s.code, "clock")
	w.meets(s, w.since(before))
}

func (w *docWorld) receive(L *lua.LState) error {
	fields := map[string]any{"chat": "c1"}
	if text, ok := L.Get(1).(lua.LString); ok {
		fields["text"] = string(text)
	} else {
		maps.Copy(fields, plainFields(L.CheckTable(1)))
	}
	return w.deliver(event.MessageReceived, fields)
}

func (w *docWorld) fire(L *lua.LState) error {
	fields := plainFields(L.OptTable(2, L.NewTable()))
	switch typ := L.CheckString(1); typ {
	case event.Schedule:
		for _, r := range w.set.Schedules() {
			if r.Name == fields["name"] {
				return w.FireSchedule(w.t.Context(), r)
			}
		}
		return fmt.Errorf("there is no schedule %v", fields["name"])
	default:
		return w.deliver(typ, fields)
	}
}

// signal sends a signal about the chat of the last step.
func (w *docWorld) signal(L *lua.LState) error {
	fields := plainFields(L.OptTable(2, L.NewTable()))
	if id, ok := fields["chat"].(string); ok {
		w.last = id
	}
	w.sent++
	s := event.SignalSpec{Name: L.CheckString(1), Chat: w.last, ID: fmt.Sprintf("doc:%d", w.sent), At: w.Now()}
	if data := fields["data"]; data != nil {
		var err error
		if s.Data, err = json.Marshal(data); err != nil {
			return err
		}
	}
	ev, err := event.NewSignal(s)
	if err != nil {
		return err
	}
	return w.Receive(w.t.Context(), ev)
}

// deliver brings an event as Chert would write it.
func (w *docWorld) deliver(typ string, fields map[string]any) error {
	w.sent++
	happened := w.Now()
	if age, ok, err := luabind.DurationOf(fields["age"]); ok {
		if err != nil {
			return err
		}
		delete(fields, "age")
		happened = happened.Add(-age)
	}
	at := happened.UTC().Format("2006-01-02T15:04:05.000Z")
	take := func(name string, otherwise any) any {
		v, ok := fields[name]
		delete(fields, name)
		if !ok {
			return otherwise
		}
		return v
	}
	line := map[string]any{"handle": take("line", "+15550009999"), "service": "imessage", "is_me": true}
	from := map[string]any{"handle": take("from", "+15550001111"), "service": take("service", "imessage"), "is_me": false}
	data, _ := take("data", map[string]any{}).(map[string]any)
	if id := take("chat", nil); id != nil {
		w.last = id.(string)
		data["chat"] = map[string]any{"id": id, "is_group": take("is_group", false), "handles": []any{line, from}, "owner_handle": line}
	}
	if text := take("text", nil); text != nil || typ == event.MessageReceived {
		parts := []any{}
		if text != nil {
			parts = append(parts, map[string]any{"type": "text", "value": text})
		}
		if mime := take("media", nil); mime != nil {
			parts = append(parts, map[string]any{"type": "media", "attachment_id": "att-1", "mime_type": mime})
		}
		data["message"] = map[string]any{"id": fmt.Sprintf("msg-%d", w.sent), "direction": take("direction", "inbound"),
			"sender_handle": from, "parts": parts, "sent_at": at}
	}
	if len(fields) > 0 {
		return fmt.Errorf("fields of no use: %v", fields)
	}
	body, err := json.Marshal(map[string]any{"event_type": typ, "event_id": fmt.Sprintf("doc:%d", w.sent), "timestamp": at, "data": data})
	if err != nil {
		return err
	}
	ev, err := event.Decode(body, event.Hints{})
	if err != nil {
		return err
	}
	ev.Source = event.SourceWebhook
	return w.Receive(w.t.Context(), ev)
}

func (w *docWorld) advance(L *lua.LState) error {
	d, err := luabind.ParseDuration(L.CheckString(1))
	if err != nil {
		return err
	}
	return w.Advance(w.t.Context(), d)
}

// clock begins the world at a time, or lets the time until then pass.
func (w *docWorld) clock(L *lua.LState) error {
	zone, err := luabind.LoadZone(L.OptString(2, "UTC"))
	if err != nil {
		return err
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", L.CheckString(1), zone)
	if err != nil || at.Before(w.Now()) {
		return fmt.Errorf("the clock can't be set to %v: %w", at, err)
	}
	if !w.begun {
		w.World = spec.NewWorld(spec.WorldConfig{Set: w.set, Start: at})
	}
	return w.Advance(w.t.Context(), at.Sub(w.Now()))
}

// configure sets lists.
func (w *docWorld) configure(L *lua.LState) error {
	var all error
	L.CheckTable(1).RawGetString("lists").(*lua.LTable).ForEach(func(name, members lua.LValue) {
		var value any = plainFields(members.(*lua.LTable))
		if n := members.(*lua.LTable).Len(); n > 0 {
			var list []any
			for i := range n {
				list = append(list, members.(*lua.LTable).RawGetInt(i+1).String())
			}
			value = list
		}
		l, err := rules.ListOf(name.String(), value, w.set.Country(), w.Now())
		if all = errors.Join(all, err); err == nil {
			w.SetLists(w.Lists().With(l))
		}
	})
	return all
}

func (w *docWorld) failNext(L *lua.LState) error {
	f, ok := spec.Documented(L.CheckInt(1))
	if !ok {
		return fmt.Errorf("Chert documents no code %d", L.CheckInt(1))
	}
	w.FailNext(f, L.OptInt(2, 1))
	return nil
}

// docHappened is the result of one step.
type docHappened struct {
	requests, logs, calls, ends []string
}

// since collects what the world has noted from its nth happening on.
func (w *docWorld) since(n int) docHappened {
	var got docHappened
	for _, h := range w.Log()[n:] {
		for _, said := range h.Rules {
			got.requests = append(got.requests, said.Decision.Asked...)
			if said.Skipped != "" {
				got.ends = append(got.ends, "skipped: "+said.Skipped)
			}
			if said.Failure != nil {
				w.ex.failed(w.t, said.Failure.Diagnostic)
				got.ends = append(got.ends, "fails")
			}
			for _, l := range said.Logs {
				got.logs = append(got.logs, fmt.Sprintf("%s %q", l.Level, l.Msg))
			}
		}
		if h.Blocked {
			got.ends = append(got.ends, "blocked")
		}
		if c := h.Call; c != nil {
			call := "call " + string(c.Call.Kind)
			if text := c.Text(); text != "" {
				call += fmt.Sprintf(" %q", text)
			}
			if c.Fault != nil {
				call += " fails"
			}
			got.calls = append(got.calls, call)
		}
		for _, a := range h.Actions {
			if a.Status != chat.Waiting {
				got.ends = append(got.ends, string(a.Status)+": "+a.Why)
			}
		}
	}
	return got
}

// meets compares what happened with what is expected. Of requests, logs and calls
// either none is named, or all are.
func (w *docWorld) meets(s docStep, got docHappened) {
	w.t.Helper()
	var requests, logs, calls []string
	for _, e := range s.expect {
		words := strings.Fields(e)
		switch last := words[len(words)-1]; {
		case e == "nothing":
			if len(got.requests)+len(got.logs)+len(got.calls)+len(got.ends) > 0 {
				w.t.Errorf("line %d, %s: expected nothing, got %+v", s.line, s.code, got)
			}
		case len(words) == 1 && (last == "read" || last == "unread" || last == "held" || last == "postponed"):
			w.is(s, w.last, last)
		case len(words) == 3 && words[1] == "is":
			w.is(s, words[0], last)
		case words[0] == "state":
			if state := string(w.State(w.ex.pack, w.last)); state != strings.TrimPrefix(e, "state ") {
				w.t.Errorf("line %d, %s: ev.state is %s", s.line, s.code, state)
			}
		case words[0] == "logs":
			e = strings.TrimPrefix(e, "logs ")
			if strings.HasPrefix(e, `"`) {
				e = "info " + e
			}
			logs = append(logs, e)
		case words[0] == "call":
			calls = append(calls, e)
		case slices.Contains(got.ends, e):
		default:
			requests = append(requests, e)
		}
	}
	for _, c := range []struct {
		what      string
		want, got []string
	}{{"requests", requests, got.requests}, {"logs", logs, got.logs}, {"calls", calls, got.calls}} {
		if len(c.want) > 0 && !slices.Equal(c.want, c.got) {
			w.t.Errorf("line %d, %s: expected the %s\n%s\ngot\n%s\nand all in all %+v", s.line, s.code, c.what,
				strings.Join(c.want, "\n"), strings.Join(c.got, "\n"), got)
		}
	}
}

// is checks how a chat stands.
func (w *docWorld) is(s docStep, id, want string) {
	w.t.Helper()
	c, _ := w.Chat(id)
	_, postponed := c.Postponement(w.Now())
	is := map[string]bool{"read": w.Read(id), "unread": !w.Read(id), "held": c.Hold.Active(w.Now()), "postponed": postponed}
	if holds, known := is[want]; !known || !holds {
		w.t.Errorf("line %d, %s: expected chat %s to be %s; waiting: %+v", s.line, s.code, id, want, c.Waiting)
	}
}

// plainFields returns a table's values by name.
func plainFields(t *lua.LTable) map[string]any {
	fields := map[string]any{}
	t.ForEach(func(k, v lua.LValue) {
		switch v := v.(type) {
		case lua.LBool:
			fields[k.String()] = bool(v)
		case lua.LNumber:
			fields[k.String()] = float64(v)
		case *lua.LTable:
			fields[k.String()] = plainFields(v)
		default:
			fields[k.String()] = v.String()
		}
	})
	return fields
}
