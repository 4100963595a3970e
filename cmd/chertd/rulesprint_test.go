package main

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

func TestPrintRules(t *testing.T) {
	t.Parallel()
	all := control.Rules{At: at(12, 0), Since: at(12, 0).AddDate(0, 0, -3), Rules: []control.Rule{
		{Pack: "codes", Rule: "read", Mode: "live", Place: "rules/codes.lua:3", Since: at(12, 0), LastMatched: at(11, 59),
			RuleCounts:  control.RuleCounts{Matched: 1_234_567, Ran: 123_456, Requested: 99_999, Reads: 99_000, Read: 100_000, Vetoed: 12, Superseded: 3, Failed: 1, Dead: 2, Steps: 123_456_000, TookUS: 2_469_120},
			LastFailure: &control.RuleFailure{At: at(11, 0), Event: "e7", Error: "rules/codes.lua:5: oh\nno"}},
		{Pack: "try", Rule: "all", Mode: "shadow", Place: "rules/try.lua:1", LastMatched: at(11, 59), Shadow: &control.RuleCounts{Matched: 7, Ran: 7, Requested: 7, Reads: 7}},
		{Pack: "vip", Rule: "hold", Mode: "live", Place: "rules/vip.lua:1", LastMatched: at(11, 59), Stopped: 409,
			RuleCounts: control.RuleCounts{Matched: 518, Ran: 518, Requested: 518}, Shadow: &control.RuleCounts{Matched: 2}, Candidate: &control.RuleCounts{Matched: 3}},
		{Pack: "vip", Rule: "late", Mode: "live", Place: "rules/vip.lua:9", LastMatched: at(11, 59),
			RuleCounts: control.RuleCounts{Matched: 412, Ran: 412, Requested: 412, Reads: 412, Read: 3, Vetoed: 409}, VetoedMostly: &control.RuleVetoes{By: "vip/hold", Place: "rules/vip.lua:1", Reads: 409}},
		{Pack: "vip", Rule: "old\x1b[2J", Mode: "gone", Since: at(12, 0).AddDate(0, 0, -2)},
	}}
	want := `
RULE  PLACE  LAST MATCH
  MODE      MATCHED REQUESTED    READ  VETOED SUPERSEDED FAILED MS/RUN STEPS/RUN
codes/read  rules/codes.lua:3  2026-01-05 11:59Z
  live       1,234k    99,999    100k      12          3      1   0.02     1,000
  2 reads are dead: chertd dead lists them
  failed last at 2026-01-05 11:00Z on event e7: rules/codes.lua:5: oh\nno
try/all  rules/try.lua:1  2026-01-05 11:59Z
  shadow          7         7       0       0          0      0   0.00         0
vip/hold  rules/vip.lua:1  2026-01-05 11:59Z
  live          518       518       0       0          0      0   0.00         0
  shadow          2         0       0       0          0      0      -         -
  candidate       3         0       0       0          0      0      -         -
  it vetoed 409 reads
vip/late  rules/vip.lua:9  2026-01-05 11:59Z
  live          412       412       3     409          0      0   0.00         0
  hint: vip/late asked 412 reads, 409 vetoed by vip/hold (rules/vip.lua:1)
vip/old\x1b[2J  -  never (since 2026-01-03)
  gone            0         0       0       0          0      0      -         -
`
	compare(t, printed(t, func(b *strings.Builder) error { return printRules(b, all, control.RulesQuery{}) }), want)
	compare(t, printed(t, func(b *strings.Builder) error {
		return printRules(b, all, control.RulesQuery{Stale: 30 * 24 * time.Hour})
	}), want+`  note: it is counted for 2d only
note: this store counts rules for 3d only, since 2026-01-02 12:00Z
`)
	all.Rules = []control.Rule{{Pack: "p", Rule: "r", Mode: "live", LastMatched: at(11, 59), LastFailure: &control.RuleFailure{At: at(11, 0), Error: "p.lua:5: oh\n  hint: x is nil here"}}}
	if got := printed(t, func(b *strings.Builder) error { return printRules(b, all, control.RulesQuery{}) }); !strings.HasSuffix(got, ": p.lua:5: oh\n    hint: x is nil here\n") {
		t.Errorf("a failure with a hint:\n%s", got)
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printRules(b, control.Rules{}, control.RulesQuery{}) }), "\nno rules\n")
}
