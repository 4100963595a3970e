package chertsim_test

import (
	"testing"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/event"
)

func TestMarkReadMarksWhatIsUnreadOnce(t *testing.T) {
	t.Parallel()
	now := start
	b := newBench(t, chertsim.Config{Now: func() time.Time { return now }})
	b.sim.Receive(chertsim.Incoming{Chat: "c 1/x", From: "+14155550111", Text: "one"})
	now = now.Add(2 * time.Second)
	b.sim.Receive(chertsim.Incoming{Chat: "c 1/x", Text: "two"})
	b.sim.Receive(chertsim.Incoming{Chat: "other", Text: "three"})
	if c, _ := b.sim.Chat("c 1/x"); c.Unread != 2 {
		t.Fatalf("unread is %d before any call, want 2", c.Unread)
	}

	for i, want := range []struct{ marked, unread int }{{2, 0}, {0, 0}} {
		a := b.call("POST", "/chats/c%201%2Fx/mark-read", "")
		if a.status != 200 || a.text != `{"chat_id":"c 1/x","status":"read"}` || a.header.Get("X-Trace-ID") == "" {
			t.Fatalf("call %d answered %d %s, trace %q", i+1, a.status, a.text, a.header.Get("X-Trace-ID"))
		}
		r := b.sim.Receipts()[i]
		if r.Marked != want.marked || len(r.Messages) != want.marked || r.TraceID != a.header.Get("X-Trace-ID") {
			t.Errorf("receipt %d is %+v, want %d marked under trace %s", i+1, r, want.marked, a.header.Get("X-Trace-ID"))
		}
		if r.Chat != "c 1/x" || r.ChatEvents != 2 || r.Events != 3 || !r.Effect || r.Status != 200 {
			t.Errorf("receipt %d is %+v, want 2 events of the chat among 3, with effect", i+1, r)
		}
	}
	if w := b.sim.Receipts()[0].Waited; w != 2*time.Second {
		t.Errorf("the first receipt waited %v, want 2s", w)
	}
	if c, _ := b.sim.Chat("other"); c.Unread != 1 {
		t.Errorf("another chat has %d unread, want 1", c.Unread)
	}
}

func TestMarkReadErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	b.sim.AddChat(chertsim.Chat{ID: "alone", Handles: []event.Handle{{Handle: chertsim.DefaultLine, IsMe: event.True}}})
	for _, test := range []struct {
		path         string
		status, code int
	}{
		{"/chats/nobody/mark-read", 404, 2002},
		{"/chats/alone/mark-read", 422, 1002},
		{"/nothing/here", 404, 2011},
	} {
		a := b.call("POST", test.path, "")
		if a.status != test.status || a.code() != test.code || a.body.Error.Status != test.status {
			t.Errorf("%s answered %d %s, want %d with code %d", test.path, a.status, a.text, test.status, test.code)
		}
		if a.body.Success == nil || *a.body.Success || a.body.Error.Retryable == nil || a.body.TraceID != a.header.Get("X-Trace-ID") {
			t.Errorf("%s: envelope %s lacks success, retryable or the header's trace id", test.path, a.text)
		}
	}
	if r := b.sim.Receipts(); len(r) != 2 || r[0].Code != 2002 || r[0].Effect || r[1].Code != 1002 {
		t.Errorf("receipts are %+v, want the two failed calls without effect", r)
	}
}

func TestAnOperatorsReplyReadsWithoutAReceipt(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	if !b.sim.Reply("c1", "on my way") || b.sim.Reply("none", "x") {
		t.Error("a reply goes to chats that exist, and to no other")
	}
	c, _ := b.sim.Chat("c1")
	if c.Unread != 0 || len(c.Messages) != 2 || c.Messages[1].Direction != "outbound" {
		t.Errorf("after an operator's reply the chat is %+v", c)
	}
	if len(b.sim.Log()) != 1 || len(b.sim.Receipts()) != 0 {
		t.Errorf("%d events and %d receipts, want the message's event alone", len(b.sim.Log()), len(b.sim.Receipts()))
	}
	b.call("POST", "/chats/c1/mark-read", "")
	if r := b.sim.Receipts()[0]; !r.Effect || r.Marked != 0 {
		t.Errorf("the receipt after it is %+v, want nothing left to mark", r)
	}
}
