package rules

import (
	"encoding/json"
	"fmt"
	"slices"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// Notification is the body of a request of chert.notify.
type Notification struct {
	Text   string          `json:"text"`
	Fields json.RawMessage `json:"fields,omitempty"` // an object; nil: none
	Event  Notified        `json:"event"`
}

// Notified is the event on which a rule requested a notification.
type Notified struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Chat string `json:"chat,omitempty"` // "": it has none
	At   string `json:"at,omitempty"`   // RFC 3339; "": not known
}

func notifiedOf(ev *event.Event) Notified {
	n := Notified{ID: ev.ID, Type: ev.Type, Chat: ev.ChatID()}
	if !ev.At.IsZero() {
		n.At = ev.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return n
}

// codeNoTarget is the code of docs/checks.md for a target that the configuration lacks.
const codeNoTarget = "CH058"

// targetError is the error of a notification for a target that the configuration lacks. It has a
// hint, see HintOf.
type targetError struct {
	target string
	known  []string
}

func (e targetError) Error() string {
	return fmt.Sprintf("chertd.yaml has no target %s under notify", ShownName(e.target))
}

func (e targetError) Hint() string {
	if near := diag.DidYouMeanString("", e.target, e.known); near != "" {
		return near
	}
	return "add it to chertd.yaml: notify: {NAME: {url: \"https://…\", secret: …}}"
}

// checkTargets notes the targets of notifications that are written in the code, and reports those
// that the configuration lacks.
func (b *builder) checkTargets(programs []*luabind.Program) {
	p := b.pack
	for _, prog := range programs {
		for _, use := range prog.Granted {
			switch {
			case use.Symbol.Name != "chert.notify":
			case use.First == "":
				p.NotifiesOthers = true
			case b.opts.Targets == nil || slices.Contains(b.opts.Targets, use.First):
				p.Notifies = append(p.Notifies, use.First)
			default:
				err := targetError{use.First, b.opts.Targets}
				b.diags = append(b.diags, diag.Diagnostic{File: prog.File, Line: use.Line, Col: use.Col, Severity: diag.SeverityError, Code: codeNoTarget,
					Message: "chert.notify: " + err.Error(), Hint: err.Hint()})
			}
		}
	}
	p.Notifies = sortedSet(p.Notifies)
}
