package main

import (
	"strings"
	"testing"

	"chertd/engine/control"
)

func TestPrintDifferences(t *testing.T) {
	t.Parallel()
	of := func(place string, asked ...string) control.RuleRequests {
		return control.RuleRequests{Rule: "read", Place: place, Asked: asked}
	}
	compare(t, printed(t, func(b *strings.Builder) error {
		return printDifferences(b, control.Differences{
			Pack: "codes",
			Comparison: &control.Comparison{Version: "89e6c98d92887913", Against: "3f786850e387550f", Since: at(12, 0), Events: 12345, Agreed: 12338, Differ: 7,
				FailedLive: 1, FailedCandidate: 1, Veto: 1, ReadLive: 1, ReadCandidate: 1, Time: 1, Other: 1},
			Events: []control.Differing{
				{At: at(12, 5), Event: "e7", Chat: "c1", Result: "time", Live: []control.RuleRequests{of("codes.lua:3", "mark_read after 30s")}, Candidate: []control.RuleRequests{of("codes.lua:4", "mark_read after 1m", "typing")}},
				{At: at(12, 4), Event: "e6", Result: "failed_candidate", Live: []control.RuleRequests{of("codes.lua:3")}, Candidate: []control.RuleRequests{{Rule: "read", Place: "codes.lua:4", Error: "codes.lua:5: oh"}}},
				{At: at(12, 3), Event: "e5", Chat: "c1", Result: "read_candidate", Candidate: []control.RuleRequests{of("codes.lua:4", "mark_read"), {Rule: "b", Place: "codes.lua:9", Skipped: "cooldown"}}},
			},
		})
	}), `
pack codes: candidate 89e6c98d against live 3f786850
  12,345 events since 2026-01-05 12:00Z: 12,338 agree, 7 differ
  only the live version failed: 1
  failed in shadow only: 1
  a veto differs: 1
  read only by the live version: 1
  read only in shadow: 1
  at another time: 1
  other actions differ: 1

2026-01-05 12:05Z  at another time  chat c1  event e7
  live       mark_read after 30s (read, codes.lua:3)
  candidate  mark_read after 1m, typing (read, codes.lua:4)

2026-01-05 12:04Z  failed in shadow only  no chat  event e6
  live       nothing (read, codes.lua:3)
  candidate  failed: codes.lua:5: oh (read, codes.lua:4)

2026-01-05 12:03Z  read only in shadow  chat c1  event e5
  live       no rule wants it
  candidate  mark_read (read, codes.lua:4)
  candidate  skipped: cooldown (b, codes.lua:9)
`)
	compare(t, printed(t, func(b *strings.Builder) error {
		return printDifferences(b, control.Differences{
			Pack: "codes", Comparison: &control.Comparison{Version: "89e6c98d92887913", Since: at(12, 0), Events: 2, Agreed: 1, Differ: 1, Veto: 1},
			Events: []control.Differing{
				{At: at(12, 5), Event: "e7", Chat: "c1", Result: "veto", Candidate: []control.RuleRequests{of("codes.lua:3", "keep_unread")}, Reads: []string{"read by vip/all: done"}},
				{At: at(12, 4), Event: "e6", Chat: "c1", Result: "read_candidate", Candidate: []control.RuleRequests{of("codes.lua:3", "mark_read")}},
			},
		})
	}), `
pack codes: version 89e6c98d in shadow against what became of the chats
  2 events since 2026-01-05 12:00Z: 1 agree, 1 differ
  a veto differs: 1

2026-01-05 12:05Z  a veto differs  chat c1  event e7
  in shadow  keep_unread (read, codes.lua:3)
  the chat   read by vip/all: done

2026-01-05 12:04Z  read only in shadow  chat c1  event e6
  in shadow  mark_read (read, codes.lua:3)
  the chat   no read on this event
`)
	compare(t, printed(t, func(b *strings.Builder) error {
		return printDifferences(b, control.Differences{Pack: "codes", Comparison: &control.Comparison{Version: "89e6c98d", Against: "3f786850"}})
	}), "pack codes: candidate 89e6c98d against live 3f786850\n  no event yet\n")
	compare(t, printed(t, func(b *strings.Builder) error { return printDifferences(b, control.Differences{Pack: "codes"}) }),
		"pack codes: nothing of it runs in shadow\n  hint: chertd shadow codes PATH runs a changed version beside the live one\n")
}
