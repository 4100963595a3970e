package luabind

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
)

// world is the Effects and Memory of calls in tests. It records actions and log lines as
// lines, and stores state and kv.
type world struct {
	said  []string
	state json.RawMessage
	saved int // times SetState was called
	kv    map[string]json.RawMessage
	ttls  map[string]time.Duration
	err   error // result of every method
}

var (
	_ Effects = (*world)(nil)
	_ Memory  = (*world)(nil)
	_ Lists   = (*world)(nil)
)

func (w *world) say(format string, args ...any) error {
	w.said = append(w.said, fmt.Sprintf(format, args...))
	return w.err
}

func (w *world) MarkRead(chat string, o ReadOptions) error {
	return w.say("mark_read %s %s delayed=%t reason=%q newer=%t%s", chat, o.Due.UTC().Format("01-02 15:04:05"), o.Delayed, o.Reason, o.EvenIfNewer, latest(o))
}
func (w *world) CancelRead(chat string) error { return w.say("cancel_read %s", chat) }
func (w *world) Postpone(chat string, until time.Time, reason string) error {
	return w.say("postpone %s %s %q", chat, until.UTC().Format("01-02 15:04:05"), reason)
}
func (w *world) KeepUnread(chat, reason string) error {
	return w.say("keep_unread %s %q", chat, reason)
}
func (w *world) Hold(chat string, until time.Time, reason string) error {
	return w.say("hold %s %s %q", chat, until.UTC().Format("01-02 15:04:05"), reason)
}
func (w *world) Release(chat string) error { return w.say("release %s", chat) }
func (w *world) SetTimer(due time.Time, name string, payload json.RawMessage) error {
	return w.say("after %s %s %s", due.UTC().Format("01-02 15:04:05"), name, payload)
}
func (w *world) CancelTimer(name string) error    { return w.say("cancel_timer %s", name) }
func (w *world) Typing(chat, state string) error  { return w.say("typing %s %s", chat, state) }
func (w *world) React(message, kind string) error { return w.say("react %s %s", message, kind) }
func (w *world) Send(chat, text string) error     { return w.say("send %s %s", chat, text) }
func (w *world) Notify(target, text string, fields json.RawMessage) error {
	return w.say("notify %s %s %s", target, text, fields)
}
func (w *world) Log(level, msg string, fields map[string]any) {
	line := level + " " + msg
	if len(fields) > 0 {
		text, _ := json.Marshal(fields)
		line += " " + string(text)
	}
	w.said = append(w.said, line)
}

// The world has one list, with one member.
func (w *world) Check(list string) error {
	if list != "vips" {
		return errors.New("no list is named " + strconv.Quote(list))
	}
	return nil
}
func (w *world) Has(list, value string) bool { return value == "+14155551234" }

func (w *world) State() (json.RawMessage, error) { return w.state, w.err }
func (w *world) SetState(s json.RawMessage) error {
	w.saved++
	w.state = s
	return nil
}
func (w *world) Get(key string) (json.RawMessage, error) { return w.kv[key], w.err }
func (w *world) Set(key string, value json.RawMessage, ttl time.Duration) error {
	if w.kv == nil {
		w.kv, w.ttls = map[string]json.RawMessage{}, map[string]time.Duration{}
	}
	w.kv[key] = value
	if ttl != KeepTTL {
		w.ttls[key] = ttl
	}
	return w.err
}
func (w *world) Delete(key string) error {
	delete(w.kv, key)
	return w.err
}
func (w *world) List(prefix, after string, limit, bytes int) (page []Entry, next string, err error) {
	size := 0
	for _, k := range sortedKeys(w.kv) {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if len(page) == limit || size >= bytes && len(page) > 0 {
			return page, page[len(page)-1].Key, w.err
		}
		page = append(page, Entry{k, w.kv[k]})
		size += len(w.kv[k])
	}
	return page, "", w.err
}

// testEvent is an event of a type, with everything events of it have.
func testEvent(typ string) *event.Event {
	at := time.Date(2026, 1, 5, 11, 59, 58, 500e6, time.UTC)
	switch {
	case typ == event.Schedule:
		return &event.Event{ID: "s1", Type: typ, At: at, Source: event.SourceEngine}
	case strings.HasPrefix(typ, event.TimerPrefix):
		return &event.Event{ID: "t1", Type: typ, At: at, Source: event.SourceEngine, Chat: &event.Chat{ID: "c1"}, Payload: json.RawMessage(`{"n":3,"who":["a","b"]}`)}
	case strings.HasPrefix(typ, event.SignalPrefix):
		data := map[string]string{"signal:human_replied": `{"agent":"Ann","tags":["new","vip"]}`, "signal:text": `"ticket 4711"`}[typ]
		return &event.Event{ID: "signal:1", Type: typ, At: at, Source: event.SourceSignal, Chat: &event.Chat{ID: "c1"}, Data: json.RawMessage(data)}
	case strings.HasPrefix(typ, "action."):
		return &event.Event{ID: "a1", Type: typ, At: at, Source: event.SourceEngine, Chat: &event.Chat{ID: "c1"},
			Action: json.RawMessage(`{"kind":"read","chat":"c1","code":4099,"status":"dead","attempts":2,"trace_id":"tr"}`)}
	}
	return &event.Event{
		ID: "chert:msg:1", Type: typ, At: at, Source: event.SourceWebhook, Tenant: "acme", Text: "Your code is 123456", From: "+14155551234",
		Chat: &event.Chat{ID: "c1", Line: "+14152165723", IsGroup: event.False, Handles: []event.Handle{
			{Handle: "+14152165723", Service: "imessage", IsMe: event.True}, {Handle: "+14155551234", Service: "imessage", IsMe: event.False}}},
		Message: &event.Message{ID: "m1", Direction: "inbound", Text: "Your code is 123456", From: "+14155551234", Service: "imessage",
			Parts: []event.Part{{Type: "text", Value: "Your code is 123456"}, {Type: "media", AttachmentID: "in_1", MimeType: "image/jpeg"}}, SentAt: at},
		Raw: json.RawMessage(`{"event":"message.received","data":{"chat":{"id":"c1","labels":["x",null,"y"]}},"n":1.5}`),
	}
}

// subscribed is a loaded source and what it subscribed to.
type loadedRules struct {
	vm   *VM
	subs subscriptions
}

func loadRules(t testing.TB, cfg Config, source string) *loadedRules {
	t.Helper()
	r, err := tryLoad(cfg, source)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return r
}

func tryLoad(cfg Config, source string) (*loadedRules, error) {
	p, err := Compile("rule.lua", []byte(source))
	if err != nil {
		return nil, err
	}
	cfg.Files = append(cfg.Files, p)
	r := &loadedRules{}
	r.vm, err = Load(cfg, &r.subs)
	return r, err
}

// call runs a handler in a world at Monday 2026-01-05 12:00 UTC.
func (r *loadedRules) call(index int, w *world) error {
	return r.vm.Call(index, &Call{Event: testEvent(r.subs[index].Types0()), Now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Seed: 7, Effects: w, Memory: w, Lists: w})
}

// Types0 is the type of event a test calls the handler with.
func (s Subscription) Types0() string {
	if s.Call == "chert.every" {
		return event.Schedule
	}
	return s.Types[0]
}

func latest(o ReadOptions) string {
	if o.OnlyIf != "" {
		return " only_if=" + o.OnlyIf
	}
	if o.Latest.IsZero() {
		return ""
	}
	return o.Latest.UTC().Format(" latest=01-02 15:04:05")
}
