package engine

import (
	"errors"
	"fmt"
	"time"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/luabind/diag"
)

// intake is what the manager reports of how events come in. It is set before
// anything is served; hook and conns are nil without a webhook.
type intake struct {
	hook  *source.Webhook
	conns *source.Connections
	clock *Clock
	notes []func() string // of servers; each may return ""
}

const (
	// noFilesNoted is how long it is noted that senders could not connect.
	noFilesNoted = 5 * time.Minute
	// clockNoted is from how large an offset of the clock somebody should set it.
	clockNoted = time.Minute
)

// statsTime bounds how long a status waits for a store that may hang.
const statsTime = 2 * time.Second

// storeFails says that the store fails, and what to do about it.
func storeFails(st store.Store, why string) string {
	text := "the store fails: " + why
	var hinted interface{ Hint() string }
	if err := st.Healthy(); errors.As(err, &hinted) {
		text += "; " + hinted.Hint()
	}
	return text
}

// webhook counts what the webhook has answered; nil if there is none.
func (m *manager) webhook() *control.Webhook {
	if m.hook == nil {
		return nil
	}
	s := m.hook.Stats()
	w := &control.Webhook{
		Accepted: s.Accepted, Duplicates: s.Duplicates, Quarantined: s.Quarantined,
		Unavailable: s.Unavailable + s.Broken + s.Busy, Refused: map[string]int64{},
	}
	for why, n := range s.Refused {
		w.Refused[string(why)] = n
	}
	return w
}

// intakeNotes are what somebody should do about the way events come in, though
// it makes nothing unready.
func (m *manager) intakeNotes() (notes []string) {
	for _, note := range m.notes {
		if text := note(); text != "" {
			notes = append(notes, text)
		}
	}
	if m.conns != nil {
		if at := m.conns.NoFiles(); !at.IsZero() && m.eng.c.Now().Sub(at) < noFilesNoted {
			notes = append(notes, "senders can't connect: the process has too many files open; "+diag.ProcessFilesHint)
		}
	}
	if off := m.clock.Offset(); off.Abs() >= clockNoted {
		side := "ahead of"
		if off > 0 {
			side = "behind"
		}
		notes = append(notes, fmt.Sprintf("this machine's clock is %s %s Chert's: set it (NTP)", off.Abs().Round(time.Second), side))
	}
	return notes
}
