package chertsim_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chertsim"
)

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{Transport: inProcess(&hook{})})
	made := b.call("POST", "/webhook-subscriptions", `{"url": "`+hookURL+`", "events": ["message.received"], "version": "2026-05-04"}`)
	sub := made.body.Subscription
	if made.status != 200 || sub.ID == "" || !strings.HasPrefix(sub.Secret, "whsec_") || !sub.IsActive || sub.URL != hookURL {
		t.Fatalf("create answered %d %s", made.status, made.text)
	}
	list := b.call("GET", "/webhook-subscriptions", "")
	one := b.call("GET", "/webhook-subscriptions/"+sub.ID, "")
	if len(list.body.Subscriptions) != 1 || list.body.Subscriptions[0]["id"] != sub.ID || one.body.Subscription.ID != sub.ID {
		t.Errorf("list answered %s, one %s", list.text, one.text)
	}
	if strings.Contains(list.text+one.text, "secret") {
		t.Errorf("the secret is shown more than once: %s %s", list.text, one.text)
	}
	delivered := func() bool {
		row := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		b.drain()
		log := b.sim.Log()
		return log[len(log)-1].ID == row.ID && log[len(log)-1].Delivery.Status == "delivered"
	}
	if !delivered() {
		t.Error("a message was not delivered to the subscription that wants it")
	}
	for _, patch := range []struct {
		body  string
		wants bool
	}{
		{`{"events": ["reaction.added"]}`, false}, {`{"events": []}`, true}, {`{"is_active": false}`, false}, {`{"is_active": true}`, true},
	} {
		if a := b.call("PATCH", "/webhook-subscriptions/"+sub.ID, patch.body); a.status != 200 || strings.Contains(a.text, "secret") {
			t.Errorf("%s answered %d %s", patch.body, a.status, a.text)
		}
		if delivered() != patch.wants {
			t.Errorf("after %s a message is delivered: %v, want %v", patch.body, !patch.wants, patch.wants)
		}
	}
	if a := b.call("DELETE", "/webhook-subscriptions/"+sub.ID, ""); a.status != 200 {
		t.Errorf("delete answered %d %s", a.status, a.text)
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		if a := b.call(method, "/webhook-subscriptions/"+sub.ID, "{}"); a.code() != 2011 {
			t.Errorf("%s of what is deleted answered %d %s", method, a.status, a.text)
		}
	}
	if delivered() {
		t.Error("a message was delivered to a subscription that is deleted")
	}
}

func TestSubscriptionURLs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ public, loopback bool }{
		"https://hooks.example.com/x":   {true, true},
		"https://dev-inbox":             {true, true},
		"https://8.8.8.8/x":             {true, true},
		"http://hooks.example.com/x":    {false, false},
		"https://10.0.0.1/x":            {false, false},
		"https://192.168.1.9:8443/x":    {false, false},
		"https://169.254.169.254/":      {false, false},
		"https://printer/x":             {false, false},
		"https://nas.local/x":           {false, false},
		"http://127.0.0.1:8787/x":       {false, true},
		"http://localhost:8787/x":       {false, true},
		"https://localhost/x":           {false, true},
		"http://[::1]:8787/x":           {false, true},
		"http://127.0.0.1.example.com/": {false, false},
		"ftp://127.0.0.1/x":             {false, false},
		"/webhooks/chert":               {false, false},
		"https://":                      {false, false},
		"%zz":                           {false, false},
	} {
		for allow, want := range map[bool]bool{false: want.public, true: want.loopback} {
			b := newBench(t, chertsim.Config{AllowLoopback: allow})
			if _, err := b.sim.Subscribe(address, ""); (err == nil) != want {
				t.Errorf("with loopback allowed %v, subscribing %q: %v, want allowed %v", allow, address, err, want)
			}
			if a := b.call("POST", "/webhook-subscriptions", fmt.Sprintf(`{"url": %q}`, address)); (a.status == 200) != want {
				t.Errorf("with loopback allowed %v, POST of %q: %d %s", allow, address, a.status, a.text)
			}
		}
	}
}

