package storetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

var daemonTests = map[string]func(*testing.T, *bench){
	"a pause stays until it is lifted":               paused,
	"pauses of calls are kept by credential":         callPauses,
	"lines that have stopped are kept by credential": lineStops,
	"the clock's offset is kept":                     clockOffset,
	"the progress of schedules is kept":              schedules,
	"any schedule and count of reads is read back":   anySchedule,
	"counted reads are kept by place":                readCounts,
	"learned rates are kept by credential":           learnedRates,
}

func paused(t *testing.T, b *bench) {
	check := func(want bool) {
		t.Helper()
		got, err := b.s.Paused(t.Context())
		b.must(err)
		b.equal("paused", got, want)
	}
	check(false)
	for _, on := range []bool{true, true, false} {
		b.must(b.s.SetPaused(t.Context(), on))
		b.reopen()
		check(on)
	}
}

func callPauses(t *testing.T, b *bench) {
	check := func(credential string, want store.CallPause) {
		t.Helper()
		got, err := b.s.CallPause(t.Context(), credential)
		b.must(err)
		b.equal("pause of "+credential, got, want)
	}
	check("a", store.CallPause{})
	first := store.CallPause{Asked: noon, Until: noon.Add(time.Minute), Why: "slow down"}
	second := store.CallPause{Asked: noon.Add(time.Second), Until: noon.Add(time.Hour)}
	b.must(b.s.SetCallPause(t.Context(), "a", first))
	b.must(b.s.SetCallPause(t.Context(), "b", second))
	b.reopen()
	check("a", first)
	check("b", second)
	b.must(b.s.SetCallPause(t.Context(), "a", second))
	check("a", second)
	check("c", store.CallPause{})
}

func lineStops(t *testing.T, b *bench) {
	check := func(credential string, want ...store.LineStop) {
		t.Helper()
		got, err := b.s.LineStops(t.Context(), credential)
		b.must(err)
		b.equal("lines of "+credential, got, want)
	}
	check("a")
	one := store.LineStop{Line: "+14155550100", Since: noon, Code: 4001, HTTP: 502, Error: "delivery failed", TraceID: "t1"}
	unknown := store.LineStop{Since: noon.Add(time.Second), Error: "no answer"}
	b.must(b.s.SetLineStop(t.Context(), "a", one))
	b.must(b.s.SetLineStop(t.Context(), "a", unknown))
	b.must(b.s.SetLineStop(t.Context(), "b", one))
	b.reopen()
	check("a", unknown, one)
	again := one
	again.Since, again.Code, again.HTTP, again.TraceID = noon.Add(time.Hour), 0, 0, ""
	b.must(b.s.SetLineStop(t.Context(), "a", again))
	check("a", unknown, again)
	for range 2 {
		b.must(b.s.SetLineStop(t.Context(), "a", store.LineStop{Line: one.Line}))
	}
	b.reopen()
	check("a", unknown)
	check("b", one)
}

func learnedRates(t *testing.T, b *bench) {
	check := func(credential string, want store.LearnedRate) {
		t.Helper()
		got, err := b.s.LearnedRate(t.Context(), credential)
		b.must(err)
		b.equal("learned rate of "+credential, got, want)
	}
	check("a", store.LearnedRate{})
	first := store.LearnedRate{Rate: 4.84, Unsure: 0.005, At: noon}
	second := store.LearnedRate{Rate: 1.0 / 3, Unsure: 0.125, At: noon.Add(time.Hour)}
	b.must(b.s.SetLearnedRate(t.Context(), "a", first))
	b.must(b.s.SetLearnedRate(t.Context(), "b", second))
	b.reopen()
	check("a", first)
	check("b", second)
	b.must(b.s.SetLearnedRate(t.Context(), "a", second))
	check("a", second)
	b.must(b.s.SetLearnedRate(t.Context(), "a", store.LearnedRate{}))
	check("a", store.LearnedRate{})
	check("c", store.LearnedRate{})
}

func clockOffset(t *testing.T, b *bench) {
	check := func(want time.Duration) {
		t.Helper()
		got, err := b.s.ClockOffset(t.Context())
		b.must(err)
		if got != want {
			t.Errorf("offset %v, want %v", got, want)
		}
	}
	check(0)
	for _, offset := range []time.Duration{90 * time.Minute, -3*time.Second - time.Microsecond, 0} {
		b.must(b.s.SetClockOffset(t.Context(), offset))
		b.reopen()
		check(offset)
	}
}

