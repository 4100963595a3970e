package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/rules"
	"chertd/rules/chat"
)

// state is the part of the metrics that is asked for at each scrape.
type state struct {
	m      *Metrics
	source Source
	asking chan struct{} // has a value while the source is asked
}

// newState returns the state of a source.
func newState(m *Metrics, source Source) *state { return &state{m, source, make(chan struct{}, 1)} }

// Describe implements prometheus.Collector. Describing nothing makes the collector unchecked: which
// series there are depends on the packs.
func (s *state) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	w := &writer{ch, map[string]*prometheus.Desc{}}
	now := s.ask(ctx)
	w.flag("up", "Whether the state of the daemon could be read.", now.statusErr == nil)
	if now.statusErr == nil {
		w.status(&now.status, &now.extra)
		w.sources(&now.status)
		w.reloads(&now.status, &now.extra)
	}
	if now.packsErr == nil {
		w.packs(now.packs, &now.extra)
	}
	if now.rulesErr == nil {
		w.rules(&now.rules)
		s.m.keep(&now.rules, now.packs)
	}
	s.m.ruleRuns.Collect(ch) // after keep: no scrape has a rule that is gone
}

// answers is what the source answers to one scrape.
type answers struct {
	status                        control.Status
	packs                         []control.Pack
	rules                         control.Rules
	extra                         Extra
	statusErr, packsErr, rulesErr error
}

// ask asks the source, for one scrape at a time. A disk that hangs may keep the source from
// answering until after ctx has ended; then the scrape has what is counted in memory.
func (s *state) ask(ctx context.Context) *answers {
	none := &answers{statusErr: context.DeadlineExceeded, packsErr: context.DeadlineExceeded, rulesErr: context.DeadlineExceeded}
	select {
	case s.asking <- struct{}{}:
	case <-ctx.Done():
		return none
	}
	answered := make(chan *answers, 1)
	go func() {
		answered <- s.answer(ctx)
		<-s.asking
	}()
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
		return none
	}
}

// answer asks everything at the same time: each question may wait for a store that does not
// answer, and scrapers wait for a few seconds only.
func (s *state) answer(ctx context.Context) *answers {
	var a answers
	var asking sync.WaitGroup
	asking.Go(func() { a.status, a.statusErr = s.source.Status(ctx) })
	asking.Go(func() { a.packs, a.packsErr = s.source.Packs(ctx) })
	asking.Go(func() { a.rules, a.rulesErr = s.source.Rules(ctx, control.RulesQuery{}) })
	asking.Go(func() { a.extra = s.source.Extra(ctx) })
	asking.Wait()
	return &a
}

// keep removes the series of rules that no pack has now, and lets those of the others begin
// at zero in each role that they have: a function such as increase does not see the first
// failures of a rule otherwise. Without an answer about packs, they are none.
func (m *Metrics) keep(now *control.Rules, packs []control.Pack) {
	tried := map[string]bool{}  // packs with a candidate
	partly := map[string]bool{} // packs that are live in some chats only
	for i := range packs {
		tried[packs[i].Name] = packs[i].Candidate != nil
		partly[packs[i].Name] = packs[i].Share != ""
	}
	there := map[ruleKey]bool{}
	for i := range now.Rules {
		r := &now.Rules[i]
		of := ruleKey{label(r.Pack), label(r.Rule)}
		there[of] = true
		m.beginRuns(of, rules.RoleLive)
		if r.Shadow != nil || r.Mode == string(rules.Shadow) || partly[r.Pack] {
			m.beginRuns(of, rules.RoleShadow)
		}
		if r.Candidate != nil || tried[r.Pack] {
			m.beginRuns(of, rules.RoleCandidate)
		}
	}
	m.runs.Range(func(key, _ any) bool {
		if k := key.(runsKey); !there[k.of] {
			m.ruleRuns.DeletePartialMatch(prometheus.Labels{"pack": k.of.pack, "rule": k.of.rule, "mode": k.mode})
			m.runs.Delete(k)
		}
		return true
	})
}

// beginRuns lets the series of a rule's runs in a role begin at zero, unless they are there.
func (m *Metrics) beginRuns(of ruleKey, role rules.Role) {
	key := runsKey{of, modes[role]}
	if _, known := m.runs.LoadOrStore(key, true); !known {
		m.ruleRuns.WithLabelValues(of.pack, of.rule, key.mode, runOK)
		m.ruleRuns.WithLabelValues(of.pack, of.rule, key.mode, runFailed)
	}
}

// writer makes metrics of one scrape.
type writer struct {
	ch    chan<- prometheus.Metric
	descs map[string]*prometheus.Desc // by name; a name has the same labels each time
}

