package spec_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// A World holds packs to limits.reads as the engine does: delayed reads count
// when they are called, the limit's calls are made and no more, and then the
// pack is in shadow, as the outcomes of its reads show. Another pack is not concerned.
func TestWorldHoldsPacksToTheirReads(t *testing.T) {
	t.Parallel()
	const later = `chert.rule { name = "later", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = config.wait })
  chert.set_timer("t", "10m")
end }
chert.on("timer:t", function(ev) end)`
	packs := write(t, map[string]string{
		"few/r.lua": later, "few/pack.yaml": "config: {wait: 1m}\nlimits: {reads: 3/10m}",
		"free/r.lua": later, "free/pack.yaml": "config: {wait: 5m}",
	})
	set, diags := rules.Load([]string{filepath.Dir(packs[0].Path)}, rules.Options{}).Set()
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	w := spec.NewWorld(spec.WorldConfig{Set: set})
	receive := func(id string) {
		t.Helper()
		ev := event.Event{ID: "e-" + id, Type: event.MessageReceived, Source: event.SourceWebhook, Chat: &event.Chat{ID: id}, Message: &event.Message{ID: "m-" + id, Direction: "inbound"}}
		if err := w.Receive(context.Background(), ev); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		receive(fmt.Sprint("c", i))
	}
	if err := w.Advance(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Calls()); n != 3 {
		t.Errorf("%d calls after the reads of few were due, want its 3", n)
	}
	receive("late")
	whys := map[string]int{}
	for _, a := range w.Actions("") {
		if a.Pack == "few" {
			whys[string(a.Status)+" "+a.Why]++
		}
	}
	if whys["done read"] != 3 || whys["dropped limit_reached"] != 1 || whys["dropped pack_inactive"] != 2 || whys["shadow shadow"] != 1 {
		t.Errorf("the reads of few: %v", whys)
	}
	if c, _ := w.Chat("c0"); len(c.Timers) != 1 {
		t.Errorf("timers of c0: %+v, want that of free", c.Timers)
	}
	said := false
	for _, h := range w.Log() {
		said = said || strings.Contains(h.Note, "pack few is switched to shadow mode: more than 3 reads in 10m")
	}
	if !said {
		t.Error("no entry of the log says that the pack is switched to shadow mode")
	}
	if err := w.Advance(context.Background(), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Calls()); n != 7 {
		t.Errorf("%d calls in all, want 4 more of free, whose other 3 are read already", n)
	}
	for _, a := range w.Actions("") {
		if a.Status == chat.Waiting {
			t.Errorf("%+v waits for ever", a)
		}
	}
}

// A call counts whatever its result.
func TestWorldCountsWhatIsOnTheWire(t *testing.T) {
	t.Parallel()
	packs := write(t, map[string]string{
		"few/r.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`, "few/pack.yaml": "limits: {reads: 3/10m}",
	})
	set, _ := rules.Load([]string{packs[0].Path}, rules.Options{}).Set()
	w := spec.NewWorld(spec.WorldConfig{Set: set})
	gone, _ := spec.Documented(2002)
	w.FailNext(gone, 2)
	for i := range 5 {
		ev := event.Event{ID: fmt.Sprint("e", i), Type: event.MessageReceived, Source: event.SourceWebhook, Chat: &event.Chat{ID: fmt.Sprint("c", i)}}
		if err := w.Receive(context.Background(), ev); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.Calls()); n != 3 {
		t.Errorf("%d calls, want two that were refused and one", n)
	}
}
