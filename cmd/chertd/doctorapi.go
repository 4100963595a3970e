package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"chertd/engine/chert"
)

// Differences between this machine's clock and Chert's. Chert refuses a signature that is
// five minutes off (its documentation); half a minute is far more than NTP leaves.
const (
	skewRefused = 5 * time.Minute
	skewOdd     = 30 * time.Second
)

// serverClock is Chert's clock as its answers have shown it.
type serverClock struct {
	known   bool
	ahead   time.Duration // Chert's clock minus the local one
	applied bool          // calls are signed by it
}

// now is the clock of signatures.
func (s *serverClock) now() time.Time {
	if s.applied {
		return time.Now().Add(s.ahead)
	}
	return time.Now()
}

// learn notes the time of an answer to a call that began at some time. Dates are whole
// seconds, so they are half a second behind on average.
func (s *serverClock) learn(date, began time.Time) {
	if date.IsZero() {
		return
	}
	took := time.Since(began)
	s.known, s.ahead = true, date.Add(time.Second/2).Sub(began.Add(took/2))
}

// credentials makes a call that changes nothing. If Chert refuses the time of its
// signature, it is made again by Chert's clock, as the daemon does, so that a wrong clock
// hides nothing.
func (k *checkup) credentials(ctx context.Context) result {
	if k.client == nil {
		return skipped("the settings of chert can't be used: see configuration and secrets")
	}
	err := patiently(ctx, func() error { return k.listLines(ctx) })
	if e, ok := errors.AsType[*chert.Error](err); ok && e.Code == chert.CodeClockSkew && k.clocks.known {
		k.clocks.applied = true
		err = k.listLines(ctx)
	}
	if err == nil {
		return fine("Chert accepts the credentials of %s", tenantWords(k.c.Chert.Tenant))
	}
	r := fine("Chert does not accept a call")
	k.callFailed(&r, err, true)
	return r
}

// tenantWords names a tenant; a bearer token may do without.
func tenantWords(tenant string) string {
	if tenant == "" {
		return "the token"
	}
	return "tenant " + tenant
}

// listLines lists the phone lines, and learns Chert's clock.
func (k *checkup) listLines(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	began := time.Now()
	lines, reply, err := k.client.PhoneNumbers(ctx)
	switch e, failed := errors.AsType[*chert.Error](err); {
	case !failed:
		k.clocks.learn(reply.Date, began)
	case !e.Foreign: // otherwise it is the clock of something in between
		k.clocks.learn(e.Date, began)
	}
	k.lines, k.listed = lines, err == nil
	return err
}

// explain returns the message of a failed call, and the fix.
func (k *checkup) explain(err error) (message, fix string) {
	err = k.c.callError(err)
	f, _ := errors.AsType[*failure](err)
	if f == nil {
		return err.Error(), "try again"
	}
	fix = f.hint
	for _, key := range []string{"chert.tenant", "chert.signing_secret", "chert.base_url", "chert.auth"} {
		if strings.Contains(fix, key) {
			fix = k.at(key) + ": " + fix
			break
		}
	}
	return err.Error(), fix
}

// clock compares this machine's clock with Chert's.
func (k *checkup) clock(context.Context) result {
	if !k.clocks.known {
		return skipped("no answer has shown the time at Chert")
	}
	off := k.clocks.ahead.Abs().Round(time.Second)
	side := choose(k.clocks.ahead < 0, "ahead of", "behind")
	const fix = "set this machine's clock, and keep it right by NTP: timedatectl set-ntp true"
	r := fine("within %s of Chert's", max(off, 2*time.Second))
	switch {
	case off >= skewRefused:
		r.Summary = fmt.Sprintf("%s %s Chert's", roughly(off), side)
		r.problem("Chert refuses signatures that are 5 minutes off; chertd corrects the time of its own, but rules, logs and certificates use this machine's", fix)
	case off >= skewOdd:
		r.Summary = fmt.Sprintf("%s %s Chert's", roughly(off), side)
		r.warn("it works up to 5 minutes", fix)
	}
	return r
}

// phoneLines looks whether there is a line from which chats can be marked as read.
func (k *checkup) phoneLines(context.Context) result {
	if !k.listed {
		return skipped("Chert has not listed the phone lines: see credentials")
	}
	var idle []string
	for _, line := range k.lines {
		if !line.Active {
			idle = append(idle, line.Number)
		}
	}
	active := len(k.lines) - len(idle)
	r := fine("%s", count(active, "active phone line"))
	const fix = "in Chert's console, "
	switch {
	case len(k.lines) == 0:
		r.problem("the account has no phone line: there are no chats to mark as read", fix+"add a phone line")
	case active == 0:
		r.problem("inactive: "+firstOf(idle), fix+"activate a phone line, or ask Chert's support why it is inactive")
	case len(idle) > 0:
		r.warn("inactive: "+firstOf(idle)+"; calls for their chats may fail", fix+"activate them, if they are to be used")
	}
	return r
}

// firstOf lists the first few of some names.
func firstOf(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// eventsLog reads the newest rows of the events log.
func (k *checkup) eventsLog(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	var page chert.EventPage
	err := patiently(ctx, func() (err error) {
		page, _, err = k.client.Events(ctx, newestRows)
		return err
	})
	r := fine("readable, and empty")
	switch {
	case err != nil:
		r.Summary = "it can't be read"
		k.callFailed(&r, err, k.c.Sources.Catchup.Enabled)
		return r
	case len(page.Rows) > 0:
		k.rows = page.Rows
		r.Summary = fmt.Sprintf("readable; the newest event is of %s", minute(page.Rows[0].CreatedAt))
	}
	if !k.c.Sources.Catchup.Enabled {
		r.Summary += "; sources.catchup.enabled is false"
		if !k.c.Sources.Stream.Enabled {
			r.warn("what Chert can't deliver within seconds, such as during a restart of chertd, is lost", "in "+k.at("sources.catchup")+": sources: {catchup: {enabled: true}}")
		}
	}
	return r
}

// stream opens the stream of events and closes it again.
func (k *checkup) stream(ctx context.Context) result {
	if !k.c.Sources.Stream.Enabled {
		return skipped("sources.stream.enabled is false")
	}
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	var body io.ReadCloser
	err := patiently(ctx, func() (err error) {
		body, _, err = k.client.Stream(ctx, k.clocks.now())
		return err
	})
	if err != nil {
		r := fine("it can't be opened")
		k.callFailed(&r, err, true)
		return r
	}
	_ = body.Close() // it was opened, and that is all
	return fine("it opens")
}
