package event_test

import (
	"fmt"

	"chertd/engine/event"
)

// A webhook, a row of the events log and a legacy delivery decode to the same Event.
func ExampleDecode() {
	body := []byte(`{
		"event_type": "message.received", "event_id": "chert:msg:7b7f", "timestamp": "2026-05-24T01:35:34.000Z",
		"data": {
			"chat": {"id": "17f6e9ed", "is_group": false},
			"message": {"id": "0D36042D", "direction": "inbound", "sender_handle": {"handle": "+14155550123"},
				"parts": [{"type": "text", "value": "Sure, what time?"}]}}}`)
	ev, err := event.Decode(body, event.Hints{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ev.Type, ev.ChatID(), ev.Direction())
	fmt.Println(ev.From, ev.Text)

	_, err = event.Decode([]byte(`{"event_type": "message.received", "data": {"chat": {"id": 7}}}`), event.Hints{})
	fmt.Println(err)

	// Output:
	// message.received 17f6e9ed inbound
	// +14155550123 Sure, what time?
	// data.chat.id: want a string, got a number
}
