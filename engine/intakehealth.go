package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/luabind/diag"
)

// intake has the parts through which events come in, whose state the manager reports.
// hook, server and conns are nil without a webhook, and renewal without a certificate.
type intake struct {
	clock   *chertClock
	hook    *source.Webhook
	server  *source.Server
	conns   *source.Connections
	renewal *renewal
	catchUp *atomic.Pointer[source.CatchUp] // has nil if the events log is not read
	stream  *source.Stream                  // nil: events are not taken from the stream

	lines     *source.Lines // nil: events are not read from a file
	linesName string
}

// senders is how many connections the webhook has open, and how many deliveries it takes
// at a time: one a connection, as a sender whose acknowledgement is slowed down must not
// take the place of another, who would be answered 503.
const senders = 512

// newIntake returns the webhook of a daemon and its certificate. It does not listen yet.
func newIntake(d *Daemon, eng *Engine, clock *chertClock) (in intake, err error) {
	in.clock, in.catchUp = clock, &atomic.Pointer[source.CatchUp]{}
	if in.renewal, err = d.newRenewal(); err != nil || d.Webhook.Listen == "" {
		return in, err
	}
	in.hook, err = source.NewWebhook(source.WebhookConfig{
		Secrets: d.Webhook.Secrets, SigningSecret: d.API.SigningSecret,
		Tolerance: d.Webhook.Tolerance, MaxBody: d.Webhook.MaxBody,
		Tenant: d.API.Tenant, Path: d.Webhook.Path, Now: d.Now, ChertNow: clock.Now, Log: d.Log,
		Ingest: eng.Deliver, Quarantine: eng.Quarantine, InFlight: senders, Missed: in.missed,
	})
	if err != nil {
		return in, fmt.Errorf("sources.webhook: %w", err)
	}
	in.server, in.conns = source.NewServer(source.ServerConfig{
		Handler: in.hook, MaxConns: senders, MaxHeader: d.Webhook.MaxHeader, Refused: in.hook.RefusedStatus, Log: d.Log,
	})
	return in, nil
}

// missed notes that a delivery was answered 503, that the stream was interrupted, or that the
// process did not run for a while.
func (in intake) missed() {
	if log := in.catchUp.Load(); log != nil {
		log.Gap()
	}
}

// change applies changed settings of the webhook.
func (in *intake) change(c Changes) error {
	in.server.SetMaxHeader(c.MaxHeader)
	return in.hook.Change(source.WebhookSettings{Secrets: c.WebhookSecrets, SigningSecret: c.SigningSecret, Tolerance: c.Tolerance, MaxBody: c.MaxBody})
}

const (
	// noFilesNoted is how long status notes that senders could not connect.
	noFilesNoted = 5 * time.Minute
	// clockNoted is the smallest offset of the clock that status notes.
	clockNoted = time.Minute
)

// storeTimeout bounds how long a command waits for a store that may hang.
const storeTimeout = 2 * time.Second

// storeFails returns, for people, that the store fails, with a hint.
func storeFails(st store.Store, why string) string {
	text := "the store fails: " + why
	var hinted interface{ Hint() string }
	if err := st.Healthy(); errors.As(err, &hinted) {
		text += "; " + hinted.Hint()
	}
	return text
}

// intake returns the value of control.Status.Intake.
func (e *Engine) intake() string {
	switch {
	case e.admission.full.Load():
		return control.IntakeFull
	case e.admission.slow.Load() > 0:
		return control.IntakeSlowed
	}
	return control.IntakeOpen
}

// tooManyWait returns, for people, that deliveries are refused because of what waits, with
// a hint.
func tooManyWait(events int64) string {
	return fmt.Sprintf("%d events wait to be handled: deliveries are answered 503 while %d or more wait; %s", events, fullAfter, slowHint)
}

// webhook returns the counts of the webhook; nil if there is none.
func (m *manager) webhook() *control.Webhook {
	if m.hook == nil {
		return nil
	}
	s := m.hook.Stats()
	w := &control.Webhook{
		Lag:      m.lag(s.Lag),
		Accepted: s.Accepted, Duplicates: s.Duplicates, Quarantined: s.Quarantined,
		Unavailable: s.Unavailable + s.Broken + s.Busy, Refused: map[string]int64{},
	}
	for why, n := range s.Refused {
		w.Refused[string(why)] = n
	}
	return w
}