func schedules(t *testing.T, b *bench) {
	hourly := rules.ScheduleID{Pack: "codes", Rule: "digest/all", Every: "0 */2 * * *"}
	edited, other := hourly, hourly
	edited.Every, other.Pack = "1h", "vip"
	check := func(when string, s rules.ScheduleID, now, want time.Time) {
		t.Helper()
		got, err := b.s.ScheduleDone(t.Context(), s, now)
		b.must(err)
		b.equal(when, got, want)
	}
	check("unknown", hourly, noon, time.Time{})
	b.commit(
		turn.Transition{Schedules: []rules.ScheduleRun{{ScheduleID: hourly, Done: noon, Expires: noon.Add(time.Hour)}, {ScheduleID: other, Done: noon}}},
		turn.Transition{Schedules: []rules.ScheduleRun{{ScheduleID: other, Done: noon.Add(time.Minute)}}, Append: []turn.Arrival{arrival("e1", "")}})
	b.reopen()
	check("kept", hourly, noon.Add(time.Hour-time.Microsecond), noon)
	check("expired", hourly, noon.Add(time.Hour), time.Time{})
	check("edited", edited, noon, time.Time{})
	check("of another pack, kept twice", other, noon.Add(1000*time.Hour), noon.Add(time.Minute))
	b.record("e1")

	b.commit(turn.Transition{Schedules: []rules.ScheduleRun{{ScheduleID: hourly, Done: noon.Add(time.Hour)}, {ScheduleID: other}, {ScheduleID: edited}}})
	check("later, without an end", hourly, noon.Add(1000*time.Hour), noon.Add(time.Hour))
	check("dropped", other, noon, time.Time{})
}

func readCounts(t *testing.T, b *bench) {
	check := func(want rules.ReadCount) {
		t.Helper()
		got, err := b.s.ReadCount(t.Context(), want.Pack)
		b.must(err)
		b.equal("count of "+want.Pack, got, want)
	}
	call := func(place rules.Place, count int64, minutes int) rules.ReadCall {
		return rules.ReadCall{Pack: "codes", Place: place, Count: count, At: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	check(rules.ReadCount{Pack: "codes"})
	codes := rules.ReadCount{Pack: "codes", Count: 3, Limit: rules.Rate{N: 300, Per: 10 * time.Minute}}
	vip := rules.ReadCount{Pack: "vip", Count: 1}
	b.commit(turn.Transition{ReadCounts: []rules.ReadCount{codes, vip}, ReadCalls: []rules.ReadCall{call(10, 3, 1), call(2, 2, 0), call(1, 3, 2)}})
	b.reopen()
	codes.Calls = []rules.ReadCall{call(1, 3, 2), call(2, 2, 0), call(10, 3, 1)}
	check(codes)
	check(vip)
	free := call(1, 3, 0)
	free.At = time.Time{}
	b.commit(turn.Transition{ReadCalls: []rules.ReadCall{free, call(2, 3, 5)}})
	codes.Calls = []rules.ReadCall{call(2, 3, 5), call(10, 3, 1)}
	check(codes)
	err := b.s.Commit(t.Context(), []turn.Transition{{ReadCalls: []rules.ReadCall{call(10, 9, 9)}, Reads: []turn.KV{{Pack: "p", Key: "k", Version: 7}}}})
	if err == nil {
		t.Error("a conflict is taken")
	}
	check(codes)
}

func anySchedule(t *testing.T, b *bench) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		run, count := draw[rules.ScheduleRun](rt, "schedule"), draw[rules.ReadCount](rt, "count")
		if run.Done.IsZero() {
			run.Done = noon
		}
		count.Limit.Per = count.Limit.Per.Truncate(time.Microsecond)
		if count.Pack += "."; count.Limit == (rules.Rate{Per: count.Limit.Per}) {
			count.Limit.N = 1
		}
		for i := range count.Calls {
			c := &count.Calls[i]
			if c.Pack, c.Place = count.Pack, rules.Place(10*n+i); c.At.IsZero() {
				c.At = noon
			}
		}
		if err := b.s.Commit(background, []turn.Transition{{Schedules: []rules.ScheduleRun{run}, ReadCounts: []rules.ReadCount{count}, ReadCalls: count.Calls}}); err != nil {
			rt.Fatal(err)
		}
		done, err := b.s.ScheduleDone(background, run.ScheduleID, noon)
		if err != nil {
			rt.Fatal(err)
		}
		if want := run.Done; run.Expires.IsZero() || run.Expires.After(noon) {
			same(rt, "done", done, want)
		} else {
			same(rt, "done, expired", done, time.Time{})
		}
		got, err := b.s.ReadCount(background, count.Pack)
		if err != nil {
			rt.Fatal(err)
		}
		for len(got.Calls) > 0 && got.Calls[0].Place < rules.Place(10*n) { // of an earlier draw
			got.Calls = got.Calls[1:]
		}
		if len(got.Calls) == 0 {
			got.Calls = nil
		}
		same(rt, "count", got, count)
	})
}
