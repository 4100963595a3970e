package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/system"
	"chertd/luabind/diag"
)

// expiresSoon is how long before a certificate expires doctor warns.
const expiresSoon = 14 * day

// whySilent returns why no daemon answers.
func (k *checkup) whySilent() string {
	if k.silent == nil {
		return "it answers"
	}
	return k.silent.Error()
}

// absent reports whether no daemon runs: nobody listens on its socket.
func (k *checkup) absent() bool {
	u, ok := errors.AsType[*control.UnreachableError](k.silent)
	return ok && (errors.Is(u.Err, fs.ErrNotExist) || strings.HasPrefix(u.Error(), "no daemon listens"))
}

// controlSocket looks at the control socket and the control API over TCP.
func (k *checkup) controlSocket(ctx context.Context) result {
	if k.faulty("control.") || k.faulty("control:") {
		return skipped("the settings of control can't be used: see configuration")
	}
	r := fine("the daemon answers on %s", k.path)
	switch {
	case k.daemon != nil:
		if k.daemon.Version != version() {
			r.warn(fmt.Sprintf("the daemon is chertd %s, and this is %s", k.daemon.Version, version()), "restart the daemon, so that it runs what is installed")
		}
		k.settingsInUse(ctx, &r)
	case k.c.Control.Socket == "" && k.socket == "":
		r.Summary = "control.socket is \"\": commands can't ask a daemon"
	case k.absent():
		r.Summary = "no daemon listens on " + k.path
		k.socketFolder(&r)
		if other := k.db; other != nil && other.InUse {
			r.problem(fmt.Sprintf("a process (pid %d) has the store open, and does not listen on this socket", other.PID), "name the socket of the daemon with --socket PATH, or the configuration of the daemon with -c FILE")
		}
	default:
		r.Summary = "the daemon can't be asked"
		hint := "look at the process that has " + k.path + " open: fuser " + diag.ShellWord(k.path)
		if f, ok := errors.AsType[*failure](explained(k.silent)); ok && f.hint != "" {
			hint = f.hint
		}
		r.problem(k.whySilent(), hint)
	}
	k.controlTCP(&r)
	return r
}

// socketFolder reports a folder in which chertd can't create its socket.
func (k *checkup) socketFolder(r *result) {
	dir, err := existing(filepath.Dir(k.path))
	if err == nil {
		err = system.May(dir, system.CreateIn)
	}
	if err != nil {
		r.problem(fmt.Sprintf("user %s can't create the socket in %s: %v", userName(os.Geteuid()), filepath.Dir(k.path), err), k.at("control.socket")+": set control.socket to a path in a folder that chertd can write to")
	}
}

// controlTCP looks at control.listen and its certificate.
func (k *checkup) controlTCP(r *result) {
	c := k.c.Control
	if c.Listen == "" {
		return
	}
	if k.absent() {
		k.canListen(r, "control.listen", c.Listen)
	}
	if c.TLS.Cert == "" {
		return
	}
	if err := k.c.checkCertificate(); err != nil {
		found, _ := startDiagnostics(err)
		for _, d := range found {
			r.problem(d.Message, place(d)+": "+d.Hint)
		}
		return
	}
	pair, err := tls.LoadX509KeyPair(string(c.TLS.Cert), string(c.TLS.Key))
	if err != nil {
		return // checkCertificate has just read both
	}
	renew := "renew " + string(c.TLS.Cert) + "; chertd takes the new one without a restart"
	now, last := time.Now(), pair.Leaf.NotAfter
	switch {
	case now.After(last):
		r.problem("the certificate of control.tls has expired on "+minute(last), renew)
	case now.Before(pair.Leaf.NotBefore):
		r.problem("the certificate of control.tls is not valid before "+minute(pair.Leaf.NotBefore), "check this machine's clock (timedatectl), or "+renew)
	case last.Sub(now) < expiresSoon:
		r.warn("the certificate of control.tls expires on "+minute(last), renew)
	}
}

// canListen reports an address on which a daemon could not listen.
func (k *checkup) canListen(r *result, key, address string) bool {
	l, err := net.Listen("tcp", address)
	if err == nil {
		l.Close()
		return true
	}
	hint, why := whyNotListening(err)
	r.problem(key+": "+why.Error(), k.at(key)+": "+hint)
	return false
}

// passing are the states of calls that end without anybody's help, and are not faults.
var passing = []string{control.CallsCatchUp, control.CallsWait, control.CallsDrain}

// daemonStatus reports what the daemon itself finds wrong.
func (k *checkup) daemonStatus(context.Context) result {
	s := k.daemon
	if s == nil {
		if k.absent() && k.faulty("") {
			return skipped("no daemon runs, and none can start: see configuration and secrets")
		}
		if k.absent() {
			r := fine("no daemon runs")
			r.warn("nothing receives events, and no chat is marked as read", "start the daemon: "+k.command("run"))
			return r
		}
		return skipped("no daemon answers: %s", k.whySilent())
	}
	r := fine("accepts events and makes calls; %s, %d pending", many(s.Events, "event"), s.Pending)
	if s.Draining {
		r.Summary = "it is stopping"
	} else if !s.Ready || len(s.NoCalls) > 0 {
		r.Summary = choose(s.Ready, "accepts events, and makes no calls now", "it does not work as it should")
	}
	for _, b := range s.Blocked {
		r.problem(fmt.Sprintf("pack %s blocks reads since %s: %s", b.Pack, minute(b.Since), b.Why), strings.Join(b.Fix, "\nor: "))
	}
	status := k.daemonCommand("status")
	for _, why := range s.NotReady {
		r.problem("it does not accept events: "+why, status+" shows more, and the daemon's log has the fix")
	}
	for _, why := range s.NoCalls {
		fix := s.Calls.Fix
		switch {
		case slices.Contains(passing, s.Calls.State):
			r.warn("calls wait: "+why, "wait until then; "+status+" shows when calls are made again")
			continue
		case s.Paused:
			fix = k.daemonCommand("resume")
		case fix == "":
			fix = status + " shows more, and the daemon's log has the fix"
		}
		r.problem("calls are not made: "+why, fix)
	}
	if s.Unknown != "" {
		r.warn(s.Unknown, status)
	}
	if s.Quarantined > 0 {
		r.warn(choose(s.Quarantined == 1, "1 delivery is", thousands(s.Quarantined)+" deliveries are")+" in quarantine", k.daemonCommand("quarantine"))
	}
	for _, note := range s.Notes {
		r.warn(note, status+" and "+k.daemonCommand("packs")+" show more")
	}
	return r
}
