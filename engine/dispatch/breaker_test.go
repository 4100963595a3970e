package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// TestBreakerOpensByChatsOfOneLine: several chats of a line must fail without a success of
// the line, and what is not about the line does not count.
func TestBreakerOpensByChatsOfOneLine(t *testing.T) {
	t.Parallel()
	failed := &chert.Error{Status: 502, Code: chert.CodeDeliveryFailed, Retryable: true}
	type call struct {
		chat string
		err  *chert.Error
	}
	calls := func(n int, err *chert.Error) (all []call) {
		for i := range n {
			all = append(all, call{fmt.Sprint("c", i), err})
		}
		return all
	}
	for _, tc := range []struct {
		name  string
		calls []call
		want  bool
	}{
		{"five chats", calls(5, failed), true},
		{"four chats", calls(4, failed), false},
		{"one chat, often", slices.Repeat(calls(1, failed), 50), false},
		{"a success in between", slices.Concat(calls(4, failed), []call{{"x", nil}}, calls(4, failed)), false},
		{"no answers", calls(5, &chert.Error{Message: "no answer", Retryable: true, Unknown: true}), true},
		{"answers about chats in between", slices.Concat(calls(4, failed), calls(9, &chert.Error{Status: 404, Code: chert.CodeChatNotFound}), []call{{"x", failed}}), true},
		{"lines saturated for the recipient", calls(9, &chert.Error{Status: 503, Code: chert.CodeLinesSaturated, Retryable: true, RetryAfter: time.Second}), false},
		{"a rate limit", calls(9, &chert.Error{Status: 429, Code: chert.CodeRateLimited, Retryable: true}), false},
		{"the account", calls(9, &chert.Error{Status: 401, Code: chert.CodeBadSignature}), false},
		{"chats unknown", calls(9, &chert.Error{Status: 404, Code: chert.CodeChatNotFound}), false},
		{"answers of a proxy", calls(9, &chert.Error{Status: 502, Foreign: true, Retryable: true}), false},
	} {
		p, now := newPlaces(8), time.Unix(1_000_000, 0)
		for _, c := range tc.calls {
			// It opens while calls are in flight as well.
			p.take("A", now, false)
			p.take("B", now, false)
			answer := chat.Answer{OK: c.err == nil}
			if c.err != nil {
				(&Dispatcher{c: Config{Jitter: func() float64 { return 0 }}}).failed(&answer, c.err)
			}
			bad := lineFailed(&answer)
			p.answered(now, "A", c.chat, c.err, bad)
			p.answered(now, "B", c.chat, nil, false)
			p.leave("A", now, true, bad)
			p.leave("B", now, true, false)
		}
		if open := len(p.stops()) > 0; open != tc.want {
			t.Errorf("%s: the breaker is open: %t, want %t", tc.name, open, tc.want)
		}
		if stops := p.stops(); tc.want && (len(stops) != 1 || stops[0].Line != "A" || !stops[0].Since.Equal(now)) {
			t.Errorf("%s: stops are %+v, want line A since %v", tc.name, stops, now)
		}
		if !p.may("B", now) || tc.want && p.may("A", now) {
			t.Errorf("%s: A may %t, B may %t", tc.name, p.may("A", now), p.may("B", now))
		}
	}
}

// hour is a run of two lines of which one is down for an hour.
type hour struct {
	probes  int           // calls of the line while its breaker was open
	p99     time.Duration // of the other line
	worst   time.Duration // wait of new chats after the end of the outage
	changes []string      // of the breaker
}

