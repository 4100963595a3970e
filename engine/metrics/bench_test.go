package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"chertd/engine/control"
)

// BenchmarkScrapeOfManyRules is a scrape of a daemon with 10,000 rules.
func BenchmarkScrapeOfManyRules(b *testing.B) {
	d := full()
	d.rules = nil
	for i := range 10_000 {
		d.rules = append(d.rules, control.Rule{Pack: fmt.Sprint("pack", i/50), Rule: fmt.Sprint("rule ", i)})
	}
	m := New("1.0")
	h := m.Handler(d)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
}
