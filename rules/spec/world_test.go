package spec_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// solo is a set of one pack.
func solo(t testing.TB, source string) *rules.Set {
	t.Helper()
	set, diags := write(t, map[string]string{"p.lua": source})[0].Solo(rules.Solo{})
	if set == nil {
		t.Fatal(diags)
	}
	return set
}

// message is an inbound message.
func message(n int, chatID, text string) event.Event {
	return event.Event{
		ID: fmt.Sprintf("e%d", n), Type: event.MessageReceived, Source: event.SourceWebhook, Text: text,
		Chat: &event.Chat{ID: chatID}, Message: &event.Message{ID: fmt.Sprintf("m%d", n), Direction: "inbound", Text: text},
	}
}

const answers = `
chert.rule({ name = "now", on = "message.received", where = { text = "now" }, run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "30s" })
end })
chert.on("message.received", { text = "veto" }, function(ev)
  chert.keep_unread(ev.chat.id)
end)
chert.on("message.received", { text = "hold" }, function(ev)
  chert.hold(ev.chat.id, "60s")
end)
chert.on("message.received", { text = "loop" }, function(ev)
  chert.set_timer("again", 0)
end)
chert.on("timer:again", function(ev)
  chert.set_timer("again", 0)
end)
`

// reference is the contract's words about one chat, second by second and as
// plainly as they can be written.
type reference struct {
	waiting map[string]pending // by rule
	newest  int                // message
	held    int
	read    bool
	calls   int
}

// pending is a read that waits: when it is due, and for which message.
type pending struct{ at, of int }

func (r *reference) message(now int, text string) {
	r.read = false
	r.newest++
	asked := strings.Contains(text, "now") || strings.Contains(text, "later")
	veto := strings.Contains(text, "veto") || strings.Contains(text, "hold")
	if veto || !asked {
		clear(r.waiting)
	}
	if strings.Contains(text, "hold") {
		r.held = max(r.held, now+60)
	}
	if asked && !veto {
		if strings.Contains(text, "now") {
			r.waiting["now"] = pending{now, r.newest}
		}
		if strings.Contains(text, "later") {
			r.waiting["later"] = pending{now + 30, r.newest}
		}
	}
	r.second(now)
}

func (r *reference) second(now int) {
	due, stands := false, false
	for rule, read := range r.waiting {
		if read.at <= now && read.at < r.held {
			delete(r.waiting, rule)
			continue
		}
		due = due || read.at <= now
		stands = stands || read.of == r.newest
	}
	// A read for the newest message that was dropped leaves none that covers it.
	if !stands {
		clear(r.waiting)
	}
	if due && stands {
		clear(r.waiting)
		r.read = true
		r.calls++
	}
}

// A World and the reference agree on which chats are read, and how many calls
// that took, whatever comes when.
func TestWorldAgreesWithReference(t *testing.T) {
	t.Parallel()
	pack := write(t, map[string]string{"p.lua": answers})[0]
	rapid.Check(t, func(rt *rapid.T) {
		set, _ := pack.Solo(rules.Solo{})
		w := spec.NewWorld(spec.WorldConfig{Set: set})
		refs := map[string]*reference{}
		now, calls := 0, 0
		for n := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "advance") {
				d := rapid.IntRange(0, 70).Draw(rt, "seconds")
				for range d {
					now++
					for _, r := range refs {
						r.second(now)
					}
				}
				if err := w.Advance(context.Background(), time.Duration(d)*time.Second); err != nil {
					rt.Fatal(err)
				}
			} else {
				id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "chat")
				text := rapid.SampledFrom([]string{"now", "later", "veto", "hold", "hm", "now later", "later hold", "veto now"}).Draw(rt, "text")
				if refs[id] == nil {
					refs[id] = &reference{waiting: map[string]pending{}}
				}
				refs[id].message(now, text)
				if err := w.Receive(context.Background(), message(n, id, text)); err != nil {
					rt.Fatal(err)
				}
			}
			calls = 0
			for id, r := range refs {
				calls += r.calls
				if w.Read(id) != r.read {
					rt.Fatalf("at %d s chat %s is read: %v, want %v", now, id, w.Read(id), r.read)
				}
			}
			if got := len(w.Calls()); got != calls {
				rt.Fatalf("at %d s there were %d calls, want %d", now, got, calls)
			}
		}
	})
}

// With latency, a veto during a call is too late, and the action's reason is that.
func TestLatency(t *testing.T) {
	t.Parallel()
	w := spec.NewWorld(spec.WorldConfig{Set: solo(t, answers), Latency: time.Second})
	receive(t, w, message(1, "c", "now"))
	if calls := w.Calls(); len(calls) != 1 || !calls[0].Pending || w.Read("c") {
		t.Fatalf("got calls %+v, read %v, want one under way", calls, w.Read("c"))
	}
	receive(t, w, message(2, "c", "veto"))
	if err := w.Advance(context.Background(), time.Second); err != nil {
		t.Fatal(err)
	}
	a := w.Actions("c")
	if len(a) != 1 || a[0].Status != chat.Done || a[0].Why != chat.WhyTooLate {
		t.Errorf("got %+v, want one that was too late", a)
	}
	if w.Read("c") {
		t.Error("the chat is read, though the veto's message came after the call")
	}
}