func runHour(t *testing.T, down func() (time.Duration, *chert.Error)) (h hour) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var mu sync.Mutex
		failing := down != nil
		d.lines = func(line string) (time.Duration, *chert.Error) {
			mu.Lock()
			defer mu.Unlock()
			if line == "A" && failing {
				return down()
			}
			return healthy, nil
		}
		var dispatcher *Dispatcher
		dispatcher, stop := d.run(Config{Concurrency: 8, Timeout: 10 * time.Second, Governor: NewGovernor(10, 20), KeepLine: func(line string) {
			mu.Lock()
			defer mu.Unlock()
			h.changes = append(h.changes, fmt.Sprintf("%s %t", line, len(dispatcher.LineStops()) > 0))
		}})
		defer stop()
		for i := range 3600 {
			time.Sleep(time.Second)
			d.ask(fmt.Sprint("A/old", i), int64(i+1), 0)
			for j := range 3 {
				d.ask(fmt.Sprint("B/", 3*i+j), int64(i+1), 0)
			}
		}
		d.mu.Lock()
		h.p99 = p99(d.waits["B"])
		called := 0
		for _, c := range d.calls {
			if strings.HasPrefix(c, "A/") {
				called++
			}
		}
		h.probes = called
		d.mu.Unlock()
		mu.Lock()
		failing = false
		mu.Unlock()
		time.Sleep(probeMax) // until a probe notices
		due := map[string]time.Duration{}
		for i := range 600 {
			time.Sleep(time.Second)
			due[fmt.Sprint("A/new", i)] = time.Since(d.began)
			d.ask(fmt.Sprint("A/new", i), int64(i+10_000), 0)
		}
		time.Sleep(time.Minute)
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, c := range d.calls {
			id, at, _ := strings.Cut(c, "@")
			if from, ok := due[id]; ok {
				called, err := time.ParseDuration(at)
				if err != nil {
					t.Fatal(err)
				}
				h.worst = max(h.worst, called-from)
			}
		}
		if n := len(d.due); n != 0 {
			t.Errorf("%d chats were not called", n)
		}
		for id, c := range d.chats {
			if len(c.Waiting) > 0 {
				t.Errorf("a read of %s waits: %+v", id, c.Waiting[0])
				break
			}
		}
	})
	return h
}

// TestHourOfOneLineIsOverSoon: a line that is down for an hour gets one probe each half
// minute, delays no call of the other line, and once it works its backlog goes out by the
// rate, behind new chats: no chat waits for a backoff of its own.
func TestHourOfOneLineIsOverSoon(t *testing.T) {
	t.Parallel()
	well := runHour(t, nil)
	if len(well.changes) > 0 {
		t.Errorf("the breaker changed while both lines were well: %q", well.changes)
	}
	for name, answer := range trouble {
		if name == "is slow" { // its calls succeed
			continue
		}
		is := runHour(t, answer)
		t.Logf("A %s: %d calls of A in the hour; p99 of B %v, %v with both well; new chats after it wait %v at most", name, is.probes, is.p99, well.p99, is.worst)
		if is.p99 > well.p99+well.p99/10 {
			t.Errorf("A %s: p99 of B is %v, %v with both well", name, is.p99, well.p99)
		}
		if most := int(time.Hour/probeMax) + 40; is.probes > most {
			t.Errorf("A %s: %d calls of A in the hour, want %d at most", name, is.probes, most)
		}
		if is.worst > 2*time.Second {
			t.Errorf("A %s: a new chat waited %v", name, is.worst)
		}
		if want := []string{"A true", "A false"}; !slices.Equal(is.changes, want) {
			t.Errorf("A %s: the breaker changed %q, want %q", name, is.changes, want)
		}
	}
}

// TestNewChatsOfTheReturnPassTheBacklog: when Chert returns after an hour, a probe notices it
// up to half a minute later. Chats that come in between do not wait behind the backlog of the
// hour, and neither do those that come after the probe.
func TestNewChatsOfTheReturnPassTheBacklog(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]*chert.Error{
		"no answer":         {Message: "no answer", Retryable: true},
		"a gateway answers": {Status: 502, Foreign: true, Retryable: true, Message: "bad gateway"},
		"the account":       {Status: 403, Code: 2012, Message: "suspended"},
	} {
		for _, capacity := range []int{0, 64} { // all in memory, and most in the store
			t.Run(fmt.Sprint(name, ", capacity ", capacity), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { returnAfterAnHour(t, failure, capacity) })
			})
		}
	}
}