func TestDevInbox(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	if a := b.call("GET", "/dev-inbox", ""); a.code() != 2011 {
		t.Errorf("without such a subscription: %d %s", a.status, a.text)
	}
	if _, err := b.sim.Subscribe("https://dev-inbox", "", "message.received"); err != nil {
		t.Fatal(err)
	}
	row := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	b.sim.Emit("line.moved", "", "c1", []byte(`{}`))
	a := b.call("GET", "/dev-inbox", "")
	if a.status != 200 || a.body.Count != 1 || a.body.Events[0].ID != row.ID {
		t.Errorf("the inbox is %d %s", a.status, a.text)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	now := start
	b := newBench(t, chertsim.Config{Now: func() time.Time { return now }})
	b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	c, _ := b.sim.Chat("c1")
	id := c.Messages[0].ID
	for _, test := range []struct {
		path, body   string
		status, code int
		text         string
	}{
		{"/chats/c1/typing", `{"state": "typing"}`, 200, 0, `{"chat_id":"c1","state":"typing","status":"sent"}`},
		{"/chats/c1/typing", `{"state": "sleeping"}`, 400, 1002, ""},
		{"/chats/c1/typing", `{}`, 400, 1001, ""},
		{"/chats/c1/typing", `{"state"`, 400, 1004, ""},
		{"/chats/none/typing", `{"state": "typing"}`, 404, 2002, ""},
		{"/messages/" + id + "/react", `{"reaction": "love"}`, 200, 0, `{"message_id":"` + id + `","reaction":"love","status":"sent"}`},
		{"/messages/" + id + "/react", `{"reaction": "love"}`, 200, 0, ""},
		{"/messages/" + id + "/react", `{"reaction": "wink"}`, 400, 1002, ""},
		{"/messages/" + id + "/react", `{}`, 400, 1001, ""},
		{"/messages/none/react", `{"reaction": "love"}`, 404, 2003, ""},
		{"/chats/c1/messages", `{"message": {"parts": []}}`, 400, 1001, ""},
		{"/chats/c1/messages", `{}`, 400, 1001, ""},
		{"/chats/c1/messages", `[]`, 400, 1004, ""},
		{"/chats/none/messages", `{"message": {"parts": [{"type": "text", "value": "x"}]}}`, 404, 2002, ""},
	} {
		a := b.call("POST", test.path, test.body)
		if a.status != test.status || a.code() != test.code || test.text != "" && a.text != test.text {
			t.Errorf("%s %s answered %d %s, want %d with %d %s", test.path, test.body, a.status, a.text, test.status, test.code, test.text)
		}
	}
	c, _ = b.sim.Chat("c1")
	if !c.Typing || !slices.Equal(c.Messages[0].Reactions, []string{"love", "love"}) {
		t.Errorf("the chat is typing: %v, reactions %v; react is not idempotent", c.Typing, c.Messages[0].Reactions)
	}

	send := func(key string) string {
		a := b.call("POST", "/chats/c1/messages", `{"message": {"parts": [{"type": "text", "value": "hi"}], "idempotency_key": "`+key+`"}}`)
		if a.status != 200 || a.body.Message["direction"] != "outbound" || a.body.Message["chat_id"] != "c1" {
			t.Fatalf("send answered %d %s", a.status, a.text)
		}
		return a.body.Message["id"].(string)
	}
	if one, again, other := send("k1"), send("k1"), send("k2"); one != again || one == other {
		t.Errorf("one key gave %s and %s, another %s", one, again, other)
	}
	if first, second := send(""), send(""); first == second {
		t.Error("two sends without a key were one")
	}
	if n := len(b.sim.Log()); n != 1 {
		t.Errorf("the log has %d rows, want 1: what we send makes no event", n)
	}

	now = now.Add(time.Second)
	b.call("POST", "/chats/c1/mark-read", "")
	a := b.call("GET", "/chats/c1/messages", "")
	if len(a.body.Messages) != 5 || a.body.Messages[0]["id"] != id || a.body.Messages[0]["read_at"] != "2026-05-24T01:35:35.000Z" ||
		a.body.Messages[1]["read_at"] != nil || strings.Contains(a.text, `"has_more":true`) {
		t.Errorf("messages are %s", a.text)
	}
	for range 250 {
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "more"})
	}
	if a := b.call("GET", "/chats/c1/messages", ""); len(a.body.Messages) != 200 || !strings.Contains(a.text, `"has_more":true`) {
		t.Errorf("%d messages are listed, want the latest 200 and more", len(a.body.Messages))
	}
	if r := b.call("POST", "/chats/c1/mark-read", ""); r.status != 200 || b.sim.Receipts()[1].Marked != 250 {
		t.Errorf("%d were marked, want all 250", b.sim.Receipts()[1].Marked)
	}
	if a := b.call("GET", "/phone-numbers", ""); len(a.body.PhoneNumbers) != 1 || a.body.PhoneNumbers[0]["phone_number"] != chertsim.DefaultLine {
		t.Errorf("phone numbers are %s", a.text)
	}
}

// TestConcurrentRequests is for the race detector: everything at the same time.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	h := &hook{}
	b := newBench(t, chertsim.Config{Transport: inProcess(h)})
	if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
		t.Fatal(err)
	}
	seen := 0
	stop := b.sim.Watch(func(chertsim.Activity) { seen++ })
	var all sync.WaitGroup
	for i := range 8 {
		chat := fmt.Sprint("c", i%3)
		all.Go(func() {
			for range 20 {
				b.sim.Receive(chertsim.Incoming{Chat: chat, Text: "hello"})
				b.call("POST", "/chats/"+chat+"/mark-read", "")
				b.sim.Reply(chat, "by hand")
				b.sim.Chats()
				b.sim.SetLimit(0, 1)
				b.call("GET", "/events", "")
			}
		})
	}
	all.Wait()
	b.drain()
	stop()
	marked := 0
	for _, r := range b.sim.Receipts() {
		marked += r.Marked
	}
	if len(h.received()) != 160 || len(b.sim.Receipts()) != 160 || marked > 160 {
		t.Errorf("%d deliveries, %d receipts, %d messages marked of 160 events", len(h.received()), len(b.sim.Receipts()), marked)
	}
	if want := 160 * 4; seen != want {
		t.Errorf("%d activities were watched, want %d: message, delivery, receipt and reply of each", seen, want)
	}
}
