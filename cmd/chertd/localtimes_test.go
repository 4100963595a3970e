package main

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

// inZone makes the terminal's zone one for the time of a test.
func inZone(t *testing.T, hours int) {
	was := time.Local
	time.Local = time.FixedZone("", hours*60*60)
	t.Cleanup(func() { time.Local = was })
}

func TestLocalTimes(t *testing.T) {
	inZone(t, -5)
	for sentence, want := range map[string]string{
		"marked as read at 2026-01-05 12:00:14Z, for codes": "marked as read at 2026-01-05 07:00:14-05:00, for codes",
		"its delay ends at 2026-01-05T03:04:05Z":            "its delay ends at 2026-01-04 22:04:05-05:00",
		"from 2026-01-05T12:00:00.25Z (then)":               "from 2026-01-05 07:00:00-05:00 (then)",
		"event evt_2026-01-05T12:00:00Z stays":              "event evt_2026-01-05T12:00:00Z stays",
		"on 2026-02-31T12:00:00Z":                           "on 2026-02-31T12:00:00Z",
		"12:00:00 of 2026-01-05":                            "12:00:00 of 2026-01-05",
	} {
		if got := localTimes(sentence); got != want {
			t.Errorf("%q is shown as %q, want %q", sentence, got, want)
		}
	}
}

// Sentences of the daemon have their times in UTC. The terminal shows them in its own zone, as
// the times beside them, and does not touch what people wrote.
func TestExplainShowsOneZone(t *testing.T) {
	inZone(t, -5)
	due := time.Date(2026, 1, 5, 12, 0, 30, 0, time.UTC)
	e := control.Explained{Events: []control.ExplainedEvent{{
		Outcome: "waiting", Summary: "marked as read at 2026-01-05 12:00:14Z", Received: due, Handled: due, Text: "come at 2026-01-05T12:00:00Z",
		Waits:   []string{"calls wait until 2026-01-05T12:37:00Z"},
		Actions: []control.ExplainedAction{{ID: "1.0", Status: "waiting", Due: due, Requested: due.Add(-time.Second), WaitsFor: "its delay ends at 2026-01-05T12:00:30Z"}},
	}}}
	var b strings.Builder
	if err := printExplained(&b, e, control.ExplainQuery{}); err != nil {
		t.Fatal(err)
	}
	out := strings.Replace(b.String(), "come at 2026-01-05T12:00:00Z", "TEXT", 1)
	if strings.Contains(out, "12:0") || strings.Contains(out, "00Z") || !strings.Contains(out, "TEXT") {
		t.Errorf("a time is in UTC, or the text is changed:\n%s", b.String())
	}
	for _, want := range []string{"read at 2026-01-05 07:00:14-05:00", "ends at 2026-01-05 07:00:30-05:00", "wait until 2026-01-05 07:37:00-05:00"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if e.Events[0].Waits[0] != "calls wait until 2026-01-05T12:37:00Z" {
		t.Error("printing changed the data of the caller")
	}
}
