package dispatch

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
)

// TestAskedLineInTroubleDelaysNoOther: after a start all chats must be asked for their calls.
// Those of a line that is slow, hangs, fails or had failed before must not keep chats of
// other lines from being asked.
func TestAskedLineInTroubleDelaysNoOther(t *testing.T) {
	t.Parallel()
	cases := maps.Clone(trouble)
	cases["is well"] = func() (time.Duration, *chert.Error) { return healthy, nil }
	for name, answer := range cases {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stopped %t", name, stopped), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := newDesk(t)
					d.asking = 5 * time.Millisecond
					d.lines = func(line string) (time.Duration, *chert.Error) {
						if line == "A" {
							return answer()
						}
						return healthy, nil
					}
					if stopped {
						d.stopped = []LineStop{{Line: "A", Since: time.Now()}}
					}
					for i := range 300 {
						d.ask(fmt.Sprint("A/old", i), int64(i+1), 0)
					}
					dispatcher, stop := d.run(Config{Concurrency: 8, Timeout: 10 * time.Second, Governor: NewGovernor(100, 100)})
					defer stop()
					time.Sleep(3 * time.Second)
					for i := range 300 {
						time.Sleep(200 * time.Millisecond)
						d.ask(fmt.Sprint("B/", i), int64(i+1000), 0)
						d.ask(fmt.Sprint("C/", i), int64(i+1000), 0)
					}
					time.Sleep(time.Second)
					d.mu.Lock()
					defer d.mu.Unlock()
					for _, line := range []string{"B", "C"} {
						if n, worst := len(d.waits[line]), p99(d.waits[line]); n != 300 || worst > 10*time.Millisecond {
							t.Errorf("%d of 300 calls of %s went out, p99 %v", n, line, worst)
						}
					}
					// What is asked for, or waits after that, is in flight until its answer is durable.
					if n := dispatcher.InFlight(); n > 3*8 {
						t.Errorf("%d calls are in flight with 8 places", n)
					}
				})
			})
		}
	}
}
