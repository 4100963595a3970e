package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"chertd/engine/tracing"
)

// BenchmarkTraces runs the way from webhook to call on daemons without traces, with those of a tenth of
// the events, and with those of all, in turns. A collector in the same process takes the spans: its
// processor time counts, too. vs-off is the ratio to the daemon without traces.
//
//	go test ./engine -run '^$' -bench Traces -benchtime 20000x
func BenchmarkTraces(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	const parts, conns = 10, 32
	names := []string{"off", "a-tenth", "all"}
	var roads []*road
	for i, sample := range []float64{0, 0.1, 1} {
		r := newRoad(b, 0)
		c := tracing.Config{URL: collector.URL, Sample: sample, Timeout: time.Second}
		if i == 0 {
			c = tracing.Config{}
		}
		r.webhook = startDaemon(b, b.TempDir(), r.url, func(d *Daemon) { d.Traces = c })
		roads = append(roads, r)
	}
	turns := slices.Clone(roads)
	b.ResetTimer()
	for part := range parts {
		n := b.N*(part+1)/parts - b.N*part/parts
		for _, r := range turns {
			began, used := time.Now(), cpuTime()
			r.post(b, n, conns, 0)
			r.await(b)
			r.seconds += time.Since(began).Seconds()
			r.cpu += (cpuTime() - used).Seconds()
		}
		slices.Reverse(turns)
	}
	b.StopTimer()
	for i, r := range roads {
		b.ReportMetric(float64(b.N)/r.seconds, names[i]+"-events/s")
		if i > 0 {
			b.ReportMetric(roads[0].seconds/r.seconds, names[i]+"-vs-off")
			b.ReportMetric(r.cpu/roads[0].cpu, names[i]+"-cpu-vs-off")
		}
	}
	b.ReportMetric(0, "ns/op") // of all three
}