func returnAfterAnHour(t *testing.T, failure *chert.Error, capacity int) {
	d := newDesk(t)
	d.queue = NewQueue(d, nil, capacity)
	var mu sync.Mutex
	failing, noticed := true, time.Time{}
	d.lines = func(string) (time.Duration, *chert.Error) {
		mu.Lock()
		defer mu.Unlock()
		if failing {
			return healthy, failure
		}
		if noticed.IsZero() {
			noticed = time.Now().Add(healthy) // when this call is answered
		}
		return healthy, nil
	}
	_, stop := d.run(Config{Concurrency: 8, Timeout: 10 * time.Second, Governor: NewGovernor(10, 1)})
	defer stop()
	n := int64(0)
	came := map[string]time.Time{}
	ask := func(kind string) {
		n++
		id := fmt.Sprintf("A/%s%d", kind, n)
		came[id] = time.Now()
		d.ask(id, n, 0)
	}
	for range 1800 {
		time.Sleep(2 * time.Second)
		ask("old")
	}
	mu.Lock()
	failing = false
	mu.Unlock()
	for range 60 {
		ask("new")
		time.Sleep(2 * time.Second)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	old, waited := 0, map[string]time.Duration{}
	for _, c := range d.calls {
		id, at, _ := strings.Cut(c, "@")
		after, err := time.ParseDuration(at)
		if err != nil {
			t.Fatal(err)
		}
		called := d.began.Add(after)
		switch {
		case strings.HasPrefix(id, "A/new"):
			since := came[id]
			if since.Before(noticed) {
				since = noticed
			}
			waited[id] = max(called.Sub(since), 0)
		case called.After(noticed):
			old++
		}
	}
	if noticed.IsZero() || len(waited) != 60 {
		t.Fatalf("%d of 60 new chats were called; Chert's return was noticed at %v", len(waited), noticed)
	}
	for id, wait := range waited {
		if wait > 2*time.Second {
			t.Errorf("%s waited for %v although calls were made again", id, wait)
		}
	}
	if old < 100 {
		t.Errorf("%d calls of the backlog went out meanwhile", old)
	}
}

// TestOneLineThatWorksProbesTheOthers: an outage of all lines ends for all with the first
// probe that succeeds.
func TestOneLineThatWorksProbesTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var mu sync.Mutex
		down := true
		d.lines = func(string) (time.Duration, *chert.Error) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return healthy, &chert.Error{Message: "no answer", Retryable: true}
			}
			return healthy, nil
		}
		dispatcher, stop := d.run(Config{Concurrency: 8, Governor: NewGovernor(0, 1)})
		defer stop()
		for i, line := range []string{"A", "B", "C", "D"} {
			time.Sleep(time.Duration(i) * 7 * time.Second) // their probes come at different times
			for j := range 50 {
				d.ask(fmt.Sprint(line, "/", j), int64(j+1), 0)
			}
		}
		time.Sleep(time.Hour)
		if n := len(dispatcher.LineStops()); n != 4 {
			t.Fatalf("%d lines have stopped, want 4", n)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		waited := 0
		for ; len(dispatcher.LineStops()) == 4; waited++ {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		if stops := dispatcher.LineStops(); len(stops) > 0 || waited > int(probeMax/time.Second) {
			t.Errorf("after %d s the first line works; a second later %+v have stopped", waited, stops)
		}
	})
}

// TestRestoredLineIsProbedFirst: after a restart a line that had stopped gets one call,
// and all once that succeeds.
func TestRestoredLineIsProbedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.lines = func(string) (time.Duration, *chert.Error) { return time.Second, nil }
		for i := range 4 {
			d.ask(fmt.Sprint("A/", i), int64(i+1), 0)
		}
		var kept []string
		d.stopped = []LineStop{{Line: "A", Since: time.Now().Add(-time.Hour)}, {Line: "B", Since: time.Now()}}
		dispatcher, stop := d.run(Config{Concurrency: 8, KeepLine: func(line string) { kept = append(kept, line) }})
		defer stop()
		time.Sleep(time.Minute)
		d.mu.Lock()
		slices.Sort(d.calls)
		d.mu.Unlock()
		d.wantCalls("A/0@0s", "A/1@1s", "A/2@1s", "A/3@1s")
		if stops := dispatcher.LineStops(); len(stops) != 1 || stops[0].Line != "B" || !slices.Equal(kept, []string{"A"}) {
			t.Errorf("stops are %+v and %q was kept, want B and A", stops, kept)
		}
	})
}
