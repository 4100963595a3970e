package spec

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// trial is one running `it`: the world that it uses, and what it has done so far.
type trial struct {
	ctx     context.Context
	pack    *rules.Pack
	cover   *coverage
	start   time.Time
	timeout time.Duration  // of the whole spec, in real time
	config  map[string]any // of configure
	lists   *rules.Lists   // of configure
	faults  []Fault        // of fail_next before there is a world

	world    *World // nil until it is needed: configure comes first
	set      *rules.Set
	account  *luabind.MemoryBudget // of its pack's VM
	sent     int                   // events made so far, for their ids
	lastChat string                // of the last event that named one
	tolerant bool                  // the spec asserted that a rule fails, and one did
	asserted bool                  // since before_each

	printed []string
	pending bool
	why     string
}

// coverFactor is how much larger budgets are while coverage is measured, which takes
// steps itself.
const coverFactor = 4

// must returns the trial's world, and creates it if there is none yet. It raises an error
// if the pack does not load with the settings of configure.
func (t *trial) must(u *luabind.HostCall) *World {
	if t.world != nil {
		return t.world
	}
	solo := rules.Solo{Config: t.config, Account: t.account}
	// No spec fails because the machine is busy: steps decide.
	solo.Limits.Wall = t.timeout
	wc := WorldConfig{Start: t.start, Lists: t.lists}
	if t.cover != nil {
		solo.Swap, solo.Cover = t.cover.swap, t.cover.hit
		limits := t.pack.Script().Limits
		solo.Limits.Steps = coverFactor * max(limits.Steps, luabind.DefaultSteps)
		wc.Steps = 50_000_000 * coverFactor
	}
	u.Charge(500)
	set, diags := t.pack.Solo(solo)
	if diags.Errors() {
		u.Raise(diags[0].Hint, "the pack does not load with these settings: %s", placed(diags[0]))
	}
	t.set, wc.Set = set, set
	t.world = NewWorld(wc)
	for _, f := range t.faults {
		t.world.FailNext(f, 1)
	}
	return t.world
}

// placed formats a diagnostic on one line, without its hint.
func placed(d diag.Diagnostic) string {
	if d.File == "" {
		return d.Message
	}
	return d.File + ":" + strconv.Itoa(max(d.Line, 1)) + ": " + d.Message
}

// happened raises an error of the world.
func (t *trial) happened(u *luabind.HostCall, word string, err error) {
	switch {
	case errors.Is(err, ErrTooMuch):
		u.Raise("advance in smaller steps, or look for rules that keep each other going", "%s: %v", word, err)
	case err != nil:
		u.Raise("", "%s: %v", word, err)
	}
}

// receive is receive { chat =, text = … }: an event arrives by the webhook.
func (t *trial) receive(u *luabind.HostCall) []lua.LValue {
	d := delivery{typ: event.MessageReceived, word: "receive", now: t.must(u).Now()}
	if text, ok := u.Arg(1).(lua.LString); ok {
		d.fields = map[string]any{"text": string(text)}
	} else {
		d.fields = fieldsArg(u, "receive", 1)
	}
	if typ, ok := d.fields["type"].(string); ok {
		refuseSignal(u, "receive", typ)
		t.mustKnowType(u, "receive", typ)
		d.typ = typ
		delete(d.fields, "type")
	} else if d.fields["type"] != nil {
		u.Raise(`receive { type = "reaction.added" }`, "receive: type must be a string")
	}
	if d.fields["chat"] == nil {
		d.fields["chat"] = "c1"
	}
	t.deliver(u, d)
	return nil
}

func (t *trial) deliver(u *luabind.HostCall, d delivery) {
	t.sent++
	d.number = t.sent
	ev, err := d.event()
	if err != nil {
		var fe *fieldError
		hint := ""
		if errors.As(err, &fe) {
			hint = fe.hint
		}
		u.Raise(hint, "%s: %v", d.word, err)
	}
	if d.word == "fire" {
		t.mustKnowNames(u, &d, &ev)
	}
	if id := ev.ChatID(); id != "" {
		t.lastChat = id
	}
	u.Charge(200)
	t.happened(u, d.word, t.world.Receive(t.ctx, ev))
}

// configure is configure { name = value }: settings of the pack for this it, and lists,
// which may change later.
func (t *trial) configure(u *luabind.HostCall) []lua.LValue {
	runs := func() {
		u.Raise("write it first, or in before_each; lists may change later: configure { lists = { … } }", "configure: the pack runs already; its settings come before the first event")
	}
	if t.world != nil && u.Arg(1) == lua.LNil {
		runs()
	}
	given := fieldsArg(u, "configure", 1)
	if t.configureLists(u, given) && len(given) == 0 {
		return nil
	}
	if t.world != nil {
		runs()
	}
	merged := map[string]any{}
	for k, v := range t.config {
		merged[k] = v
	}
	for k, v := range given {
		merged[k] = v
	}
	if err := t.pack.CheckConfig(merged); err.Errors() {
		u.Raise(err[0].Hint, "configure: %s", err[0].Message)
	}
	t.config = merged
	return nil
}

// state is state(chat): a copy of what the pack keeps in ev.state there.
func (t *trial) state(u *luabind.HostCall) []lua.LValue {
	id := t.chatArg(u, "state", 1)
	v, err := u.Decode(json.RawMessage(t.must(u).State(t.pack.Name, id)))
	if err != nil {
		u.Raise("", "state: %v", err)
	}
	if v == lua.LNil {
		v = &lua.LTable{Metatable: lua.LNil}
	}
	return []lua.LValue{v}
}

// warnings returns the warnings of a spec that passed: it asserted nothing, or a rule
// failed and the spec did not assert that.
func (t *trial) warnings(res *Result) diag.List {
	var diags diag.List
	if !t.asserted {
		diags = append(diags, diag.Diagnostic{File: res.File, Line: res.Line, Col: res.Col, Severity: diag.SeverityWarning, Code: codeNoAssertion,
			Message: "the spec " + strconv.Quote(res.Name) + " asserts nothing: it passes whatever the rules do",
			Hint:    `assert the result: assert.is_unread("c1"), or assert.not_failed() if no rule may fail`})
	}
	if t.world == nil || t.tolerant {
		return diags
	}
	for i := range t.world.log {
		for _, rule := range t.world.log[i].Rules {
			if f := rule.Failure; f != nil {
				d := f.Diagnostic
				d.Severity, d.Code = diag.SeverityWarning, codeFailedUnasked
				d.Message = "the rule " + strconv.Quote(rule.Rule) + " failed while the spec " + strconv.Quote(res.Name) + " passed: " + d.Message
				return append(diags, d)
			}
		}
	}
	return diags
}
