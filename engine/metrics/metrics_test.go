package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/source"
	"chertd/engine/tracing"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// daemon is a source that has everything.
type daemon struct {
	rules []control.Rule
	packs []control.Pack
	err   error
}

var noon = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

func (d *daemon) Status(context.Context) (control.Status, error) {
	lag := control.Lag{LastEvent: noon, Seconds: 1, MedianSeconds: 1, MaxSeconds: 2}
	return control.Status{
		Since: noon, Ready: true, Events: 7, Pending: 1, Actions: map[string]int64{"dead": 2}, Bytes: 4096, Intake: control.IntakeSlowed,
		Holds: &control.Holds{Total: 3}, Postponed: &control.Postponed{Total: 2}, HeldSelections: []control.SelectionHold{{ID: 1}},
		Notify:  []control.NotifyTarget{{Target: "oncall", Waiting: 2, FailingSince: noon}},
		Calls:   control.Calls{State: control.CallsFail, LastConfirmed: noon, Ceiling: 10, Learned: 5, Lines: []control.LineStop{{Line: "+14155550100"}}},
		Webhook: &control.Webhook{Lag: lag, Accepted: 5, Refused: map[string]int64{string(source.RefusedWrong): 1}},
		Catchup: &control.Catchup{State: control.CatchupDone, Passed: noon, Rows: 9, Found: 2, Lag: lag},
		Stream:  &control.Stream{Connected: noon, Lag: lag, Events: 1}, File: &control.File{Events: 1}, Signals: control.Signals{Accepted: 1},
		NotLive: 1,
	}, d.err
}
func (d *daemon) Packs(context.Context) ([]control.Pack, error) { return d.packs, d.err }
func (d *daemon) Rules(context.Context, control.RulesQuery) (control.Rules, error) {
	return control.Rules{Rules: d.rules}, d.err
}
func (d *daemon) Extra(context.Context) Extra {
	return Extra{OldestPending: noon, DiskFree: 1 << 30, Reloads: 3, FailedReloads: 1, LastReload: noon, Kept: map[string]int64{"vip": 4096},
		Traces: &tracing.Counts{Sent: 5, Rejected: 1, Dropped: 2}, ReloadTook: 250 * time.Millisecond,
		Settings: &control.SettingsInUse{NeedsRestart: []string{"store.url"}}}
}

func full() *daemon {
	counts := control.RuleCounts{Matched: 5, Ran: 4, Failed: 1, Requested: 3, Reads: 3, Read: 1, Vetoed: 1, Superseded: 1, Steps: 100, TookUS: 2500}
	return &daemon{
		packs: []control.Pack{{Name: "vip", Version: "3f786850", Mode: "live", Since: noon, Rules: 2, NotLive: "it does not load", Blocked: &control.Blocked{Reads: 4}, Missed: 2}},
		rules: []control.Rule{{Pack: "vip", Rule: "hold", RuleCounts: counts, Shadow: &counts, LastMatched: noon, Stopped: 9}},
	}
}

// busy returns metrics of a daemon on which each kind of thing has happened.
func busy(s Source) *Metrics {
	m := New("1.0")
	m.Handler(s)
	actions := []chat.Action{{Kind: chat.Read, Status: chat.Done, Why: chat.WhyRead, Ended: noon}, {Kind: chat.Read, Status: chat.Waiting}}
	m.Handled(&turn.Entry{Arrival: turn.Arrival{Received: noon, Event: event.Event{Type: event.MessageReceived, Source: event.SourceWebhook, Chat: &event.Chat{ID: "c1"}}}},
		&turn.Decision{Took: time.Millisecond, Rules: []turn.RuleDecision{{Pack: "vip", Rule: "hold"}, {Pack: "vip", Rule: "hold", Error: "it failed"}, {Pack: "vip", Rule: "hold", Skipped: "outside its hours"}}}, actions, noon.Add(time.Second))
	m.Rerun(&turn.Decision{Rules: []turn.RuleDecision{{Pack: "vip", Rule: "hold", Error: "it failed"}, {Pack: "vip", Rule: "hold", Rerun: noon}}}, nil)
	for _, err := range []*chert.Error{nil, {Status: 429, Code: chert.CodeRateLimited}, {Status: 999, Code: 77}, {}, {Local: true}} {
		http := 200
		if err != nil {
			http = err.Status
		}
		m.Called(&dispatch.Attempt{Call: chat.Call{Kind: chat.Read}, Began: noon, Ended: noon.Add(time.Second), HTTP: http, Err: err})
	}
	m.Requested("POST /api/v1/packs/{pack}/mode", http.StatusOK)
	m.Requested("none", http.StatusUnauthorized)
	return m
}

