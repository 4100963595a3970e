package tracing

import (
	"testing"

	"chertd/engine/event"
)

// TestIDsAndTypesNameNobody: senders choose ids and types of events, which may have a person's number.
func TestIDsAndTypesNameNobody(t *testing.T) {
	t.Parallel()
	ev := &event.Event{ID: "reply to +14155550123", Type: "of.ann@example.com"}
	if got := shownID(ev); got != "" {
		t.Errorf("the id is shown as %q", got)
	}
	if got := kindOf(ev); got != "•••@example.com" {
		t.Errorf("the type is shown as %q", got)
	}
}
