package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"chertd/engine/control"
	"chertd/rules"
)

// packs writes the state of each pack.
func (w *writer) packs(all []control.Pack, extra *Extra) {
	for i := range all {
		p := &all[i]
		w.gauge("pack_info", "1, with the live version of a pack (empty: none) and its mode.", 1, "pack", p.Name, "version", p.Version, "mode", p.Mode)
		w.at("pack_live_since_timestamp_seconds", "When the live version of a pack became live.", p.Since, "pack", p.Name)
		w.gauge("pack_rules", "Rules of a pack.", float64(p.Rules), "pack", p.Name)
		w.flag("pack_edit_not_live", "Whether the files of a pack are not live, because they do not load or do not pass.", p.NotLive != "" && !p.Unread, "pack", p.Name)
		w.flag("pack_gone", "Whether the files of a live pack are gone.", p.Gone, "pack", p.Name)
		w.gauge("pack_suspended_rules", "Rules of a pack that are suspended, in all chats or in some.", float64(len(p.Suspended)), "pack", p.Name)
		w.gauge("pack_missed_events", "Events that a pack has missed.", float64(p.Missed), "pack", p.Name)
		w.flag("pack_blocks_reads", "Whether a pack that can veto blocks reads.", p.Blocked != nil, "pack", p.Name)
		var reads int64
		if p.Blocked != nil {
			reads = p.Blocked.Reads
		}
		w.gauge("pack_blocked_reads", "Reads that are blocked because of a pack.", float64(reads), "pack", p.Name)
		if kept, ok := extra.Kept[p.Name]; ok {
			w.gauge("pack_memory_bytes", "Memory that the Lua VMs of a pack keep between events.", float64(kept), "pack", p.Name)
		}
	}
}

// rules writes what each rule did, over its versions and restarts.
func (w *writer) rules(all *control.Rules) {
	for i := range all.Rules {
		r := &all.Rules[i]
		w.rule(r, modes[rules.RoleLive], &r.RuleCounts)
		if r.Shadow != nil {
			w.rule(r, modes[rules.RoleShadow], r.Shadow)
		}
		if r.Candidate != nil {
			w.rule(r, modes[rules.RoleCandidate], r.Candidate)
		}
		w.at("rule_last_matched_timestamp_seconds", "When a rule last matched an event.", r.LastMatched, "pack", r.Pack, "rule", r.Rule)
		w.counter("rule_reads_stopped_total", "Reads of rules that a rule vetoed.", r.Stopped, "pack", r.Pack, "rule", r.Rule)
	}
}

// rule writes what a rule did live, or in shadow.
func (w *writer) rule(r *control.Rule, mode string, n *control.RuleCounts) {
	count := func(name, help string, value int64, more ...string) {
		w.counter(name, help, value, append([]string{"pack", r.Pack, "rule", r.Rule, "mode", mode}, more...)...)
	}
	count("rule_matched_total", "Events on which a rule's where held.", n.Matched)
	// Retries may take these back, so they are gauges.
	state := func(name, help string, value int64, more ...string) {
		w.gauge(name, help, float64(value), append([]string{"pack", r.Pack, "rule", r.Rule, "mode", mode}, more...)...)
	}
	state("rule_failed_events", "Events on which a rule failed, and has not succeeded since.", n.Failed)
	count("rule_requests_total", "Requests of a rule, of every kind.", n.Requested)
	for _, x := range []struct {
		result string
		n      int64
	}{{"read", n.Read}, {"vetoed", n.Vetoed}, {"superseded", n.Superseded}, {"dead", n.Dead}, {"other", n.Ended}} {
		if n.Reads > 0 || x.n > 0 { // many rules request none
			state("rule_reads", "Reads that a rule requested, by what became of them; those that wait are in none.", x.n, "result", x.result)
		}
	}
	count("rule_steps_total", "VM steps of a rule.", n.Steps)
	w.write(prometheus.CounterValue, "rule_seconds_total", "Time that a rule took.", float64(n.TookUS)/1e6, "pack", r.Pack, "rule", r.Rule, "mode", mode)
}
