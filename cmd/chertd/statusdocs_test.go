package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

// busyStatus is the status of docs/operations.md: of a daemon that catches up an outage, with
// something on each line but that of a drain.
func busyStatus() control.Status {
	lag := func(ago time.Duration) control.Lag {
		return control.Lag{LastEvent: at(12, 34).Add(-ago), Seconds: 0.4, MedianSeconds: 0.3, MaxSeconds: 2.1}
	}
	return control.Status{
		Version: "v1.2.0", Since: at(8, 0), Ready: true, Events: 1234567, Pending: 31, Early: 4, Missed: 12, Quarantined: 1, Intake: control.IntakeSlowed,
		Blocked: []control.Blocked{{
			Pack: "vip", Since: at(11, 20), Why: "rule hold is suspended: it fails again and again", Events: 12, Reads: 9,
			Fix: []string{"chertd rollback vip goes back to the version before", "chertd mode vip off ends the blocking"},
		}},
		Retrying: &control.Retried{Pack: "vip", Events: 40, Done: 25},
		Webhook:  &control.Webhook{Accepted: 8113, Duplicates: 7, Lag: lag(2 * time.Second), Refused: map[string]int64{"wrong signature": 4}, Unavailable: 2},
		Catchup:  &control.Catchup{State: control.CatchupReading, Ahead: 4200, Passed: at(12, 12), Found: 380, Lag: lag(3 * time.Second)},
		Stream:   &control.Stream{Connected: at(12, 33), Lag: lag(2 * time.Second), Events: 12, Known: 8101},
		File:     &control.File{Name: "events.jsonl", Line: 1200, Events: 1100, Known: 100},
		Signals:  control.Signals{Accepted: 3, Duplicates: 1},
		Calls:    control.Calls{State: control.CallsCatchUp, LastConfirmed: at(12, 30), Learned: 4.84, Ceiling: 50},
		NoCalls:  []string{"calls wait until missed events are caught up from the events log, until 2026-01-05T12:37:00Z at most"},
		Actions:  map[string]int64{"waiting": 12, "blocked": 9, "dead": 1, "done": 1180, "dropped": 24},
		Packs:    3, NotLive: 1, Ignored: []control.Ignored{{File: "rules/vip copy.lua"}},
		Switches: []control.Switch{{Pack: "codes", Rule: "read codes", Mode: "shadow", Until: at(15, 0), Then: "live", By: "anna", Reason: "wrong reads since noon"}},
		Bytes:    1610612736, Chats: 8113,
		Holds:     &control.Holds{Total: 1, First: []control.Hold{{Chat: "7d1b2c9e", Until: at(13, 31), By: "vip/hold", Reason: "asked for quiet"}}},
		Postponed: &control.Postponed{Total: 214, First: []control.Postponement{{Chat: "c0ffee11", Until: at(17, 0), By: "night-rest/wait for the hours", Reason: "outside of the hours"}}},
		Notify:    []control.NotifyTarget{{Target: "oncall", Waiting: 2, FailingSince: at(12, 0)}},
		Notes: []string{
			"notifications to oncall have failed since 2026-01-05T12:00:00Z: notify \"oncall\": no answer: connection refused",
			"pack codes: an edit is not live: it does not load",
		},
	}
}

// TestStatusIsExplained compares the status that docs/operations.md shows with what is
// printed, and checks that each of its lines and each label has an explanation.
func TestStatusIsExplained(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readText(t, "../../docs/operations.md"), "\n### Each line of status\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, example, _ := strings.Cut(section, "\n```text\n")
	example, after, _ := strings.Cut(example, "```\n")
	after, _, _ = strings.Cut(after, "\n### ")
	printed := printed(t, func(b *strings.Builder) error { return printStatus(b, busyStatus(), at(12, 34)) })
	var want strings.Builder
	number := 0
	for line := range strings.Lines(printed) {
		number++
		fmt.Fprintf(&want, "%2d  %s", number, line)
	}
	if example != want.String() {
		t.Errorf("docs/operations.md shows\n%s\nand this is printed:\n%s", example, want.String())
	}
	explained := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+)(?:–(\d+))? \|`).FindAllStringSubmatch(after, -1) {
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		for n := from; n <= max(from, to); n++ {
			if explained[n] {
				t.Errorf("line %d is explained twice", n)
			}
			explained[n] = true
		}
	}
	for n := 1; n <= number; n++ {
		if !explained[n] {
			t.Errorf("line %d is not explained", n)
		}
	}
	if len(explained) != number {
		t.Errorf("%d lines are explained, and %d are shown", len(explained), number)
	}
	labels := statusLabels(t)
	if len(labels) < 12 {
		t.Errorf("%d labels are found in the code: the test proves nothing", len(labels))
	}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if label != "" && !strings.Contains(after, "`"+label+"`") {
			t.Errorf("docs/operations.md does not explain the line %q of status", label)
		}
	}
}

// statusLabels returns the labels of the lines that printStatus prints.
func statusLabels(t *testing.T) map[string]bool {
	t.Helper()
	c, labels := loadCode(t), map[string]bool{"note": true}
	for name := range c.closures {
		if !strings.Contains(name, "/cmd/chertd/status.go:") || len(c.parametersOf(name)) != 3 {
			continue
		}
		for _, call := range c.calls[name] {
			for _, label := range c.texts(call.Args[0], 0) {
				labels[label.text] = true
			}
		}
	}
	return labels
}
