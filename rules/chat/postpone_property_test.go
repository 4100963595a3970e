package chat

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPostponingIsPausing: a chat whose reads are postponed moves exactly as one
// in which nobody postpones and for which no call is asked until then. So nothing
// is read that would not be without, what is dropped is dropped for the same
// reason, and what is left goes out when the last postponement is over.
func TestPostponingEqualsPausing(t *testing.T) {
	t.Parallel()
	for i := range 10 {
		if !t.Run(fmt.Sprint(i), rapid.MakeCheck(func(t *rapid.T) {
			p := pair{draw: newWorld(t), postponed: twin{chat: Chat{ID: "c1"}}, paused: twin{chat: Chat{ID: "c1"}}, news: newOracle()}
			for range rapid.IntRange(1, 40).Draw(t, "inputs") {
				p.act(t)
			}
			p.finish(t)
		})) {
			return
		}
	}
}

// pair is a chat whose reads are postponed, and one that is paused instead.
type pair struct {
	draw              *world
	postponed, paused twin
	news              oracle
}

type twin struct {
	chat Chat
	rows map[ActionID]Action
	call *Call
}

func (t *twin) step(in Input, now time.Time) Effects {
	next, out := Step(t.chat, in, now)
	t.chat = next
	for _, a := range out.Actions {
		if t.rows == nil {
			t.rows = map[ActionID]Action{}
		}
		t.rows[a.ID] = a
	}
	return out
}

func (p *pair) act(t *rapid.T) {
	w := p.draw
	switch rapid.SampledFrom([]string{"event", "event", "event", "advance", "ready", "ready", "answer", "wake", "cancel", "revive", "operate", "crash"}).Draw(t, "act") {
	case "event":
		w.seq++
		w.chat = p.postponed.chat
		in := w.drawEvent()
		in.Requests = slices.DeleteFunc(in.Requests, func(x Request) bool {
			return x.Kind == RequestTyping || x.Kind == RequestReact || x.Kind == RequestSend
		})
		p.news.handled(in, false)
		p.postponed.step(in, w.now)
		in.Requests = slices.DeleteFunc(slices.Clone(in.Requests), func(x Request) bool { return x.Kind == RequestPostpone })
		p.paused.step(in, w.now)
	case "advance":
		w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 20, 60, 3600, 90000}).Draw(t, "seconds")) * time.Second)
	case "ready":
		p.ready(t)
	case "answer":
		if p.postponed.call != nil {
			in := Answer{Call: *p.postponed.call}
			switch rapid.SampledFrom([]string{"ok", "ok", "refused", "unmade"}).Draw(t, "answer") {
			case "ok":
				in.OK = true
				p.news.succeeded(p.postponed.call)
			case "unmade":
				in.NotSent = true
			}
			p.both(in)
			p.postponed.call, p.paused.call = nil, nil
		}
	case "wake":
		p.both(Wake{})
	case "cancel":
		in := Cancel{Pack: drawPack(t), Version: rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "version")}
		if rapid.Bool().Draw(t, "rules alone") {
			in.Rules = []string{"r"}
		}
		p.news.off(in)
		p.both(in)
	case "revive":
		var in Revive
		for _, a := range p.postponed.rows {
			if a.Status == Blocked || a.Status == Dead {
				in.Actions = append(in.Actions, a)
			}
		}
		p.both(in)
	case "operate":
		p.both(Operate{Release: rapid.Bool().Draw(t, "release"), Hold: Hold{Until: w.now.Add(time.Minute)}})
	case "crash":
		p.postponed.chat, p.postponed.call = reload(t, p.postponed.chat), nil
		p.paused.chat, p.paused.call = reload(t, p.paused.chat), nil
	}
	p.compare(t)
}

func (p *pair) both(in Input) {
	p.postponed.step(in, p.draw.now)
	p.paused.step(in, p.draw.now)
}

func (p *pair) ready(t *rapid.T) {
	in := Ready{Seq: p.draw.seq}
	out := p.postponed.step(in, p.draw.now)
	if p.news.waiting().After(p.draw.now) {
		if out.Call != nil {
			t.Fatalf("called for before %s: %+v", p.news.waiting(), out.Call)
		}
		p.paused.step(Answer{}, p.draw.now) // of no call: time alone passes
		return
	}
	want := p.paused.step(in, p.draw.now)
	if !reflect.DeepEqual(out.Call, want.Call) {
		t.Fatalf("the call is\n%+v, want\n%+v", out.Call, want.Call)
	}
	if out.Call != nil {
		p.postponed.call, p.paused.call = out.Call, want.Call
	}
}

// compare: both chats have the same actions, and the next call is when it would
// be without a postponement, or when the last one is over.
func (p *pair) compare(t *rapid.T) {
	if !reflect.DeepEqual(p.postponed.rows, p.paused.rows) {
		t.Fatalf("the actions are\n%+v, want\n%+v", p.postponed.rows, p.paused.rows)
	}
	want := p.paused.chat.NextCall()
	if until := p.news.waiting(); !want.IsZero() && until.After(p.draw.now) {
		want = later(want, until)
	}
	if got := p.postponed.chat.NextCall(); !got.Equal(want) && later(got, p.draw.now) != later(want, p.draw.now) {
		t.Fatalf("the next call is at %s, want %s", got, want)
	}
	at, ok := p.postponed.chat.Postponement(p.draw.now)
	if until := p.news.waiting(); ok != until.After(p.draw.now) || ok && !at.Until.Equal(until) {
		t.Fatalf("reads wait until %+v, %v; want %s", at, ok, until)
	}
	if n := len(p.postponed.chat.Postponed); n > maxPostponements {
		t.Fatalf("%d postponements are kept", n)
	}
}

// finish lets all time pass: what waits goes out.
func (p *pair) finish(t *rapid.T) {
	if p.postponed.call != nil {
		p.both(Answer{Call: *p.postponed.call, NotSent: true})
		p.postponed.call, p.paused.call = nil, nil
	}
	for range 100 {
		next := p.postponed.chat.NextCall()
		if next.IsZero() {
			break
		}
		p.draw.now = later(p.draw.now, next)
		for _, timer := range p.postponed.chat.Timers {
			p.both(Wake{})
			id := timer.id()
			p.draw.seq++
			in := Outcomes{Seq: p.draw.seq, Timer: &id}
			p.news.handled(in, false)
			p.both(in)
		}
		p.ready(t)
		if p.postponed.call != nil {
			p.news.succeeded(p.postponed.call)
			p.both(Answer{Call: *p.postponed.call, OK: true})
			p.postponed.call, p.paused.call = nil, nil
		}
		p.compare(t)
	}
	if n := len(p.postponed.chat.Waiting); n > 0 {
		t.Fatalf("%d reads wait for ever: %+v", n, p.postponed.chat.Waiting)
	}
}
