package spec_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/spec"
)

// A rule requests a read in 30 seconds. Time is virtual: it passes when Advance is
// called.
func ExampleWorld() {
	dir := examplePack(map[string]string{"codes.lua": `chert.rule {
  name = "read codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end,
}`})
	defer os.RemoveAll(dir)
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if diags.Errors() {
		panic(diags)
	}

	ctx := context.Background()
	w := spec.NewWorld(spec.WorldConfig{Set: set})
	err := w.Receive(ctx, event.Event{
		ID: "e1", Type: event.MessageReceived, Text: "your code is 123456",
		Chat: &event.Chat{ID: "c1"}, Message: &event.Message{ID: "m1", Direction: "inbound"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("requested:", w.Log()[0].Rules[0].Decision.Asked[0])
	fmt.Println("read:", w.Read("c1"))

	if err := w.Advance(ctx, 30*time.Second); err != nil {
		panic(err)
	}
	fmt.Println("read 30 seconds later:", w.Read("c1"))
	// Output:
	// requested: mark_read after 30s
	// read: false
	// read 30 seconds later: true
}

// The specs of a pack run as `chertd test` and the gate run them.
func ExampleRun() {
	dir := examplePack(map[string]string{
		"codes.lua": `chert.on("message.received", { text = "code" }, function(ev)
  chert.mark_read(ev.chat.id)
end)`,
		"codes_spec.lua": `describe("codes", function()
  it("are read", function()
    receive("your code is 123456")
    assert.is_read()
  end)
  it("in German are read", function()
    receive("Ihre PIN ist 123456")
    assert.is_read()
  end)
end)`})
	defer os.RemoveAll(dir)
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if diags.Errors() {
		panic(diags)
	}

	report := spec.Run(context.Background(), set.Packs()[0], spec.Options{})
	for _, r := range report.Results {
		fmt.Printf("%s: %s\n", r.Name, r.Status)
	}
	// Output:
	// codes are read: passed
	// codes in German are read: failed
}

// examplePack writes files to a new folder.
func examplePack(files map[string]string) (dir string) {
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		panic(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	return dir
}
