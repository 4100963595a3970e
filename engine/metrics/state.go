package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// state is the part of the metrics that is asked for at each scrape.
type state struct {
	m      *Metrics
	source Source
}

// Describe implements prometheus.Collector. Describing nothing makes the collector unchecked: which
// series there are depends on the packs.
func (s *state) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	w := &writer{ch: ch}
	st, err := s.source.Status(ctx)
	if err != nil {
		w.gauge("up", "Whether the state of the daemon could be read.", 0)
		return
	}
	w.gauge("up", "Whether the state of the daemon could be read.", 1)
	extra := s.source.Extra(ctx)
	w.status(&st, &extra)
	w.sources(&st)
	packs, err := s.source.Packs(ctx)
	if err == nil {
		w.packs(packs, &extra)
	}
	rules, err := s.source.Rules(ctx, control.RulesQuery{})
	if err == nil {
		w.rules(&rules)
		s.m.forget(&rules)
	}
}

// forget removes the series of rules that no pack has now.
func (m *Metrics) forget(now *control.Rules) {
	there := map[ruleKey]bool{}
	for i := range now.Rules {
		there[ruleKey{label(now.Rules[i].Pack), label(now.Rules[i].Rule)}] = true
	}
	m.runs.Range(func(key, _ any) bool {
		if k := key.(ruleKey); !there[k] {
			m.ruleRuns.DeletePartialMatch(prometheus.Labels{"pack": k.pack, "rule": k.rule})
			m.runs.Delete(k)
		}
		return true
	})
}

// writer makes metrics of one scrape.
type writer struct{ ch chan<- prometheus.Metric }

// labels are names and values in turn.
func (w *writer) write(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, label(labels[i+1]))
	}
	w.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("chertd_"+name, help, names, nil), kind, value, values...)
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
	w.counter("rules_reloads_total", "Times that the rules directory was read, by whether all of it was live then.", extra.Reloads, "result", "live")
	w.counter("rules_reloads_total", "Times that the rules directory was read, by whether all of it was live then.", extra.FailedReloads, "result", "not_live")
	if t := extra.Traces; t != nil {
		const help = "Spans of traces, by whether the collector took them, refused them, or chertd dropped them as the collector was slow or gone."
		w.counter("trace_spans_total", help, t.Sent, "result", "sent")
		w.counter("trace_spans_total", help, t.Rejected, "result", "rejected")
		w.counter("trace_spans_total", help, t.Dropped, "result", "dropped")
	}
	w.at("rules_last_reload_timestamp_seconds", "When the rules directory was last read.", extra.LastReload)
	w.flag("rules_all_live", "Whether the files of all packs are live.", st.NotLive == 0)
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
		for reason, n := range h.Refused {
			w.counter("webhook_refused_total", "Requests to the webhook that were answered 4xx, by reason.", n, "reason", word(reason))
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
