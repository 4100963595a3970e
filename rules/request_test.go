package rules

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"chertd/luabind"
	"chertd/rules/chat"
)

func newRequests(grants ...string) *requests {
	return &requests{
		set: &Set{}, pack: &Pack{Name: "p", Version: "v", Grants: grants}, rule: &Rule{Name: "r", Named: true, place: "a.lua:1"}, chat: "c1",
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	w := newRequests("typing", "react", "send")
	later := noon.Add(time.Minute)
	for _, err := range []error{
		w.MarkRead("c1", luabind.ReadOptions{Due: later, Delayed: true, Reason: "why", EvenIfNewer: true}),
		w.CancelRead("c2"), w.Postpone("c1", later, "night"), w.KeepUnread("c1", "vip"), w.Hold("c1", later, "vip"), w.Release("c1"),
		w.SetTimer(later, "t", json.RawMessage(`{"n":1}`)), w.CancelTimer("t"),
		w.Typing("c1", "typing"), w.React("m1", "love"), w.Send("c3", `say "hi"`),
	} {
		must(t, err)
	}
	stamped := func(chatID string, request chat.Request) Request {
		request.Pack, request.Version, request.Rule, request.Place = "p", "v", "r", "a.lua:1"
		return Request{Chat: chatID, Request: request}
	}
	want := []Request{
		stamped("c1", chat.Request{Kind: chat.RequestRead, Due: later, Reason: "why", EvenIfNewer: true}),
		stamped("c2", chat.Request{Kind: chat.RequestCancelRead}),
		stamped("c1", chat.Request{Kind: chat.RequestPostpone, Due: later, Reason: "night"}),
		stamped("c1", chat.Request{Kind: chat.RequestKeepUnread, Reason: "vip"}),
		stamped("c1", chat.Request{Kind: chat.RequestHold, Due: later, Reason: "vip"}),
		stamped("c1", chat.Request{Kind: chat.RequestRelease}),
		stamped("c1", chat.Request{Kind: chat.RequestTimer, Due: later, Name: "t", Body: json.RawMessage(`{"n":1}`)}),
		stamped("c1", chat.Request{Kind: chat.RequestCancelTimer, Name: "t"}),
		stamped("c1", chat.Request{Kind: chat.RequestTyping, Body: json.RawMessage(`"typing"`)}),
		stamped("c1", chat.Request{Kind: chat.RequestReact, Target: "m1", Body: json.RawMessage(`"love"`)}),
		stamped("c3", chat.Request{Kind: chat.RequestSend, Body: json.RawMessage(`"say \"hi\""`)}),
	}
	for i := range want {
		if i >= len(w.asked) || !reflect.DeepEqual(w.asked[i], want[i]) {
			t.Fatalf("request %d: got %+v\nwant %+v", i, w.asked, want[i])
		}
	}
}

func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	unnamed, chatless := newRequests(), newRequests("react")
	unnamed.rule = &Rule{Name: "a#1"}
	chatless.chat = ""
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a delayed read without a name", unnamed.MarkRead("c1", luabind.ReadOptions{Delayed: true}), "needs a rule with a name"},
		{"a read without a chat", newRequests().MarkRead("", luabind.ReadOptions{}), "the chat's id is empty"},
		{"a read of a target's notifications", newRequests().MarkRead(chat.NotifyChat("desk"), luabind.ReadOptions{}), `"notify:desk" is a target of notifications, not a chat`},
		{"a hold of a target's notifications", newRequests().Hold(chat.NotifyChat("desk"), noon, ""), "is a target of notifications"},
		{"not granted", newRequests("typing").Send("c1", "x"), `the operator has not granted "send"`},
		{"a timer without a chat", chatless.SetTimer(noon, "t", nil), "a timer belongs to one"},
		{"a timer without a name", newRequests().SetTimer(noon, "", nil), "the timer's name is empty"},
		{"a reaction without a chat", chatless.React("m", "love"), "this event has no chat"},
		{"a reaction without a message", newRequests("react").React("", "love"), "the message's id is empty"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, tt.err, tt.want)
		}
	}
	must(t, unnamed.MarkRead("c1", luabind.ReadOptions{}))
	w := newRequests()
	for range maxRequests {
		must(t, w.Release("c1"))
	}
	if err := w.Release("c1"); err == nil {
		t.Errorf("request %d is taken", maxRequests+1)
	}
}

// A request in words names what matters of its kind, and the chat if it is another's.
func TestRequestInWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		request Request
		want    string
	}{
		{Request{"c1", chat.Request{Kind: chat.RequestRead, Due: noon}}, "mark_read"},
		{Request{"c1", chat.Request{Kind: chat.RequestRead, Due: noon.Add(30 * time.Second), Reason: "code"}}, "mark_read after 30s (code)"},
		{Request{"c2", chat.Request{Kind: chat.RequestRead, Due: noon.Add(-time.Second), EvenIfNewer: true, Shadow: true}}, "mark_read chat c2 even if newer [shadow]"},
		{Request{"c2", chat.Request{Kind: chat.RequestTimer, Name: "x", Due: noon.Add(time.Minute)}}, `set_timer "x" chat c2 after 1m`},
		{Request{"c1", chat.Request{Kind: chat.RequestCancelTimer, Name: "x", Due: noon.Add(time.Minute)}}, `cancel_timer "x"`},
		{Request{"c1", chat.Request{Kind: chat.RequestHold, Due: noon.Add(time.Hour), Reason: "vip"}}, "hold until " + noon.Add(time.Hour).UTC().Format(time.RFC3339) + " (vip)"},
		{Request{"c2", chat.Request{Kind: chat.RequestPostpone, Due: noon.Add(time.Hour), Reason: "night"}}, "postpone chat c2 until " + noon.Add(time.Hour).UTC().Format(time.RFC3339) + " (night)"},
		{Request{"c1", chat.Request{Kind: chat.RequestPostpone, Due: noon}}, "postpone"},
		{Request{"c1", chat.Request{Kind: chat.RequestSend, Due: noon.Add(time.Hour)}}, "send"},
	} {
		if got := tt.request.Words("c1", noon); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "1d", 36 * time.Hour: "1d12h", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", 90 * time.Second: "1m30s", time.Second: "1s", 1500 * time.Millisecond: "1.5s",
	} {
		if got := (Rate{3, d}).Words(); got != "3 reads in "+want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
