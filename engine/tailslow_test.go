package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// A reader that is too slow loses lines, knows how many and where, and never makes others
// wait.
func TestSlowTailLosesLinesAndCountsThem(t *testing.T) {
	t.Parallel()
	var all tails
	slow, quick := newTestTail(&all, &tailFilter{}), newTestTail(&all, &tailFilter{})
	end := func(n int) {
		all.observed(Observation{Ended: &chat.Action{ID: chat.ActionID{Seq: int64(n)}, Chat: "c", Kind: chat.Read, Status: chat.Done, Why: chat.WhyRead, Ended: time.Unix(int64(n), 0)}})
	}
	const lost = 1234
	for n := range maxTailed + lost {
		end(n)
		if lines, err := quick.Next(ctx); err != nil || len(lines) != 1 || lines[0].Seq != int64(n) {
			t.Fatalf("the quick reader got %+v, %v", lines, err)
		}
	}
	lines, err := slow.Next(ctx)
	if err != nil || len(lines) != maxTailed+1 || lines[maxTailed-1].Seq != maxTailed-1 {
		t.Fatalf("the slow reader got %d lines, %v", len(lines), err)
	}
	if gap := lines[maxTailed]; gap.Kind != control.TailGap || gap.Dropped != lost || !gap.At.Equal(time.Unix(maxTailed+lost-1, 0)) || !strings.HasPrefix(gap.Summary, "1234 lines") {
		t.Errorf("the gap is %+v", gap)
	}
	end(7)
	if lines, err = slow.Next(ctx); err != nil || len(lines) != 1 || lines[0].Seq != 7 {
		t.Errorf("then it got %+v, %v", lines, err)
	}
	// Long lines take no more memory.
	long := &Handled{Entry: &turn.Entry{}, Decision: longDecision()}
	for range maxTailed {
		all.handled(*all.list.Load(), long, false)
	}
	if lines, err = slow.Next(ctx); err != nil || len(lines) > maxTailed/2 || lines[len(lines)-1].Dropped != int64(maxTailed-len(lines)+1) {
		t.Errorf("of long lines it got %d, %v", len(lines), err)
	}
	text, _ := json.Marshal(lines)
	if len(text) > 2*maxTailedBytes {
		t.Errorf("they have %d bytes", len(text))
	}
	slow.Close()
	quick.Close()
	if all.list.Load() != nil {
		t.Error("there is a reader after all have ended")
	}
}

func newTestTail(all *tails, f *tailFilter) *tail {
	r := &tail{from: all, filter: f, wake: make(chan struct{}, 1)}
	all.add(r)
	return r
}

// longDecision is one of many rules that request a lot.
func longDecision() *turn.Decision {
	d := &turn.Decision{}
	for range 100 {
		r := turn.RuleDecision{Pack: "p", Version: "3f786850e387", Rule: strings.Repeat("r", 50), Error: strings.Repeat("é", 5000)}
		for range 100 {
			r.Asked = append(r.Asked, strings.Repeat("x", 5000))
		}
		d.Rules = append(d.Rules, r)
	}
	return d
}

// Nobody reads most of the time: that must cost nothing. With readers it costs what their
// lines cost, whoever else waits.
func BenchmarkTailObserved(b *testing.B) {
	entry := &turn.Entry{Seq: 17}
	entry.Event = message("c1", "e1", "your code is 123456")
	handled := &Handled{
		Entry: entry, Decision: &turn.Decision{Rules: []turn.RuleDecision{{Pack: "codes", Version: "3f786850", Rule: "read", Place: "rules/codes.lua:3", Asked: []string{"mark_read"}}}},
		Actions: []chat.Action{{ID: chat.ActionID{Seq: 17}, Kind: chat.Read, Chat: "c1", Pack: "codes", Rule: "read", Status: chat.Waiting}},
	}
	attempt := &dispatch.Attempt{Call: chat.Call{Chat: "c1"}}
	for name, filters := range map[string][]*tailFilter{
		"no reader":           nil,
		"one reader":          {{}},
		"one of another chat": {{chat: "c2"}},
		"one of dead":         {{outcomes: []string{"dead"}}},
		"sixteen that lag":    make([]*tailFilter, 16),
		"sixteen of one chat": make([]*tailFilter, 16),
		"one that lags":       {{}},
	} {
		b.Run(name, func(b *testing.B) {
			var all tails
			for i, f := range filters {
				if f == nil {
					f = &tailFilter{}
				}
				if name == "sixteen of one chat" {
					f.chat = fmt.Sprint("c", i+100)
				}
				newTestTail(&all, f)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				all.observed(Observation{Handled: handled})
				all.observed(Observation{Attempt: attempt})
				if name == "one reader" && i%64 == 0 {
					_, _ = (*all.list.Load())[0].take()
				}
			}
		})
	}
}
