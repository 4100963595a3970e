package engine

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// What a daemon does shows in its metrics, once each.
func TestMetricsOfADaemon(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", readRules+`
chert.rule({ name = "fails", on = "message.received", where = { text = "break" }, run = function(ev) error("broken") end })
chert.rule({ name = "read", on = "message.received", where = { text = "hello" }, run = function(ev) chert.mark_read(ev.chat.id) end })
`)
	h := c.m.metrics.Handler(c.m)
	c.handle("c1", "e1", "hello")
	c.endedAs("c1", "read done (read)")
	c.handle("c2", "e2", "keep this")
	c.handle("c3", "e3", "break this")
	c.read("c2")
	text := ""
	c.wait("what was done to be counted", func() bool {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		text = w.Body.String()
		for _, want := range []string{
			`chertd_events_handled_total{source="webhook",type="message.received"} 3`,
			`chertd_events_handled_total{source="engine",type="operator.read"} 1`,
			`chertd_rule_runs_total{mode="live",outcome="ok",pack="a",rule="read"} 1`,
			`chertd_rule_runs_total{mode="live",outcome="failed",pack="a",rule="fails"} 1`,
			`chertd_rule_matched_total{mode="live",pack="a",rule="keep"} 1`,
			`chertd_rule_reads{mode="live",pack="a",result="read",rule="read"} 1`,
			`chertd_actions_ended_total{kind="read",status="done",why="read"} 1`,
			`chertd_actions_ended_total{kind="read",status="dropped",why="vetoed"} 1`,
			`chertd_calls_total{code="0",http="200",kind="read"} 1`,
			`chertd_pack_missed_events{pack="a"} 1`,
			`chertd_pack_rules{pack="a"} 3`,
			`chertd_rules_all_live 1`,
			`chertd_store_commit_seconds_count `,
		} {
			if !strings.Contains(text, "\n"+want) {
				return false
			}
		}
		return true
	})
	if !strings.Contains(text, `chertd_rules_reloads_total{result="live"} 1`) {
		t.Errorf("the start does not count as a reading of the rules:\n%s", text)
	}
}