// Rules that keep each other going end at a bound, as do those that use too
// many steps.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	w := spec.NewWorld(spec.WorldConfig{Set: solo(t, answers), Happenings: 3})
	var err error
	for n := 0; n < 5 && err == nil; n++ {
		err = w.Receive(context.Background(), message(n, "c", "x"))
	}
	if !errors.Is(err, spec.ErrTooMuch) || len(w.Log()) != 3 {
		t.Errorf("got %v after %d, want ErrTooMuch after 3", err, len(w.Log()))
	}
	w = spec.NewWorld(spec.WorldConfig{Set: solo(t, `chert.on("message.received", function(ev) for i = 1, 100000 do end end)`), Steps: 500_000})
	err = nil
	n := 0
	for ; n < 100 && err == nil; n++ {
		err = w.Receive(context.Background(), message(n, "c", "x"))
	}
	if !errors.Is(err, spec.ErrTooMuch) || n > 6 {
		t.Errorf("got %v after %d events, want ErrTooMuch within 6", err, n)
	}
	// Depth ends a timer that sets itself, so this one needs no other end.
	w = spec.NewWorld(spec.WorldConfig{Set: solo(t, answers)})
	receive(t, w, message(1, "c", "loop"))
	if got := len(w.Log()); got != 1+chat.MaxDepth+1 {
		t.Errorf("a timer that sets itself made %d events, want %d", got, 1+chat.MaxDepth+1)
	}
}

// An observer gets every happening, and the World keeps none.
func TestObserve(t *testing.T) {
	t.Parallel()
	var seen []string
	w := spec.NewWorld(spec.WorldConfig{Set: solo(t, answers), Observe: func(h *spec.Happening) {
		if h.Call != nil {
			seen = append(seen, h.Call.Words())
		} else {
			seen = append(seen, h.Event.ID)
		}
	}})
	receive(t, w, message(1, "c", "now"))
	receive(t, w, message(1, "c", "now"))
	if got, want := strings.Join(seen, "; "), "e1; call read chat c: done; e1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(w.Log()) > 0 || len(w.Actions("")) > 0 {
		t.Error("something is kept")
	}
}

// An operator's hold drops what waits, and answers by hand fail calls.
func TestTellAndAnswer(t *testing.T) {
	t.Parallel()
	failing := true
	w := spec.NewWorld(spec.WorldConfig{Set: solo(t, answers), Answer: func(time.Time, *chat.Call) *spec.Fault {
		if f, _ := spec.Documented(3001); failing {
			return &f
		}
		return nil
	}})
	receive(t, w, message(1, "c", "now"))
	if w.Read("c") {
		t.Fatal("the call failed, and the chat is read")
	}
	failing = false
	if err := w.Advance(context.Background(), time.Second); err != nil || !w.Read("c") {
		t.Fatalf("got %v, read %v, want it read once the call is made again", err, w.Read("c"))
	}
	receive(t, w, message(2, "c", "later"))
	hold := chat.Operate{Hold: chat.Hold{Until: w.Now().Add(time.Hour)}}
	if err := w.Tell(context.Background(), "c", hold); err != nil {
		t.Fatal(err)
	}
	if err := w.Advance(context.Background(), time.Hour); err != nil || w.Read("c") {
		t.Errorf("got %v, read %v, want it unread: the read was vetoed", err, w.Read("c"))
	}
}

func receive(t testing.TB, w *spec.World, ev event.Event) {
	t.Helper()
	if err := w.Receive(context.Background(), ev); err != nil {
		t.Fatal(err)
	}
}

// A target is notified as fast as the daemon does it: a burst, and then one a second. Others do not
// wait for it, and a pack that notifies without end fills its backlog.
func TestNotificationsOfATargetArePaced(t *testing.T) {
	t.Parallel()
	p := write(t, map[string]string{"p/pack.yaml": "permissions: [notify]", "p/p.lua": `
chert.on("message.received", function(ev)
  local n, target = ev.text:match("(%d+) (%a+)")
  for i = 1, tonumber(n) do
    chert.notify(target, "notification " .. i)
  end
end)`})[0]
	set, diags := p.Solo(rules.Solo{})
	if set == nil {
		t.Fatal(diags)
	}
	w := spec.NewWorld(spec.WorldConfig{Set: set, Happenings: 1 << 20})
	made := func(target string) (at []time.Duration) {
		for _, c := range w.Calls() {
			if c.Call.Chat == chat.NotifyChat(target) {
				at = append(at, c.At.Sub(spec.Epoch))
			}
		}
		return at
	}
	receive(t, w, message(1, "c1", "13 oncall"))
	receive(t, w, message(2, "c1", "1 desk"))
	if err := w.Advance(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	want := append(make([]time.Duration, 10), time.Second, 2*time.Second, 3*time.Second)
	if got := made("oncall"); !slices.Equal(got, want) {
		t.Errorf("oncall was notified at %v, want %v", got, want)
	}
	if got := made("desk"); !slices.Equal(got, []time.Duration{0}) {
		t.Errorf("desk was notified at %v, want immediately", got)
	}
	receive(t, w, message(3, "c1", "900 oncall"))
	receive(t, w, message(4, "c1", "900 oncall"))
	refused := 0
	for _, a := range w.Actions(chat.NotifyChat("oncall")) {
		if a.Status == chat.Dead && a.Why == chat.WhyBacklog {
			refused++
		}
	}
	if want := 1800 - 1000 - 10; refused != want {
		t.Errorf("%d notifications did not fit, want %d", refused, want)
	}
}
