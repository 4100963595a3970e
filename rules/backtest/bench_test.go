package backtest

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

const benchCodes = `
chert.rule({
  name = "codes",
  on = "message.received",
  where = { direction = "inbound", is_group = false, words = { "code", "passcode" } },
  run = function(ev)
    if re.find("[0-9]{4,8}", ev.text) then
      chert.mark_read(ev.chat.id, { reason = "a code" })
    end
  end,
})
`

const benchSettle = `
chert.rule({
  name = "settle",
  on = "message.received",
  where = { except = { words = "code" } },
  run = function(ev)
    ev.state.n = (ev.state.n or 0) + 1
    chert.mark_read(ev.chat.id, { after = "%s" })
  end,
})
`

const benchHold = `
chert.on("message.received", { text = "lawyer" }, function(ev)
  chert.hold(ev.chat.id, "1d")
  kv.incr("held")
end)
`

// benchPacks are packs as people have them: one that reads codes, one that waits for a
// burst to settle, one that holds.
func benchPacks(after string) map[string]string {
	return map[string]string{"codes": benchCodes, "settle": fmt.Sprintf(benchSettle, after), "hold": benchHold}
}

// benchEvents are messages of chats in turns, one each 100 ms.
func benchEvents(b testing.TB, n, chats int) []Event {
	texts := []string{"hello there", "Your code is 123456", "ok, see you tomorrow at the usual place", "I will ask my lawyer", "thanks!"}
	all := make([]Event, n)
	for i := range all {
		all[i] = said(b, i+1, fmt.Sprintf("chat-%d", i*7919%chats), texts[i%len(texts)], time.Duration(i)*100*time.Millisecond)
	}
	return all
}

// BenchmarkBacktest compares two sets that differ in a delay. It prints events a second,
// and the bytes that a chat takes at the end.
func BenchmarkBacktest(b *testing.B) {
	for _, chats := range []int{200, 20_000} {
		b.Run(fmt.Sprintf("%d_chats", chats), func(b *testing.B) {
			events := benchEvents(b, b.N, chats)
			c := Config{Live: load(b, benchPacks("30s")), Candidate: load(b, benchPacks("5m")), Limit: 20}
			b.ResetTimer()
			r := mustRun(b, c, events)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			runtime.KeepAlive(r)
		})
	}
}