// labels are names and values in turn.
func (w *writer) write(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	desc := w.descs[name]
	if desc == nil {
		var names []string
		for i := 0; i < len(labels); i += 2 {
			names = append(names, labels[i])
		}
		desc = prometheus.NewDesc("chertd_"+name, help, names, nil)
		w.descs[name] = desc
	}
	values := make([]string, 0, len(labels)/2)
	for i := 1; i < len(labels); i += 2 {
		values = append(values, label(labels[i]))
	}
	w.ch <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

func (w *writer) gauge(name, help string, value float64, labels ...string) {
	w.write(prometheus.GaugeValue, name, help, value, labels...)
}

func (w *writer) counter(name, help string, value int64, labels ...string) {
	w.write(prometheus.CounterValue, name, help, float64(value), labels...)
}

func (w *writer) flag(name, help string, on bool, labels ...string) {
	value := 0.
	if on {
		value = 1
	}
	w.gauge(name, help, value, labels...)
}

// at writes a time, unless it is zero.
func (w *writer) at(name, help string, t time.Time, labels ...string) {
	if !t.IsZero() {
		w.gauge(name, help, float64(t.UnixMicro())/1e6, labels...)
	}
}

// oneOf writes 1 for the state of several that is, and 0 for the others.
func (w *writer) oneOf(name, help, now string, all ...string) {
	for _, state := range all {
		w.flag(name, help, state == now, "state", state)
	}
}

// status writes what chertd status shows of the daemon, its store and its calls.
func (w *writer) status(st *control.Status, extra *Extra) {
	w.at("start_time_seconds", "When the daemon started.", st.Since)
	w.flag("ready", "Whether events are received and handled.", st.Ready)
	w.flag("calls_possible", "Whether calls can be made now.", len(st.NoCalls) == 0)
	w.flag("draining", "Whether the daemon is stopping.", st.Draining)
	w.flag("paused", "Whether a command has stopped all calls.", st.Paused)
	w.flag("store_answers", "Whether the store could be read.", st.Unknown == "")
	w.flag("store_writable", "Whether writes to the store succeed.", !extra.StoreFails)
	if st.Unknown == "" {
		w.gauge("journal_events", "Events in the journal.", float64(st.Events))
		w.gauge("journal_pending_events", "Events that are not handled yet.", float64(st.Pending))
		w.gauge("journal_early_events", "Acknowledged events that wait until older ones are read from the events log.", float64(st.Early))
		w.gauge("chats", "Chats that are known.", float64(st.Chats))
		for _, status := range []chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed} {
			w.gauge("actions", "Actions in the store, by status. Those that have ended are removed after store.retention.", float64(st.Actions[string(status)]), "status", string(status))
		}
		w.gauge("quarantined_deliveries", "Deliveries in quarantine.", float64(st.Quarantined))
		w.gauge("store_size_bytes", "Size of the store on disk.", float64(st.Bytes))
		var held, postponed int64
		if st.Holds != nil {
			held = st.Holds.Total
		}
		if st.Postponed != nil {
			postponed = st.Postponed.Total
		}
		w.gauge("held_chats", "Chats that are held.", float64(held))
		w.gauge("postponed_chats", "Chats whose reads a rule has postponed.", float64(postponed))
		for i := range st.Notify {
			t := &st.Notify[i]
			w.gauge("notify_waiting", "Notifications that wait for a target.", float64(t.Waiting), "target", t.Target)
			w.flag("notify_failing", "Whether deliveries to a target fail.", !t.FailingSince.IsZero(), "target", t.Target)
		}
	}
	if extra.DiskFree >= 0 {
		w.gauge("store_free_bytes", "Free space of the file system of the store.", float64(extra.DiskFree))
	}
	age := 0.
	if !extra.OldestPending.IsZero() {
		age = max(0, time.Since(extra.OldestPending).Seconds())
	}
	w.gauge("journal_oldest_pending_seconds", "How long the oldest event that is not handled has waited; 0: none waits.", age)
	w.gauge("held_selections", "Holds of all chats of a line or a kind that are in force.", float64(len(st.HeldSelections)))
	w.gauge("missed_events", "Events that packs have missed because they failed, were suspended or did not load.", float64(st.Missed))
	w.oneOf("intake_state", "How events are taken in.", st.Intake, control.IntakeOpen, control.IntakeSlowed, control.IntakeFull)
	w.oneOf("calls_state", "Whether calls go out.", st.Calls.State,
		control.CallsGoOut, control.CallsPaused, control.CallsWait, control.CallsStopped, control.CallsFail, control.CallsDrain, control.CallsCatchUp)
	w.gauge("calls_in_flight", "Calls whose answers are not durable yet.", float64(st.InFlight))
	w.at("last_confirmed_call_timestamp_seconds", "When Chert last confirmed a call.", st.Calls.LastConfirmed)
	w.gauge("call_rate_ceiling", "Calls per second that chert.rate.limit allows; 0: no limit.", st.Calls.Ceiling)
	if st.Calls.Learned > 0 {
		w.gauge("call_rate_learned", "Calls per second that Chert allows, as its answers have shown.", st.Calls.Learned)
	}
	w.gauge("lines_stopped", "Phone lines whose calls have stopped because they fail.", float64(len(st.Calls.Lines)))
}

