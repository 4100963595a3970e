// Package metrics has the metrics of the daemon for Prometheus.
//
// What happens is counted as it happens: the engine reports events, calls and actions, and writes of
// the store are timed. What the daemon is like is asked for at each scrape: see Source. Metrics
// has no series for a chat, a phone number or a text, and none for a rule or a pack that is gone.
package metrics

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/engine/tracing"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// maxScrapes is how many scrapes are answered at the same time.
	maxScrapes = 2
	// scrapeTime is how long a scrape may take. Prometheus gives it 10 s by default.
	scrapeTime = 9 * time.Second
	// askTime is how long a scrape waits for the source. Each question to a store that does
	// not answer takes 2 s.
	askTime = 5 * time.Second
	// maxTypes is how many types of events that nobody documents have series of their own:
	// whoever can sign a webhook can send any.
	maxTypes = 50
	// maxTypeLength is the length of such a type, in bytes.
	maxTypeLength = 100
	// otherLabel is the value of a label beyond a limit.
	otherLabel = "other"
	// runOK and runFailed are outcomes of runs; the others are why a rule did not run.
	runOK, runFailed = "ok", "failed"
)

// Source is what Metrics asks at each scrape. Its methods return what they know if the store
// does not answer.
type Source interface {
	Status(ctx context.Context) (control.Status, error)
	Packs(ctx context.Context) ([]control.Pack, error)
	Rules(ctx context.Context, q control.RulesQuery) (control.Rules, error)
	// Extra returns what no command shows.
	Extra(ctx context.Context) Extra
}

// Extra is what no command shows.
type Extra struct {
	// OldestPending is when the oldest event that is not handled was received; zero: none waits.
	OldestPending time.Time
	// StoreFails is true if writes to the store fail, whether or not it can be read.
	StoreFails bool
	// DiskFree is the free space of the file system of the store, in bytes; negative: not known.
	DiskFree int64
	// Reloads and FailedReloads count the times that the rules directory was read since the
	// start and all was live, and those when something was not.
	Reloads, FailedReloads int64
	LastReload             time.Time       // zero: not since the start
	Traces                 *tracing.Counts // nil: they are off
	// ReloadTook is how long the last one took, and RulesUnread is true if it could not read
	// all of the directory: what packs' files are like is not known then.
	ReloadTook  time.Duration
	RulesUnread bool
	// Settings compares the settings in use with the configuration; nil: the daemon has none.
	Settings *control.SettingsInUse
	// Kept is, by pack, the memory that its VMs keep besides what handlers allocate, in bytes.
	Kept map[string]int64
}

// Metrics counts, and answers scrapes. Its methods may be called from many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	events        *prometheus.CounterVec
	delay         prometheus.Histogram
	rulesTook     prometheus.Histogram
	ruleRuns      *prometheus.CounterVec
	actions       *prometheus.CounterVec
	calls         *prometheus.CounterVec
	callTook      *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	append, write prometheus.Histogram

	types  sync.Map // type → true: those that have series
	nTypes atomic.Int64
	runs   sync.Map // runsKey → true: those that have series in ruleRuns
}

// ruleKey names a rule.
type ruleKey struct{ pack, rule string }

// runsKey names the runs of a rule in a role.
type runsKey struct {
	of   ruleKey
	mode string
}

// modes are the values of the label mode. Live and candidate versions of a pack run on the same
// events, and a failure of one says nothing about the other.
var modes = [...]string{rules.RoleLive: "live", rules.RoleShadow: "shadow", rules.RoleCandidate: "candidate"}

// quick are the buckets of what takes microseconds to seconds.
var quick = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}

// answering are the buckets of calls, which end after chert.timeout at the latest.
var answering = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// slow are the buckets of what takes milliseconds to hours.
var slow = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 15, 60, 300, 900, 3600}

// New returns the metrics of a daemon of a version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	for _, known := range append(slices.Clone(event.Documented), event.Schedule, event.ActionDone, event.ActionFailed, event.OperatorRead) {
		m.types.Store(known, true) // whatever else was sent before
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chertd_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "chertd_" + name, Help: help, Buckets: buckets})
		m.registry.MustRegister(h)
		return h
	}
	m.events = counter("events_handled_total", "Events whose outcome is durable, by where they came from and type. Timers and signals have one type each, and rare types are other.", "source", "type")
	m.delay = histogram("event_delay_seconds", "Time from when an event was received until its outcome was durable.", slow)
	m.rulesTook = histogram("event_rules_seconds", "Time that the rules of an event took, of events that some rule ran on.", quick)
	// The state collects these: rules may be gone.
	m.ruleRuns = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chertd_rule_runs_total", Help: "Events on which a rule's where held, by what became of the run: ok, failed, or why it did not run."}, []string{"pack", "rule", "mode", "outcome"})
	m.actions = counter("actions_ended_total", "Actions that have ended, by kind, status and reason.", "kind", "status", "why")
	m.calls = counter("calls_total", "Calls to Chert and to targets of notifications that have ended, by kind, HTTP status (0: no answer) and error code of Chert's (0: none).", "kind", "http", "code")
	m.requests = counter("control_requests_total", "Requests of the control endpoints that were answered, by route and HTTP status. Rejected ones, and those of unknown paths, have the route none.", "route", "status")
	m.append = histogram("store_append_seconds", "Time until received events were durable.", quick)
	m.write = histogram("store_commit_seconds", "Time until a batch of outcomes was durable.", quick)
	m.callTook = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "chertd_call_seconds", Help: "Time until a call was answered.", Buckets: answering}, []string{"kind"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chertd_build_info", Help: "1, with the version of chertd."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.callTook, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler returns the handler of /metrics. It asks the source at each scrape.
func (m *Metrics) Handler(s Source) http.Handler {
	m.registry.MustRegister(newState(m, s))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime, EnableOpenMetrics: true,
	})
	return m.handler
}

