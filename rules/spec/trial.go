package spec

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// trial is one `it` that runs: the world it drives, and what it has said so far.
type trial struct {
	ctx     context.Context
	pack    *rules.Pack
	cover   *coverage
	start   time.Time
	timeout time.Duration  // of the whole spec, on a clock of this world
	config  map[string]any // of configure
	faults  []Fault        // of fail_next before there is a world

	world    *World // made when first needed: configure comes before it
	set      *rules.Set
	account  *luabind.MemoryBudget // of its pack's VM
	sent     int                   // events made so far, for their ids
	lastChat string                // of the last event that named one
	tolerant bool                  // the spec said that a rule is to fail, and one did
	asserted bool                  // since the before_eaches

	printed []string
	pending bool
	why     string
}

// coverFactor is how much larger budgets are while coverage is measured: it
// takes steps of its own.
const coverFactor = 4

// must is the trial's world. A pack that does not load with the settings given
// fails the spec where it first needs one.
func (t *trial) must(u *luabind.HostCall) *World {
	if t.world != nil {
		return t.world
	}
	solo := rules.Solo{Config: t.config, Account: t.account}
	// No spec fails because the machine is busy: steps decide.
	solo.Limits.Wall = t.timeout
	wc := WorldConfig{Start: t.start}
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

// placed is a diagnostic on one line, without its hint.
func placed(d diag.Diagnostic) string {
	if d.File == "" {
		return d.Message
	}
	return d.File + ":" + strconv.Itoa(max(d.Line, 1)) + ": " + d.Message
}

// happened raises what the world says about its bounds.
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

// advance is advance(duration): time passes.
func (t *trial) advance(u *luabind.HostCall) []lua.LValue {
	d, ok, err := u.Duration(u.Arg(1))
	if !ok {
		u.Raise(`advance("30s")`, "advance: expected a duration, got %s", u.Described(u.Arg(1)))
	}
	if err != nil {
		u.Raise("", "advance: %v", err)
	}
	t.happened(u, "advance", t.must(u).Advance(t.ctx, d))
	return nil
}

// clock is clock("2026-01-05 09:00" [, tz]); without tz it is in the zone in which
// the rules read their hours. Before anything has happened the
// world begins then; afterwards the time until then passes.
func (t *trial) clock(u *luabind.HostCall) []lua.LValue {
	at := t.timeArg(u)
	if t.world == nil {
		t.start = at
		return nil
	}
	d := at.Sub(t.world.Now())
	if d < 0 {
		u.Raise("to begin earlier, set the clock before the first event", "clock: it is %s already, and time does not go back", t.stamp(t.world.Now()))
	}
	t.happened(u, "clock", t.world.Advance(t.ctx, d))
	return nil
}

func (t *trial) timeArg(u *luabind.HostCall) time.Time {
	text, ok := u.Arg(1).(lua.LString)
	const form = `clock("2026-01-05 09:00", "Europe/Paris")`
	if !ok {
		u.Raise(form, "clock: expected a time, got %s", u.Described(u.Arg(1)))
	}
	zone := t.pack.Zone()
	if tz, given := u.Arg(2).(lua.LString); given {
		loc, err := luabind.LoadZone(string(tz))
		if err != nil {
			u.Raise("", "clock: %v", err)
		}
		zone = loc
	} else if u.Arg(2) != lua.LNil {
		u.Raise(form, "clock: the time zone must be a string, got %s", u.Described(u.Arg(2)))
	}
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		return at.UTC()
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		wall, err := time.Parse(layout, string(text))
		if err != nil {
			continue
		}
		at, shown := luabind.WallTime(wall, zone)
		if !shown {
			u.Raise("take a time that is there", "clock: in %s the clock is put forward over %s: it goes on at %s", zone, string(text), at.Format("2006-01-02 15:04"))
		}
		return at.UTC()
	}
	u.Raise(form, "clock: %q is not a time", string(text))
	return time.Time{}
}

// nowWord is now(): the virtual time in Unix seconds.
func (t *trial) nowWord(u *luabind.HostCall) []lua.LValue {
	at := t.start
	if t.world != nil {
		at = t.world.Now()
	}
	return []lua.LValue{lua.LNumber(float64(at.UnixMilli()) / 1000)}
}

// configure is configure { name = value }: settings of the pack for this it.
func (t *trial) configure(u *luabind.HostCall) []lua.LValue {
	if t.world != nil {
		u.Raise("write it first, or in before_each", "configure: the pack runs already; its settings come before the first event")
	}
	given := fieldsArg(u, "configure", 1)
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

// codeList names Chert's codes.
func codeList() string {
	var codes []string
	for _, c := range chert.Codes() {
		codes = append(codes, strconv.Itoa(c))
	}
	return "one of " + strings.Join(codes, ", ")
}

// failNext is fail_next(code [, times]).
func (t *trial) failNext(u *luabind.HostCall) []lua.LValue {
	var f Fault
	switch v := u.Arg(1).(type) {
	case lua.LNumber:
		var ok bool
		if f, ok = Documented(int(v)); !ok || lua.LNumber(int(v)) != v {
			u.Raise("it is "+codeList()+`, or "timeout"`, "fail_next: Chert has no error code %s", v.String())
		}
	case lua.LString:
		if f = noAnswer(); v != "timeout" {
			u.Raise(`fail_next(4001), or fail_next("timeout")`, "fail_next: expected a code, got %s", u.Described(v))
		}
	default:
		u.Raise("fail_next(4001)", "fail_next: expected a code of Chert's, got %s", u.Described(v))
	}
	times := 1
	if v := u.Arg(2); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok || n < 1 || n > 1000 || n != lua.LNumber(int(n)) {
			u.Raise("fail_next(4001, 3)", "fail_next: how often must be a whole number from 1 to 1000, got %s", u.Described(v))
		}
		times = int(n)
	}
	for range times {
		if t.world == nil {
			t.faults = append(t.faults, f)
		} else {
			t.world.FailNext(f, 1)
		}
	}
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

// warnings are what a spec that passed leaves open: a rule that failed without
// the spec asking, and that it asserted nothing.
func (t *trial) warnings(res *Result) diag.List {
	var diags diag.List
	if !t.asserted {
		diags = append(diags, diag.Diagnostic{File: res.File, Line: res.Line, Col: res.Col, Severity: diag.SeverityWarning, Code: codeNoAssertion,
			Message: "the spec " + strconv.Quote(res.Name) + " asserts nothing: it passes whatever the rules do",
			Hint:    `say what must come of it: assert.is_unread("c1"), or assert.not_failed() if no rule may fail`})
	}
	if t.world == nil || t.tolerant {
		return diags
	}
	for i := range t.world.log {
		for _, said := range t.world.log[i].Rules {
			if f := said.Failure; f != nil {
				d := f.Diagnostic
				d.Severity, d.Code = diag.SeverityWarning, codeFailedUnasked
				d.Message = "the rule " + strconv.Quote(said.Rule) + " failed while the spec " + strconv.Quote(res.Name) + " passed: " + d.Message
				return append(diags, d)
			}
		}
	}
	return diags
}
