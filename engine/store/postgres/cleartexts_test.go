package postgres

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// awkward draws strings of which some look like the fields that are looked for.
func awkward() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{
		"", "a", `"status":"waiting"`, `","status":"done"`, `\","status":"sent"`, `\`, "\x00", "\xff\xfe", "\xed\xb2\x80", "<&>\u2028", `"body":"x"`, "}{",
	}), rapid.String())
}

func drawActions(t *rapid.T) (all []chat.Action) {
	for n := range rapid.IntRange(0, 4).Draw(t, "actions") {
		a := chat.Action{
			ID: chat.ActionID{Seq: 7, N: n}, Kind: chat.Send, Chat: awkward().Draw(t, "chat"), Pack: awkward().Draw(t, "pack"),
			Target: awkward().Draw(t, "target"),
			Status: rapid.SampledFrom([]chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed}).Draw(t, "status"),
		}
		if rapid.Bool().Draw(t, "has texts") {
			a.Reason, a.Error = awkward().Draw(t, "reason"), awkward().Draw(t, "error")
		}
		if rapid.Bool().Draw(t, "has a body") {
			a.Body = json.RawMessage(awkward().Draw(t, "body"))
		}
		all = append(all, a)
	}
	return all
}

// Texts go from the JSON of actions and rules, and all else of it stays, whatever its strings.
func TestTextsGoAndTheRestStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		actions, erase := drawActions(t), rapid.Bool().Draw(t, "erase")
		rule := turn.RuleDecision{Pack: "p", Rule: "<r>", Skipped: "\x00", Note: `"error":"x"`, Error: rapid.SampledFrom([]string{"", "it failed", store.TextRemoved}).Draw(t, "rule's error")}
		if rapid.Bool().Draw(t, "asked") {
			rule.Asked, rule.Refused, rule.Logs = []string{"send"}, []string{"send"}, []turn.Log{{Level: "info", Msg: "m"}}
		}
		list, err := json.Marshal([]turn.RuleDecision{rule})
		if err != nil {
			t.Fatal(err)
		}
		origin := rowjson.Origin{Seq: 7}
		e := eventTexts{seq: 7, rules: list, actions: rowjson.AppendActions(nil, actions, &origin), failed: map[int64]bool{0: true}}
		cleared, err := e.clear(erase)
		if err != nil {
			t.Fatal(err)
		}

		had := rule.Logs != nil || rule.Error != "" && rule.Error != store.TextRemoved || erase && rule.Asked != nil
		var attempts []int64
		for i := range actions {
			a := &actions[i]
			if ended := a.Status == chat.Done || a.Status == chat.Dropped || a.Status == chat.Shadowed; ended {
				had, a.Body = had || a.Body != nil, nil
				if i == 0 {
					attempts = []int64{0}
				}
			}
			if erase {
				had, a.Error, a.Reason = had || a.Error != "" || a.Reason != "", "", ""
			}
		}
		rule.Logs = nil
		if rule.Error != "" {
			rule.Error = store.TextRemoved
		}
		if erase {
			rule.Asked, rule.Refused = nil, nil
		}
		got, err := rowjson.ParseActions(e.actions, origin, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, actions) {
			t.Fatalf("actions:\n got %+v\nwant %+v", got, actions)
		}
		var ruled []turn.RuleDecision
		if err := json.Unmarshal(e.rules, &ruled); err != nil || !reflect.DeepEqual(ruled, []turn.RuleDecision{rule}) {
			t.Fatalf("rules:\n got %+v, %v\nwant %+v", ruled, err, rule)
		}
		if cleared.decision != had || !slices.Equal(cleared.attempts, attempts) || cleared.event {
			t.Fatalf("cleared %+v, want a decision: %t, attempts of %v", cleared, had, attempts)
		}
		if again, err := e.clear(erase); err != nil || again.decision {
			t.Fatalf("a second time: %+v, %v", again, err)
		}
	})
}

// A forwarded request loses its body, and its reason where texts are erased.
func TestForwardedRequestLosesItsTexts(t *testing.T) {
	t.Parallel()
	text, err := rowjson.AppendForward(nil, &turn.Forward{Depth: 3, Request: chat.Request{Kind: chat.RequestSend, Pack: "<p>", Reason: "secret reason", Body: json.RawMessage(`"secret body"`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, erase := range []bool{false, true} {
		e := eventTexts{seq: 7, forward: text, decoded: []byte(`{"text":"secret","message":{"text":"secret"}}`), chat: true}
		cleared, err := e.clear(erase)
		if err != nil || !cleared.event {
			t.Fatalf("cleared %+v, %v", cleared, err)
		}
		got := string(e.forward)
		if strings.Contains(got, "body") || strings.Contains(got, "secret reason") == erase || !strings.Contains(got, `"Pack":"`) || !strings.Contains(got, `"depth":3`) {
			t.Errorf("erase %t: forward is %s", erase, got)
		}
		if string(e.decoded) != `{"chat":{},"message":{}}` {
			t.Errorf("decoded is %s", e.decoded)
		}
	}
}

// PostgreSQL and this package agree on which actions are still open, whatever is in their strings.
func TestOpenActionsAreFoundInJSON(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	rapid.Check(t, func(rt *rapid.T) {
		actions := drawActions(rt)
		want := slices.ContainsFunc(actions, func(a chat.Action) bool { return !slices.Contains(endedStatuses[:], a.Status) })
		text := string(rowjson.AppendActions(nil, actions, &rowjson.Origin{Seq: 7}))
		var got bool
		var done int64
		query := "SELECT actions ~ " + openStatus + ", (SELECT done FROM (SELECT " + actionsWith("done") + " FROM (SELECT actions) d) n) FROM (SELECT $1::text AS actions) a"
		if err := s.pool.QueryRow(t.Context(), query, text).Scan(&got, &done); err != nil {
			rt.Fatal(err)
		}
		if got != want {
			rt.Fatalf("open: %t, want %t, of %s", got, want, text)
		}
		if n := len(slices.DeleteFunc(actions, func(a chat.Action) bool { return a.Status != chat.Done })); done != int64(n) {
			rt.Fatalf("%d are done, want %d, of %s", done, n, text)
		}
	})
}