// lag returns a lag for the API, with the time of its last event by the local clock.
func (m *manager) lag(l source.Lag) control.Lag {
	out := control.Lag{Seconds: l.Last.Seconds(), MedianSeconds: l.Median.Seconds(), MaxSeconds: l.Max.Seconds()}
	if !l.At.IsZero() {
		out.LastEvent = l.At.Add(-m.clock.Offset())
	}
	return out
}

// catchup returns how far the events log is read; nil if it is not.
func (m *manager) catchup() *control.Catchup {
	log := m.catchUp.Load()
	if log == nil {
		return nil
	}
	s := log.Stats()
	c := &control.Catchup{
		State: control.CatchupDone, Passed: s.Passed, Read: s.Read, Ahead: s.Ahead,
		Rows: s.Rows, Found: s.Found, Quarantined: s.Quarantined, Error: s.Failed, Lag: m.lag(s.Lag),
	}
	pause := m.eng.Status().Pause.Until
	switch {
	case s.NoLog:
		c.State = control.CatchupNoLog
	case !pause.IsZero() && (s.Passing || s.Failed != ""):
		c.State, c.Until = control.CatchupWaiting, pause
	case s.Failed != "":
		c.State = control.CatchupFailing
	case s.Passing || s.Passed.IsZero():
		c.State = control.CatchupReading
	}
	return c
}

// streamDown is how long the stream may be down until it counts as failing: a connection
// ends each minute, and the next one may need a few attempts.
const streamDown = time.Minute

// streamStatus returns the state of the stream; nil if there is none.
func (m *manager) streamStatus() *control.Stream {
	if m.stream == nil {
		return nil
	}
	s := m.stream.Stats()
	c := &control.Stream{
		Connected: s.Connected, LastByte: s.LastByte, Lag: m.lag(s.Lag),
		Events: int64(s.Taken.Events), Known: int64(s.Taken.Known), Quarantined: int64(s.Taken.Quarantined),
		Reconnects: s.Reconnects, Failures: s.Failures,
	}
	c.LastEvent = s.LastEvent // of an unknown lag, too
	if !s.Down.IsZero() && s.LastError != "" {
		c.Down, c.Error = s.Down, s.LastError
	}
	return c
}

// file returns how far the file of events is read; nil if there is none.
func (m *manager) file() *control.File {
	if m.lines == nil {
		return nil
	}
	s := m.lines.Stats()
	return &control.File{
		Name: m.linesName, Line: s.Line, Ended: s.Ended, Error: s.Error, Lag: m.lag(s.Lag),
		Events: int64(s.Taken.Events), Known: int64(s.Taken.Known), Quarantined: int64(s.Taken.Quarantined),
	}
}

// noSource returns, for people, why no events come in though they are accepted; "" if they
// may.
func (m *manager) noSource() string {
	var why []string
	c, s := m.catchup(), m.streamStatus()
	switch {
	case m.hook != nil, c == nil && s == nil, c != nil && c.Error == "", s != nil && (s.Down.IsZero() || m.eng.c.Now().Sub(s.Down) < streamDown):
		return ""
	}
	if s != nil {
		why = append(why, s.Error)
	}
	if c != nil {
		why = append(why, c.Error)
	}
	return "no events come in: " + strings.Join(why, "; ")
}

// intakeNotes returns what needs attention in the way events come in, but does not
// affect readiness.
func (m *manager) intakeNotes() (notes []string) {
	if m.renewal != nil {
		if note := m.renewal.note(); note != "" {
			notes = append(notes, note)
		}
	}
	if s := m.streamStatus(); s != nil && !s.Down.IsZero() && m.eng.c.Now().Sub(s.Down) >= streamDown {
		notes = append(notes, fmt.Sprintf("the stream of events is interrupted since %s: %s", s.Down.UTC().Format(time.RFC3339), s.Error))
	}
	if c := m.catchup(); c != nil && c.Error != "" {
		note := "events that other sources miss are not caught up: " + c.Error
		if cause := m.catchUp.Load().Stats().Cause; cause != nil {
			if why, fix := Explain(cause, m.eng.callHealth.baseURL); why != "" {
				note += ". " + strings.ToUpper(why[:1]) + why[1:] + ". To fix it: " + fix
			}
		}
		notes = append(notes, note)
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
		notes = append(notes, fmt.Sprintf("this machine's clock is %s %s Chert's: set it (NTP)", diag.About(off.Abs().Round(time.Second)), side))
	}
	return notes
}
