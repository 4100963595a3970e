package main

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

// Who confirmed an action is named: Chert, or the target of a notification.
func TestExplainNamesWhoConfirmed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)
	for kind, want := range map[string]string{"send": "; Chert confirmed it after 2s", "notify": "; the target confirmed it after 2s"} {
		e := control.ExplainedEvent{Received: at, Handled: at, Actions: []control.ExplainedAction{
			{ID: "1.0", Kind: kind, Status: "done", Requested: at, Due: at, Called: at, Ended: at.Add(2 * time.Second)},
		}}
		var b strings.Builder
		if err := printExplained(&b, control.Explained{Events: []control.ExplainedEvent{e}}, control.ExplainQuery{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: the output lacks %q:\n%s", kind, want, b.String())
		}
	}
}