// Handled counts an event whose outcome is durable at a time.
func (m *Metrics) Handled(e *turn.Entry, d *turn.Decision, actions []chat.Action, now time.Time) {
	m.events.WithLabelValues(e.Event.Source, m.typeOf(&e.Event)).Inc()
	m.delay.Observe(max(now.Sub(e.Received), 0).Seconds())
	if d.Took > 0 {
		m.rulesTook.Observe(d.Took.Seconds())
	}
	m.ran(d, time.Time{})
	m.ended(actions)
}

// Rerun counts the runs of an event that ran again.
func (m *Metrics) Rerun(d *turn.Decision, actions []chat.Action) {
	var last time.Time
	for i := range d.Rules {
		if at := d.Rules[i].Rerun; at.After(last) {
			last = at
		}
	}
	m.ran(d, last)
	m.ended(actions)
}

// ran counts the runs of a decision that happened at a time; zero: the first ones.
func (m *Metrics) ran(d *turn.Decision, rerun time.Time) {
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Rule == "" || !r.Rerun.Equal(rerun) {
			continue
		}
		outcome := runOK
		switch {
		case r.Error != "":
			outcome = runFailed
		case r.Skipped != "":
			outcome = word(r.Skipped)
		}
		key := runsKey{ruleKey{label(r.Pack), label(r.Rule)}, modes[r.Role()]}
		m.ruleRuns.WithLabelValues(key.of.pack, key.of.rule, key.mode, outcome).Inc()
		m.runs.LoadOrStore(key, true)
	}
}

// word returns a reason, such as why a rule did not run, as one word.
func word(reason string) string { return strings.ReplaceAll(reason, " ", "_") }

// typeOf returns the label of an event's type.
func (m *Metrics) typeOf(ev *event.Event) string {
	switch {
	case ev.Timer() != "":
		return "timer"
	case ev.Source == event.SourceSignal:
		return "signal"
	}
	if _, known := m.types.Load(ev.Type); known {
		return ev.Type
	}
	if len(ev.Type) > maxTypeLength || !utf8.ValidString(ev.Type) || handle.Mask(ev.Type) != ev.Type || m.nTypes.Load() >= maxTypes {
		return otherLabel
	}
	if _, known := m.types.LoadOrStore(ev.Type, true); !known {
		m.nTypes.Add(1)
	}
	return ev.Type
}

// label returns a name as the value of a label.
func label(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// Ended counts an action that has ended.
func (m *Metrics) Ended(a *chat.Action) {
	m.actions.WithLabelValues(string(a.Kind), string(a.Status), a.Why).Inc()
}

func (m *Metrics) ended(actions []chat.Action) {
	for i := range actions {
		if a := &actions[i]; !a.Ended.IsZero() {
			m.Ended(a)
		}
	}
}

// Called counts a call that has ended.
func (m *Metrics) Called(a *dispatch.Attempt) {
	code := 0
	if e := a.Err; e != nil {
		if e.Local {
			return // no call was made
		}
		code = e.Code
	}
	m.calls.WithLabelValues(string(a.Call.Kind), httpLabel(a.HTTP), codeLabel(code)).Inc()
	m.callTook.WithLabelValues(string(a.Call.Kind)).Observe(a.Ended.Sub(a.Began).Seconds())
}

// httpLabel returns the label of an HTTP status; 0: there was no answer.
func httpLabel(status int) string {
	if status != 0 && (status < 100 || status > 599) {
		return otherLabel
	}
	return strconv.Itoa(status)
}

// codeLabel returns the label of a code of Chert's.
func codeLabel(code int) string {
	if _, documented := chert.LookUp(code); code != 0 && !documented {
		return otherLabel
	}
	return strconv.Itoa(code)
}

// Requested counts a request of the control endpoints. Route is a pattern, without values of its path.
func (m *Metrics) Requested(route string, status int) {
	m.requests.WithLabelValues(route, httpLabel(status)).Inc()
}
