package engine

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// openShard is a shard with a batch that has made calls due, of which some are answered, and
// with calls of the batch before that are not.
func openShard(made, answered, before int) (*shard, *batch) {
	now := time.Unix(100, 0)
	s := &shard{e: &Engine{c: Config{Now: func() time.Time { return now }}}, chats: newChatCache(idleChats, busyChats), sinceKV: kvBatches}
	s.pace.since = now
	add := func(n, answered int) {
		for i := range n {
			id := fmt.Sprint(s.chats.calls.batch, "/", i)
			s.chats.put(id, &chat.Chat{ID: id, Waiting: []chat.Action{{Kind: chat.Read, Due: now}}}, now)
			if i < answered {
				s.chats.put(id, &chat.Chat{ID: id}, now)
			}
		}
	}
	add(before, 0)
	b := newBatch(s, &work{})
	add(made, answered)
	return s, b
}

// While calls are answered fast, a batch takes in events as long as few calls are not
// answered, and then stays open for the answers to its own. While they are answered slowly,
// it waits for none.
func TestBatchStaysOpenForItsAnswers(t *testing.T) {
	t.Parallel()
	const whole = batchEntries
	for name, c := range map[string]struct {
		made, answered, before int // calls
		results                int // that the batch has taken in
		slow, closing, timeUp  bool
		wontWait               int
		queued                 int
		waiting, putBack       int // results that wait, and those of them that wait for events
		room                   int // for events
		ends, waits            bool
		wakeAt                 int
	}{
		"nothing is due":                        {room: 16, waits: true, wakeAt: resultsMost},
		"nothing is due, an event waits":        {queued: 1, room: 16, wakeAt: resultsMost},
		"some calls are due, an event waits":    {made: 5, answered: 1, before: 2, queued: 1, room: 10, wakeAt: resultsMost},
		"some are due, no event waits":          {made: 5, waits: true, room: 11, wakeAt: resultsMost},
		"enough are due, an event waits":        {made: 10, before: 6, queued: 1, waits: true, wakeAt: 8},
		"enough are due, results wait":          {made: 10, before: 6, queued: 1, waiting: 8},
		"enough are due, calls are slow":        {made: 10, before: 6, queued: 1, slow: true, room: whole, wakeAt: resultsMost},
		"the batch has made its share":          {made: 32, answered: 30, queued: 1, waits: true, wakeAt: 2},
		"the batch has its share of results":    {made: 4, answered: 3, results: 32, waits: true, room: 15, wakeAt: 1},
		"all of its share are answered":         {made: 32, answered: 32, before: 3, queued: 1, ends: true},
		"its time is up, one is not answered":   {made: 3, answered: 2, closing: true, queued: 1, waits: true, wakeAt: 1},
		"its time is up, all are answered":      {made: 3, answered: 3, before: 9, closing: true, ends: true},
		"its last answers have come":            {made: 3, answered: 3, closing: true, waiting: 2},
		"its answers wait for events":           {made: 3, answered: 3, closing: true, waiting: 2, putBack: 2, ends: true},
		"one answer is missing, two wait":       {made: 3, answered: 2, closing: true, waiting: 2, putBack: 2, waits: true, wakeAt: 3},
		"enough are due, answers wait":          {made: 10, before: 6, queued: 1, waiting: 9, putBack: 2, waits: true, wakeAt: 10},
		"its time is up, calls are slow":        {made: 3, timeUp: true, slow: true, ends: true, room: whole},
		"its time is up, the last waited long":  {made: 3, timeUp: true, wontWait: 1, ends: true, room: 13},
		"its time is up":                        {made: 3, timeUp: true, waits: true, room: 13, wakeAt: 3},
		"its time is up, many are not answered": {made: 31, closing: true, waits: true, wakeAt: resultsMost},
	} {
		s, b := openShard(c.made, c.answered, c.before)
		b.closing, b.timeUp, b.results, s.pace.slow, s.pace.wontWait = c.closing, c.timeUp, c.results, c.slow, c.wontWait
		b.work.events = 1
		s.queue = make([]*turn.Entry, c.queued)
		s.results, b.putBack = make([]request, c.waiting), c.putBack
		if got := b.room(); got != c.room {
			t.Errorf("%s: there is room for %d events, want %d", name, got, c.room)
		}
		waits, stays := s.openMore(b)
		if stays == c.ends || waits != c.waits {
			t.Errorf("%s: it stays open: %t, and waits: %t; want %t, %t", name, stays, waits, !c.ends, c.waits)
		}
		if c.timeUp && (!b.closing || b.atClose != c.made-c.answered || b.timer == nil) {
			t.Errorf("%s: it is closing: %t, for %d calls", name, b.closing, b.atClose)
		}
		if c.waits && s.resultsWake != c.wakeAt {
			t.Errorf("%s: %d results wake the shard, want %d", name, s.resultsWake, c.wakeAt)
		}
	}
}

