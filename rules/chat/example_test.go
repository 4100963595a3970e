package chat_test

import (
	"fmt"
	"time"

	"chertd/rules/chat"
)

// A rule requests a read after a delay. When it is due, the chat hands out a call,
// and Chert's answer ends the action.
func ExampleStep() {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := chat.Chat{ID: "c1"}

	in := chat.Outcomes{Seq: 1, New: true, Message: true, IDs: []string{"m1"}, RanPacks: []string{"codes"}}
	in.Requests = []chat.Request{{Kind: chat.RequestRead, Pack: "codes", Rule: "read codes", Due: now.Add(30 * time.Second)}}
	c, effects := chat.Step(c, in, now)
	fmt.Println(effects.Actions[0].Status, "until", c.NextCall().Format(time.TimeOnly))

	now = c.NextCall()
	c, effects = chat.Step(c, chat.Ready{Seq: 1}, now)
	call := effects.Call
	fmt.Println("call:", call.Kind, "in", call.Chat, "for", call.Readers()[0].Pack)

	c, effects = chat.Step(c, chat.Answer{Call: *call, OK: true}, now)
	fmt.Println(effects.Actions[0].Status, effects.Actions[0].Why, "through event", c.ReadThrough)
	// Output:
	// waiting until 12:00:30
	// call: read in c1 for codes
	// done read through event 1
}

// A veto drops the pending reads of a chat, whichever pack requested them.
func ExampleStep_veto() {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	first := chat.Outcomes{Seq: 1, New: true, Message: true, IDs: []string{"m1"}, RanPacks: []string{"codes"}}
	first.Requests = []chat.Request{{Kind: chat.RequestRead, Pack: "codes", Rule: "read codes", Due: now.Add(time.Minute)}}
	c, _ := chat.Step(chat.Chat{ID: "c1"}, first, now)

	second := chat.Outcomes{Seq: 2, New: true, Message: true, IDs: []string{"m2"}, RanPacks: []string{"vip"}}
	second.Requests = []chat.Request{{Kind: chat.RequestKeepUnread, Pack: "vip", Rule: "hold"}}
	c, effects := chat.Step(c, second, now.Add(time.Second))
	for _, a := range effects.Actions {
		fmt.Println(a.ID, a.Pack, a.Kind, a.Status, a.Why)
	}
	fmt.Println("next call:", c.NextCall().IsZero())
	// Output:
	// 1.0 codes read dropped vetoed
	// next call: true
}