// reloads writes whether edits of the rules and of the configuration are in use.
func (w *writer) reloads(st *control.Status, extra *Extra) {
	w.counter("rules_reloads_total", "Times that the rules directory was read, by whether all of it was live then.", extra.Reloads, "result", "live")
	w.counter("rules_reloads_total", "Times that the rules directory was read, by whether all of it was live then.", extra.FailedReloads, "result", "not_live")
	if t := extra.Traces; t != nil {
		const help = "Spans of traces, by whether the collector took them, refused them, or chertd dropped them as the collector was slow or gone."
		w.counter("trace_spans_total", help, t.Sent, "result", "sent")
		w.counter("trace_spans_total", help, t.Rejected, "result", "rejected")
		w.counter("trace_spans_total", help, t.Dropped, "result", "dropped")
	}
	w.at("rules_last_reload_timestamp_seconds", "When the rules directory was last read.", extra.LastReload)
	if !extra.LastReload.IsZero() {
		w.gauge("rules_last_reload_duration_seconds", "How long it took to read the rules directory the last time, with the specs that ran.", extra.ReloadTook.Seconds())
	}
	w.flag("rules_readable", "Whether all of the rules directory could be read the last time.", !extra.RulesUnread)
	w.flag("rules_all_live", "Whether the files of all packs are live.", st.NotLive == 0 && !extra.RulesUnread)
	if s := extra.Settings; s != nil {
		w.flag("config_valid", "Whether chertd could use chertd.yaml and the secret files as they are now.", s.Error == "")
		help := "Settings that were changed and are not in use, by what applies them."
		w.gauge("config_unapplied_settings", help, float64(len(s.NotReloaded)), "needs", "reload")
		w.gauge("config_unapplied_settings", help, float64(len(s.NeedsRestart)), "needs", "restart")
	}
}

// sources writes what came in by each source since the start.
func (w *writer) sources(st *control.Status) {
	received := func(source, result string, n int64) {
		w.counter("events_received_total", "Events that came in, by source and whether they were new.", n, "source", source, "result", result)
	}
	lag := func(source string, l *control.Lag) {
		w.at("last_event_timestamp_seconds", "When a source last brought a new event.", l.LastEvent, "source", source)
		if !l.LastEvent.IsZero() {
			w.gauge("event_lag_seconds", "How long the new events of a source were under way, the median of five minutes.", l.MedianSeconds, "source", source)
			w.gauge("event_lag_max_seconds", "The same, the longest one.", l.MaxSeconds, "source", source)
		}
	}
	if h := st.Webhook; h != nil {
		received("webhook", "new", h.Accepted)
		received("webhook", "known", h.Duplicates)
		received("webhook", "quarantined", h.Quarantined)
		w.counter("webhook_unavailable_total", "Deliveries that were answered 503.", h.Unavailable)
		for _, why := range source.Refusals {
			w.counter("webhook_refused_total", "Requests to the webhook that were answered 4xx, by reason.", h.Refused[string(why)], "reason", word(string(why)))
		}
		lag("webhook", &h.Lag)
	}
	if c := st.Catchup; c != nil {
		received("catchup", "new", c.Found)
		received("catchup", "known", c.Rows-c.Found-c.Quarantined)
		received("catchup", "quarantined", c.Quarantined)
		w.oneOf("catchup_state", "How far the events log is read.", c.State, control.CatchupDone, control.CatchupReading, control.CatchupWaiting, control.CatchupFailing, control.CatchupNoLog)
		w.at("catchup_last_pass_timestamp_seconds", "When the events log was last read to its end.", c.Passed)
		lag("catchup", &c.Lag)
	}
	if s := st.Stream; s != nil {
		received("stream", "new", s.Events)
		received("stream", "known", s.Known)
		received("stream", "quarantined", s.Quarantined)
		w.flag("stream_connected", "Whether the stream is connected.", !s.Connected.IsZero())
		w.counter("stream_reconnects_total", "Times that the stream was connected again.", s.Reconnects)
		w.counter("stream_failures_total", "Attempts and connections of the stream that failed.", s.Failures)
		lag("stream", &s.Lag)
	}
	if f := st.File; f != nil {
		received("file", "new", f.Events)
		received("file", "known", f.Known)
		received("file", "quarantined", f.Quarantined)
	}
	received("signal", "new", st.Signals.Accepted)
	received("signal", "known", st.Signals.Duplicates)
	w.counter("signals_unavailable_total", "Signals that were answered 503.", st.Signals.Unavailable)
}
