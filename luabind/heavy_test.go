package luabind

import (
	"sync/atomic"
	"testing"
)

// Large calls report themselves when they begin, heavy ones when they end; small calls
// never do.
func TestHeavyCallsReportThemselves(t *testing.T) {
	var reports atomic.Int64
	OnHeavyWork(func() { reports.Add(1) })
	defer onHeavy.Store(nil)
	v := loadRules(t, Config{}, `
chert.on("small", function(ev) local s = ("x"):rep(1000) end)
chert.on("heavy", function(ev) local s = ("x"):rep(500000) end)
chert.on("large", function(ev) local s = ("x"):rep(4000000) end)`)
	for index, want := range []int64{0, 1, 2} {
		reports.Store(0)
		if err := v.call(index, &world{}); err != nil {
			t.Fatal(err)
		}
		if got := reports.Load(); got != want {
			t.Errorf("call %d: %d reports, want %d", index, got, want)
		}
	}
}
