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

func newWishes(grants ...string) *wishes {
	return &wishes{
		pack: &Pack{Name: "p", Version: "v", Grants: grants}, rule: &Rule{Name: "r", Named: true, place: "a.lua:1"}, chat: "c1",
	}
}

func TestWishes(t *testing.T) {
	t.Parallel()
	w := newWishes("typing", "react", "send")
	later := noon.Add(time.Minute)
	for _, err := range []error{
		w.MarkRead("c1", luabind.ReadOptions{Due: later, Delayed: true, Reason: "why", EvenIfNewer: true}),
		w.CancelRead("c2"), w.Postpone("c1", later, "night"), w.KeepUnread("c1", "vip"), w.Hold("c1", later, "vip"), w.Release("c1"),
		w.SetTimer(later, "t", json.RawMessage(`{"n":1}`)), w.CancelTimer("t"),
		w.Typing("c1", "typing"), w.React("m1", "love"), w.Send("c3", `say "hi"`),
	} {
		must(t, err)
	}
	stamped := func(chatID string, wish chat.Wish) Wish {
		wish.Pack, wish.Version, wish.Rule, wish.Place = "p", "v", "r", "a.lua:1"
		return Wish{Chat: chatID, Wish: wish}
	}
	want := []Wish{
		stamped("c1", chat.Wish{Kind: chat.WishRead, Due: later, Reason: "why", EvenIfNewer: true}),
		stamped("c2", chat.Wish{Kind: chat.WishCancelRead}),
		stamped("c1", chat.Wish{Kind: chat.WishPostpone, Due: later, Reason: "night"}),
		stamped("c1", chat.Wish{Kind: chat.WishKeepUnread, Reason: "vip"}),
		stamped("c1", chat.Wish{Kind: chat.WishHold, Due: later, Reason: "vip"}),
		stamped("c1", chat.Wish{Kind: chat.WishRelease}),
		stamped("c1", chat.Wish{Kind: chat.WishTimer, Due: later, Name: "t", Body: json.RawMessage(`{"n":1}`)}),
		stamped("c1", chat.Wish{Kind: chat.WishCancelTimer, Name: "t"}),
		stamped("c1", chat.Wish{Kind: chat.WishTyping, Body: json.RawMessage(`"typing"`)}),
		stamped("c1", chat.Wish{Kind: chat.WishReact, Target: "m1", Body: json.RawMessage(`"love"`)}),
		stamped("c3", chat.Wish{Kind: chat.WishSend, Body: json.RawMessage(`"say \"hi\""`)}),
	}
	for i := range want {
		if i >= len(w.asked) || !reflect.DeepEqual(w.asked[i], want[i]) {
			t.Fatalf("wish %d: got %+v\nwant %+v", i, w.asked, want[i])
		}
	}
}

func TestWishesRefused(t *testing.T) {
	t.Parallel()
	unnamed, chatless := newWishes(), newWishes("react")
	unnamed.rule = &Rule{Name: "a#1"}
	chatless.chat = ""
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a delayed read without a name", unnamed.MarkRead("c1", luabind.ReadOptions{Delayed: true}), "needs a rule with a name"},
		{"a read without a chat", newWishes().MarkRead("", luabind.ReadOptions{}), "the chat's id is empty"},
		{"not granted", newWishes("typing").Send("c1", "x"), `the operator has not granted "send"`},
		{"a timer without a chat", chatless.SetTimer(noon, "t", nil), "a timer belongs to one"},
		{"a timer without a name", newWishes().SetTimer(noon, "", nil), "the timer's name is empty"},
		{"a reaction without a chat", chatless.React("m", "love"), "this event has no chat"},
		{"a reaction without a message", newWishes("react").React("", "love"), "the message's id is empty"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, tt.err, tt.want)
		}
	}
	must(t, unnamed.MarkRead("c1", luabind.ReadOptions{}))
	w := newWishes()
	for range maxWishes {
		must(t, w.Release("c1"))
	}
	if err := w.Release("c1"); err == nil {
		t.Errorf("wish %d is taken", maxWishes+1)
	}
}

// A wish in words names what matters of its kind, and the chat if it is another's.
func TestWishInWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wish Wish
		want string
	}{
		{Wish{"c1", chat.Wish{Kind: chat.WishRead, Due: noon}}, "mark_read"},
		{Wish{"c1", chat.Wish{Kind: chat.WishRead, Due: noon.Add(30 * time.Second), Reason: "code"}}, "mark_read after 30s (code)"},
		{Wish{"c2", chat.Wish{Kind: chat.WishRead, Due: noon.Add(-time.Second), EvenIfNewer: true, Shadow: true}}, "mark_read chat c2 even if newer [shadow]"},
		{Wish{"c2", chat.Wish{Kind: chat.WishTimer, Name: "x", Due: noon.Add(time.Minute)}}, `set_timer "x" chat c2 after 1m0s`},
		{Wish{"c1", chat.Wish{Kind: chat.WishCancelTimer, Name: "x", Due: noon.Add(time.Minute)}}, `cancel_timer "x"`},
		{Wish{"c1", chat.Wish{Kind: chat.WishHold, Due: noon.Add(time.Hour), Reason: "vip"}}, "hold until " + noon.Add(time.Hour).UTC().Format(time.RFC3339) + " (vip)"},
		{Wish{"c2", chat.Wish{Kind: chat.WishPostpone, Due: noon.Add(time.Hour), Reason: "night"}}, "postpone chat c2 until " + noon.Add(time.Hour).UTC().Format(time.RFC3339) + " (night)"},
		{Wish{"c1", chat.Wish{Kind: chat.WishPostpone, Due: noon}}, "postpone"},
		{Wish{"c1", chat.Wish{Kind: chat.WishSend, Due: noon.Add(time.Hour)}}, "send"},
	} {
		if got := tt.wish.Words("c1", noon); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "1d", 36 * time.Hour: "36h", time.Hour: "1h", 90 * time.Minute: "90m", time.Minute: "1m", 90 * time.Second: "90s", time.Second: "1s", 1500 * time.Millisecond: "1.5s",
	} {
		if got := (Rate{3, d}).Words(); got != "3 reads in "+want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
