package luabind_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
)

// rules is a Registrar that prints the subscriptions of a file.
type rules struct{}

func (rules) Subscribe(s luabind.Subscription) error {
	fmt.Printf("%s:%d: %s %v where %v\n", s.File, s.Line, s.Call, s.Types, s.Where)
	return nil
}

// actions is an Effects that prints the actions of an event. The methods that this
// example does not need are those of the nil Effects.
type actions struct{ luabind.Effects }

func (actions) MarkRead(chat string, o luabind.ReadOptions) error {
	fmt.Printf("mark %s as read at %s: %s\n", chat, o.Due.UTC().Format(time.TimeOnly), o.Reason)
	return nil
}

func (actions) Log(level, msg string, fields map[string]any) {
	fmt.Println(level, msg, fields)
}

// The files of a pack are compiled once, and loaded once per VM. Each call runs one
// handler for one event.
func Example() {
	program, err := luabind.Compile("codes.lua", []byte(`
chert.on("message.received", { text = "code" }, function(ev)
  log.info("a code", { from = ev.from })
  chert.mark_read(ev.chat.id, { after = "30s", reason = "a code" })
end)
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	vm, err := luabind.Load(luabind.Config{Files: []*luabind.Program{program}}, rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer vm.Discard()

	err = vm.Call(0, &luabind.Call{
		Event: &event.Event{
			ID: "m1", Type: event.MessageReceived, Text: "Your code is 4711", From: "22395",
			Chat: &event.Chat{ID: "c1"},
		},
		Now:     time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC),
		Effects: actions{},
	})
	fmt.Println("error:", err)
	// Output:
	// codes.lua:2: chert.on [message.received] where map[text:code]
	// info a code map[from:22395]
	// mark c1 as read at 12:00:30: a code
	// error: <nil>
}

// A syntax error has a place, like every other diagnostic.
func ExampleCompile() {
	_, err := luabind.Compile("codes.lua", []byte("local x = 1\nif x == 1 than\nend\n"))
	fmt.Println(err)
	// Output:
	// codes.lua:2:11: error: unexpected 'than'
	//   hint: did you mean `then`?
}

// A handler that fails returns a *Failure with the line and a hint.
func ExampleVM_Call() {
	program, _ := luabind.Compile("codes.lua", []byte(`chert.on("*", function(ev)
  chert.mark_reed(ev.chat.id)
end)`))
	vm, err := luabind.Load(luabind.Config{Files: []*luabind.Program{program}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = vm.Call(0, &luabind.Call{
		Event:   &event.Event{ID: "m1", Type: event.MessageReceived, Raw: json.RawMessage(`{}`)},
		Effects: actions{},
	})
	var failure *luabind.Failure
	if errors.As(err, &failure) {
		fmt.Println(failure.Kind, "at line", failure.Line)
		fmt.Println(failure)
	}
	// Output:
	// error at line 2
	// codes.lua:2:3: error: chert.mark_reed does not exist
	//   hint: did you mean chert.mark_read?
}

func ExampleParseDuration() {
	for _, s := range []string{"90s", "1h30m", "1.5d", "90", "5 minutes"} {
		d, err := luabind.ParseDuration(s)
		fmt.Println(d, err)
	}
	// Output:
	// 1m30s <nil>
	// 1h30m0s <nil>
	// 36h0m0s <nil>
	// 1m30s <nil>
	// 0s duration "5 minutes" is not understood: expected seconds, or a string like "90s", "5m", "2h", "1d"
}

func ExampleWindow() {
	berlin, err := luabind.LoadZone("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	hours, err := luabind.ParseWindow("Mon-Fri 09:00-17:30", berlin)
	if err != nil {
		fmt.Println(err)
		return
	}
	friday := time.Date(2026, 1, 9, 18, 0, 0, 0, berlin)
	fmt.Println(hours.Contains(friday))
	fmt.Println(hours.NextOpening(friday))
	// Output:
	// false
	// 2026-01-12 09:00:00 +0100 CET
}

// The clock in Berlin skips 02:30 on 29 March 2026. The run happens at 03:00, when the
// clock is put forward.
func ExampleSchedule() {
	berlin, err := luabind.LoadZone("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	nightly, err := luabind.ParseSchedule("30 2 * * *", berlin)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 3, 28, 0, 0, 0, 0, berlin)
	for range 3 {
		at = nightly.Next(at)
		fmt.Println(at)
	}
	// Output:
	// 2026-03-28 02:30:00 +0100 CET
	// 2026-03-29 03:00:00 +0200 CEST
	// 2026-03-30 02:30:00 +0200 CEST
}
