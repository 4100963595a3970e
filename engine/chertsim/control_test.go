package chertsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chertd/engine/chertsim"
)

func TestControlRoutes(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	control := func(method, path, body string, want int) string {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://sim/sim/"+path, strings.NewReader(body))
		res, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != want {
			t.Fatalf("%s %s %s answered %d %s, want %d", method, path, body, res.StatusCode, text, want)
		}
		return string(text)
	}

	control("POST", "messages", `{"chat": "c1", "from": "+14155550111", "text": "hello"}`, 200)
	if c, ok := b.sim.Chat("c1"); !ok || c.Unread != 1 {
		t.Errorf("after a message the chat is %+v", c)
	}
	control("POST", "fail", `{"route": "mark-read", "code": 4001, "times": 1, "delay": "2s"}`, 200)
	if a := b.call("POST", "/chats/c1/mark-read", ""); a.code() != 4001 {
		t.Errorf("mark-read answered %s, want 4001", a.text)
	}
	if a := b.call("POST", "/chats/c1/mark-read", ""); a.status != 200 {
		t.Errorf("mark-read answered %s once the rule was used up", a.text)
	}
	control("POST", "fail", `{"code": 3001}`, 200)
	control("DELETE", "fail", "", 200)
	if a := b.call("POST", "/chats/c1/mark-read", ""); a.status != 200 {
		t.Errorf("mark-read answered %s once the rules were cleared", a.text)
	}
	var receipts struct {
		Receipts []struct {
			Chat         string
			Marked, Code int
		}
	}
	if err := json.Unmarshal([]byte(control("GET", "receipts", "", 200)), &receipts); err != nil || len(receipts.Receipts) != 3 ||
		receipts.Receipts[0].Code != 4001 || receipts.Receipts[1].Marked != 1 {
		t.Errorf("receipts are %+v, %v", receipts, err)
	}
	control("POST", "limit", `{"rate": 1, "burst": 1}`, 200)
	b.call("GET", "/phone-numbers", "")
	if a := b.call("GET", "/phone-numbers", ""); a.code() != 1007 {
		t.Errorf("the second call under a limit of 1 answered %s", a.text)
	}
	control("POST", "limit", `{"rate": 0}`, 200)
	control("POST", "replies", `{"chat": "c1", "text": "on my way"}`, 200)
	if n := len(b.sim.Log()); n != 1 {
		t.Errorf("the log has %d rows after an operator's reply, want 1", n)
	}
	chats := control("GET", "chats", "", 200)
	if !strings.Contains(chats, `"direction":"outbound"`) || !strings.Contains(chats, `"unread":0`) {
		t.Errorf("chats are %s", chats)
	}
	c, _ := b.sim.Chat("c1")
	control("POST", "reactions", `{"message": "`+c.Messages[0].ID+`", "reaction": "laugh"}`, 200)
	control("POST", "events", `{"type": "line.moved", "chat": "c1", "payload": {"event": "line.moved"}}`, 200)
	if log := b.sim.Log(); len(log) != 3 || log[1].Type != "reaction.added" || log[2].Type != "line.moved" || log[2].Chat != "c1" {
		t.Errorf("the log is %+v", log)
	}
	control("POST", "skew", `{"skew": "10m"}`, 200)
	if a := b.call("GET", "/phone-numbers", ""); a.code() != 2013 || a.header.Get("Date") != start.Add(10*time.Minute).Format(http.TimeFormat) {
		t.Errorf("with a skew of 10m: %s, Date %s", a.text, a.header.Get("Date"))
	}
	control("POST", "deliveries", `{"drop": 1, "within": "1s"}`, 200)

	for body, names := range map[string][]string{
		`{"root": "mark-read"}`:               {"root", "route"},
		`{"route": "markread", "code": 4001}`: {"markread", "mark-read"},
		`{"mode": "explode"}`:                 {"explode", "truncated"},
		`{"code": 9999}`:                      {"9999", "4099"},
		`{"code": 4001, "delay": 2}`:          {`"2s"`},
		`{"code": 4001, "delay": "soon"}`:     {"soon"},
		`{"code": 4001, "probability": 2}`:    {"probability"},
		`{"code": 4001, "status": 99}`:        {"status 99"},
		`{"code": 4001, "times": -1}`:         {"times"},
		``:                                    {"empty", "route"},
	} {
		answer := control("POST", "fail", body, 400)
		for _, name := range names {
			if !strings.Contains(strings.ReplaceAll(answer, `\"`, `"`), name) {
				t.Errorf("%s is refused with %s, which does not say %q", body, answer, name)
			}
		}
	}
	control("POST", "messages", `{"chat": "c1"}`, 400)
	control("POST", "messages", `{"chat": "c1", "text": "x", "form": "new"}`, 400)
	control("POST", "reactions", `{"message": "none"}`, 400)
	control("POST", "replies", `{"chat": "none", "text": "x"}`, 400)
	control("POST", "deliveries", `{"drop": 7}`, 400)
	control("POST", "limit", `{"rate": -1}`, 400)
}
