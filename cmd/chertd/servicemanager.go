package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"chertd/engine"
	"chertd/engine/system"
)

// supervised tells the service manager, if one has started chertd, what state it is in.
// Several goroutines use it.
type supervised struct {
	manager system.ServiceManager
	stop    time.Duration // how long stopping may take; see attach
	log     *slog.Logger

	mu        sync.Mutex
	ready     bool   // READY=1 was sent
	stopping  bool   // STOPPING=1 was sent
	reloading int    // reloads that have begun and not ended
	line      string // of the last STATUS
	hangs     bool   // as last logged
	unheard   bool   // the last message was not sent, as logged
}

// beats is how many beats the time of the manager's watchdog has: two may be late.
const beats = 3

// newSupervised returns the supervision by the service manager of the environment. The error
// is one of the environment: then the manager hears less, or nothing.
func newSupervised() (*supervised, error) {
	m, err := system.FindServiceManager(os.LookupEnv, os.Getpid())
	return &supervised{manager: m, log: slog.New(slog.DiscardHandler)}, err
}

// attach makes the daemon report its state, if there is someone to report it to.
func (s *supervised) attach(d *engine.Daemon, stop time.Duration) {
	if !s.manager.Present() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.stop = d.Log, stop
	d.Beat, d.BeatEvery = s.beat, s.manager.Watchdog/beats
	if d.BeatEvery == 0 || d.BeatEvery > engine.DefaultBeat {
		d.BeatEvery = engine.DefaultBeat
	}
	s.send("STATUS=starting: the store is opened and the rules are loaded")
}

// beat passes the state on: that chertd is ready with the first one, what it does when that
// has changed, and that it works as often as the manager's watchdog wants it.
func (s *supervised) beat(b engine.Beat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	switch {
	case b.Draining:
		s.stopping = true
		all = append(all, "STOPPING=1", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", s.stop.Microseconds()))
	case !s.ready:
		s.ready = true
		if s.reloading == 0 {
			all = append(all, "READY=1")
		}
	}
	if b.Line != s.line {
		s.line = b.Line
		all = append(all, "STATUS="+b.Line)
	}
	if b.Hangs == "" && s.manager.Watchdog > 0 {
		all = append(all, "WATCHDOG=1")
	}
	if hangs := b.Hangs != ""; hangs != s.hangs {
		s.hangs = hangs
		if hangs && s.manager.Watchdog > 0 {
			s.log.Error("a part of chertd hangs; the service manager is no longer notified that it works, and restarts it", "hangs", b.Hangs, "hint", "no acknowledged event is lost; if it is the writer of the store, check the disk (dmesg)")
		} else if hangs {
			s.log.Error("a part of chertd hangs", "hangs", b.Hangs, "hint", "restart chertd: no acknowledged event is lost; if it is the writer of the store, check the disk (dmesg)")
		} else {
			s.log.Info("all parts of chertd answer again")
		}
	}
	if len(all) > 0 {
		s.send(all...)
	}
}

// reload says that a reload begins. The caller calls ended once, whatever becomes of it.
func (s *supervised) reload() (ended func()) {
	if s == nil || !s.manager.Present() {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reloading++
	if s.ready && !s.stopping {
		s.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", system.Monotonic().Microseconds()))
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.reloading--; s.reloading == 0 && s.ready && !s.stopping {
			s.send("READY=1")
		}
	})
}

// fail shows why chertd can't start in the manager's status of the service.
func (s *supervised) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	s.send("STATUS=" + first)
}

// send sends assignments, and logs the first failure of several. It is called with mu held.
func (s *supervised) send(assignments ...string) {
	err := s.manager.Send(assignments...)
	if err != nil && !s.unheard {
		s.log.Warn("could not notify the service manager", "err", err)
	}
	s.unheard = err != nil
}