// scrape returns what Prometheus gets.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// prometheusTexts returns what a part of the state writes.
func prometheusTexts(t *testing.T, write func(*writer)) string {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(part(write))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// part is a part of the state as a collector.
type part func(*writer)

func (p part) Describe(chan<- *prometheus.Desc)    {}
func (p part) Collect(ch chan<- prometheus.Metric) { p(&writer{ch, map[string]*prometheus.Desc{}}) }

// The names, types and help texts are as the linter of promtool wants them.
func TestMetricsPassPromlint(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(busy(full()).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	t.Parallel()
	text := scrape(t, busy(full()))
	for _, want := range []string{
		`chertd_events_handled_total{source="webhook",type="message.received"} 1`,
		`chertd_event_delay_seconds_sum 1`,
		`chertd_rule_runs_total{mode="live",outcome="ok",pack="vip",rule="hold"} 2`,
		`chertd_rule_runs_total{mode="live",outcome="failed",pack="vip",rule="hold"} 1`,
		`chertd_rule_runs_total{mode="live",outcome="outside_its_hours",pack="vip",rule="hold"} 1`,
		`chertd_actions_ended_total{kind="read",status="done",why="read"} 1`,
		`chertd_calls_total{code="0",http="200",kind="read"} 1`,
		`chertd_calls_total{code="` + fmt.Sprint(chert.CodeRateLimited) + `",http="429",kind="read"} 1`,
		`chertd_calls_total{code="other",http="other",kind="read"} 1`,
		`chertd_calls_total{code="0",http="0",kind="read"} 1`,
		`chertd_call_seconds_count{kind="read"} 4`,
		`chertd_calls_state{state="failing"} 1`,
		`chertd_calls_state{state="going_out"} 0`,
		`chertd_actions{status="dead"} 2`,
		`chertd_pack_edit_not_live{pack="vip"} 1`,
		`chertd_pack_blocks_reads{pack="vip"} 1`,
		`chertd_pack_blocked_reads{pack="vip"} 4`,
		`chertd_pack_memory_bytes{pack="vip"} 4096`,
		`chertd_rule_matched_total{mode="live",pack="vip",rule="hold"} 5`,
		`chertd_rule_reads{mode="live",pack="vip",result="vetoed",rule="hold"} 1`,
		`chertd_rule_reads_stopped_total{pack="vip",rule="hold"} 9`,
		`chertd_rule_seconds_total{mode="live",pack="vip",rule="hold"} 0.0025`,
		`chertd_store_writable 1`,
		`chertd_rules_all_live 0`,
		`chertd_rules_readable 1`,
		`chertd_rules_last_reload_duration_seconds 0.25`,
		`chertd_config_valid 1`,
		`chertd_config_unapplied_settings{needs="reload"} 0`,
		`chertd_config_unapplied_settings{needs="restart"} 1`,
		`chertd_webhook_refused_total{reason="wrong_signature"} 1`,
		`chertd_lines_stopped 1`,
		`chertd_build_info{version="1.0"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, secret := range []string{"c1", "+1415"} {
		if strings.Contains(text, secret) {
			t.Errorf("a label has %s", secret)
		}
	}
}

// The series of a rule go with it, and those of others stay.
func TestSeriesOfAVanishedRuleGo(t *testing.T) {
	t.Parallel()
	d := full()
	m := busy(d)
	m.Handled(&turn.Entry{}, &turn.Decision{Rules: []turn.RuleDecision{{Pack: "vip", Rule: "other"}}}, nil, noon)
	d.rules = append(d.rules, control.Rule{Pack: "vip", Rule: "other"})
	if text := scrape(t, m); !strings.Contains(text, `rule="hold"`) || !strings.Contains(text, `chertd_rule_runs_total{mode="live",outcome="ok",pack="vip",rule="other"} 1`) {
		t.Fatalf("there is no series of a rule:\n%s", text)
	}
	d.rules, d.packs = d.rules[1:], nil
	text := scrape(t, m)
	if strings.Contains(text, `rule="hold"`) || strings.Contains(text, "chertd_pack_") || !strings.Contains(text, `rule="other"`) {
		t.Errorf("after the rule and the pack are gone:\n%s", text)
	}
}

// Whatever an event or a rule is called, the number of series stays bounded and the scrape works.
func TestLabelsAreBoundedAndValid(t *testing.T) {
	t.Parallel()
	d := full()
	d.rules = append(d.rules, control.Rule{Pack: "vip", Rule: "bad\xff\n\"name"})
	m := busy(d)
	for i := range 10 * maxTypes {
		ev := event.Event{Type: fmt.Sprintf("new.type.%d", i), Source: event.SourceWebhook}
		m.Handled(&turn.Entry{Arrival: turn.Arrival{Event: ev}}, &turn.Decision{Rules: []turn.RuleDecision{{Pack: "vip", Rule: "bad\xff\n\"name"}}}, nil, noon)
	}
	m.Handled(&turn.Entry{Arrival: turn.Arrival{Event: event.Event{Type: event.ReactionAdded, Source: event.SourceWebhook}}}, &turn.Decision{}, nil, noon)
	for _, kind := range []string{"\xff\xfe", strings.Repeat("x", maxTypeLength+1), "timer:of " + strings.Repeat("c", 50)} {
		m.Handled(&turn.Entry{Arrival: turn.Arrival{Event: event.Event{Type: kind, Source: event.SourceEngine}}}, &turn.Decision{}, nil, noon)
	}
	text := scrape(t, m)
	n := strings.Count(text, "\nchertd_events_handled_total{")
	if n > maxTypes+5 || n < maxTypes || !strings.Contains(text, `type="other"`) || !strings.Contains(text, `type="timer"`) {
		t.Errorf("%d types have series", n)
	}
	if !strings.Contains(text, `{source="webhook",type="reaction.added"} 1`) {
		t.Error("types that strangers made up keep a documented one from being counted")
	}
	if strings.Contains(text, "xxx") {
		t.Error("a long type is a label")
	}
}

// A store that does not answer leaves what is counted in memory.
func TestScrapeWithoutAStatus(t *testing.T) {
	t.Parallel()
	d := full()
	m := busy(d)
	d.err = errors.New("the store does not answer")
	text := scrape(t, m)
	if !strings.Contains(text, "\nchertd_up 0") || !strings.Contains(text, "chertd_events_handled_total{") || strings.Contains(text, "chertd_pack_info") {
		t.Errorf("it is\n%s", text)
	}
}

// A counter that an alert compares begins at zero: increase does not see how a series begins,
// and a rule may fail ten times before the next scrape.
func TestCountersOfFailuresBeginAtZero(t *testing.T) {
	t.Parallel()
	d := full()
	d.rules = append(d.rules, control.Rule{Pack: "vip", Rule: "new"})
	m := New("1.0")
	m.Handler(d)
	text := scrape(t, m)
	for _, want := range []string{`chertd_rule_runs_total{mode="live",outcome="failed",pack="vip",rule="new"} 0`, `chertd_webhook_refused_total{reason="body_too_large"} 0`} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// A store on a full disk can be read, and not written.
func TestStoreThatCanOnlyBeReadIsNotWritable(t *testing.T) {
	t.Parallel()
	w := prometheusTexts(t, func(w *writer) { w.status(&control.Status{}, &Extra{StoreFails: true}) })
	if !strings.Contains(w, "\nchertd_store_writable 0\n") || !strings.Contains(w, "\nchertd_store_answers 1\n") {
		t.Errorf("a store that can only be read is\n%s", w)
	}
}

// Rules that can't be read are not all live, whatever was known of them before.
func TestUnreadRulesAreNotLive(t *testing.T) {
	t.Parallel()
	w := prometheusTexts(t, func(w *writer) {
		w.reloads(&control.Status{}, &Extra{RulesUnread: true, Settings: &control.SettingsInUse{Error: "x"}})
	})
	for _, want := range []string{"chertd_rules_all_live 0", "chertd_rules_readable 0", "chertd_config_valid 0"} {
		if !strings.Contains(w, "\n"+want) {
			t.Errorf("there is no %s in\n%s", want, w)
		}
	}
}

// stuck is a source of which nothing returns, whatever its context says, as with a disk that
// hangs.
type stuck struct {
	daemon
	asked atomic.Int64
	end   chan struct{}
}

func (s *stuck) Status(context.Context) (control.Status, error) {
	s.asked.Add(1)
	<-s.end
	return control.Status{}, nil
}
func (s *stuck) Rules(context.Context, control.RulesQuery) (control.Rules, error) {
	<-s.end
	return control.Rules{Rules: s.rules}, nil
}

// Scrapes are answered in time with what is in memory while the source hangs, and they do not
// pile up.
func TestScrapeWhileTheSourceHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{daemon: *full(), end: make(chan struct{})}
		m := New("1.0")
		m.Handler(s)
		m.Handled(&turn.Entry{}, &turn.Decision{Rules: []turn.RuleDecision{{Pack: "vip", Rule: "hold"}}}, nil, noon)
		for range 3 {
			began := time.Now()
			text := scrape(t, m)
			if !strings.Contains(text, "\nchertd_up 0") || !strings.Contains(text, "\nchertd_events_handled_total{") || !strings.Contains(text, "\nchertd_rule_runs_total{") {
				t.Errorf("it is\n%s", text)
			}
			if took := time.Since(began); took > askTime {
				t.Errorf("a scrape took %v", took)
			}
		}
		if n := s.asked.Load(); n != 1 {
			t.Errorf("the source was asked %d times while one answer was due", n)
		}
		close(s.end)
		synctest.Wait()
		if text := scrape(t, m); !strings.Contains(text, "\nchertd_up 1") {
			t.Errorf("after the disk is back it is\n%s", text)
		}
	})
}

// docs/monitoring.md has each metric, and none that there is not.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, there []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(doc), -1) {
		for _, name := range regexp.MustCompile("`(chertd_[a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, name[1])
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (chertd_[a-z_]+) `).FindAllStringSubmatch(scrape(t, busy(full())), -1) {
		there = append(there, name[1])
	}
	slices.Sort(documented)
	slices.Sort(there)
	for _, name := range there {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/monitoring.md does not have %s", name)
		}
	}
	for i, name := range documented {
		if !slices.Contains(there, name) || i > 0 && documented[i-1] == name {
			t.Errorf("docs/monitoring.md has %s, which is not there or is there twice", name)
		}
	}
}

// What a candidate or a pack in shadow does is not counted as of the live version: a candidate that
// fails on each event would let the live rule look broken.
func TestRunsAreCountedByMode(t *testing.T) {
	t.Parallel()
	d := full()
	d.rules = []control.Rule{{Pack: "vip", Rule: "hold", Mode: "live"}, {Pack: "dry", Rule: "read", Mode: "shadow"}}
	d.packs[0].Candidate = &control.Candidate{}
	m := New("1.0")
	m.Handler(d)
	text := scrape(t, m)
	for _, want := range []string{ // before anything has failed: increase does not see how a series begins
		`{mode="live",outcome="failed",pack="vip",rule="hold"} 0`,
		`{mode="candidate",outcome="failed",pack="vip",rule="hold"} 0`,
		`{mode="shadow",outcome="failed",pack="dry",rule="read"} 0`,
	} {
		if !strings.Contains(text, "\nchertd_rule_runs_total"+want) {
			t.Errorf("there is no %s", want)
		}
	}
	m.Handled(&turn.Entry{}, &turn.Decision{Rules: []turn.RuleDecision{
		{Pack: "vip", Rule: "hold"}, {Pack: "vip", Rule: "hold", Candidate: true, Shadow: true, Error: "it failed"}, {Pack: "dry", Rule: "read", Shadow: true},
	}}, nil, noon)
	text = scrape(t, m)
	for _, want := range []string{
		`{mode="live",outcome="ok",pack="vip",rule="hold"} 1`,
		`{mode="live",outcome="failed",pack="vip",rule="hold"} 0`,
		`{mode="candidate",outcome="failed",pack="vip",rule="hold"} 1`,
		`{mode="shadow",outcome="ok",pack="dry",rule="read"} 1`,
	} {
		if !strings.Contains(text, "\nchertd_rule_runs_total"+want) {
			t.Errorf("there is no %s:\n%s", want, text)
		}
	}
	d.rules = nil
	if text := scrape(t, m); strings.Contains(text, "chertd_rule_runs_total{") {
		t.Errorf("series of vanished rules stay:\n%s", text)
	}
}