// A call counts until it is answered, though its chat gets the answer later: events of the chat
// may come first.
func TestAnsweredCallDoesNotCount(t *testing.T) {
	t.Parallel()
	now := time.Unix(100, 0)
	s, _ := openShard(0, 0, 0)
	put := func(inFlight bool, due time.Time) {
		c := &chat.Chat{ID: "c", Waiting: []chat.Action{{Kind: chat.Read, Due: due}}}
		if inFlight {
			c.Flight = &chat.Flight{}
		}
		s.chats.put("c", c, now)
	}
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() { s.chats.answer("unknown") }, 0},
		{func() { put(false, now) }, 1},
		{func() { s.chats.answer("c") }, 1}, // of an older call
		{func() { put(true, now) }, 1},
		{func() { s.chats.answer("c") }, 0},
		{func() { put(true, now) }, 0}, // by an event that comes before the answer
		{func() { put(false, now) }, 1},
		{func() { put(false, now.Add(time.Second)) }, 0},
	} {
		step.do()
		if got := s.chats.calls.recent(); got != step.want {
			t.Errorf("after step %d %d calls count as due, want %d", i, got, step.want)
		}
	}
}

// However many calls are not answered, a batch handles an event: calls may hang.
func TestBatchAlwaysHasRoomForOneEvent(t *testing.T) {
	t.Parallel()
	_, b := openShard(0, 0, 100)
	if got := b.room(); got != 1 {
		t.Errorf("there is room for %d events", got)
	}
}

// Calls are slow if few are answered and more are due, over a time. Then events don't wait
// for them any more, until enough are answered.
func TestSlowCallsDelayNoEvents(t *testing.T) {
	t.Parallel()
	type spell struct {
		took          time.Duration
		made, results int
		slow          bool
	}
	for name, spells := range map[string][]spell{
		"few events, all calls answered":      {{time.Second, 2, 2, false}},
		"no events":                           {{time.Hour, 0, 0, false}},
		"many events, all calls answered":     {{slowFor, 100, 100, false}},
		"the last calls are not answered yet": {{slowFor, 8, 0, false}},
		"no call is answered":                 {{slowFor, 9, 0, true}},
		"few of many are answered":            {{slowFor, 100, 6, true}},
		"enough of more are answered":         {{slowFor, 100, 7, false}},
		"too short to say":                    {{slowFor - 1, 100, 0, false}, {1, 100, 0, true}},
		"they are answered again":             {{slowFor, 100, 0, true}, {slowFor, 100, 7, false}},
		"nothing more is due":                 {{slowFor, 100, 0, true}, {time.Second, 0, 3, false}},
	} {
		s := &shard{chats: newChatCache(1, 1)}
		now := time.Unix(100, 0)
		s.e = &Engine{c: Config{Now: func() time.Time { return now }}}
		s.pace.since = now
		for i, x := range spells {
			now = now.Add(x.took)
			b := newBatch(s, &work{})
			for range x.made {
				s.chats.calls.due()
			}
			b.results = x.results
			s.notePace(b)
			if s.pace.slow != x.slow {
				t.Errorf("%s: after spell %d calls count as slow: %t, want %t", name, i, s.pace.slow, x.slow)
			}
		}
	}
}

// After a batch that has waited for nothing, others do not wait: answers take longer.
func TestBatchesDoNotWaitForSlowAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		made, answered, atClose int
		ends                    bool
		was, want               int
	}{
		"none was answered":              {made: 5, answered: 2, atClose: 3, ends: true, want: wontWait},
		"none was answered again":        {made: 5, answered: 2, atClose: 3, ends: true, was: 1, want: wontWait},
		"one of them was answered":       {made: 5, answered: 3, atClose: 3, ends: true},
		"all were answered before":       {made: 5, answered: 5, ends: true},
		"it did not wait":                {made: 5, answered: 2, atClose: 3, was: 7, want: 6},
		"it had nothing to wait for":     {was: 1, want: 0},
		"it did not wait, and need not":  {made: 1, answered: 1},
		"it was open, and has not ended": {made: 5, answered: 2, atClose: 3},
	} {
		s, b := openShard(c.made, c.answered, 4)
		b.atClose, b.ends, s.pace.wontWait = c.atClose, c.ends, c.was
		s.notePace(b)
		if got := s.pace.wontWait; got != c.want {
			t.Errorf("%s: %d batches will not wait, want %d", name, got, c.want)
		}
	}
}

// Calls are counted by the batch that made them due, and forgotten some batches later.
func TestOpenCallsCountsTheLastBatches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOpenCalls()
		var open []int64 // the batches of calls
		made := 0
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				o.next()
				made = 0
			case 1:
				open = append(open, o.due())
				made++
			case 2:
				o.answered(0)
			default:
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "call")
					o.answered(open[i])
					open = append(open[:i:i], open[i+1:]...)
				}
			}
			own, recent := 0, 0
			for _, batch := range open {
				if batch == o.batch {
					own++
				}
				if batch > o.batch-callBatches {
					recent++
				}
			}
			if o.made() != made || o.own() != own || o.recent() != recent {
				t.Fatalf("made %d, own %d, recent %d; want %d, %d, %d", o.made(), o.own(), o.recent(), made, own, recent)
			}
		}
	})
}
