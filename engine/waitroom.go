package engine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/engine/store/sqlite"
	"chertd/engine/wait"
)

// openEvery is how often a store is tried whose disk is full.
const openEvery = time.Second

// openStore opens the store. While its disk is full it takes nothing in, but is
// there: deliveries are answered 503, so that Chert sends them again, and probes
// hear why. It returns nil, nil if ctx ends meanwhile.
func (d Daemon) openStore(ctx context.Context) (*sqlite.Store, error) {
	open := func() (*sqlite.Store, error) {
		return sqlite.Open(ctx, d.StorePath, sqlite.Options{Log: d.Log})
	}
	if d.open != nil {
		open = d.open
	}
	st, err := open()
	full, ok := errors.AsType[*sqlite.NoRoomError](err)
	if !ok {
		return st, err
	}
	d.Log.Error("the store can't be opened, its disk is full: nothing is taken in until there is room", keyError, full, "hint", full.Hint())
	stop, err := d.refuse("the store can't be opened, its disk is full; " + full.Hint())
	if err != nil {
		return nil, err
	}
	defer stop()
	for ok {
		if !wait.For(ctx, openEvery) {
			return nil, nil
		}
		st, err = open()
		_, ok = errors.AsType[*sqlite.NoRoomError](err)
	}
	if err == nil {
		d.Log.Info("the store is open: there is room again")
	}
	return st, err
}

// refuse serves all addresses of the daemon until stop is called: deliveries are
// answered 503, and /-/ready says why.
func (d Daemon) refuse(why string) (stop func(), err error) {
	var servers []*server
	var a Addresses
	r, err := d.newRenewal()
	if err != nil {
		return nil, err
	}
	if d.Webhook.Listen != "" {
		l, err := net.Listen("tcp", d.Webhook.Listen)
		if err != nil {
			return nil, listenError("sources.webhook.listen", err)
		}
		srv, conns := source.NewServer(source.ServerConfig{Handler: http.HandlerFunc(source.Unavailable), MaxHeader: d.Webhook.MaxHeader, Log: d.Log})
		servers = append(servers, &server{name: "webhook", listener: conns.Listener(l), http: srv})
		a.Webhook = "http://" + l.Addr().String() + d.Webhook.Path
	}
	health := func() control.Health { return control.Health{NotReady: []string{why}, NoCalls: []string{why}} }
	withControl, err := d.listenControl(servers, &a, control.HealthHandler(health, why), r)
	if err != nil && d.Control.Socket != "" {
		// On a full disk no socket can be made. TCP may do.
		only := d
		only.Control.Socket = ""
		d.Log.Warn("the control endpoints can't be served while the disk is full", keyError, err)
		withControl, err = only.listenControl(servers, &a, control.HealthHandler(health, why), r)
	}
	if err != nil {
		for _, s := range append(servers, withControl...) {
			s.listener.Close()
		}
		return nil, err
	}
	var all sync.WaitGroup
	for _, s := range withControl {
		all.Go(func() { _ = s.http.Serve(s.listener) }) // until it is closed
	}
	if d.refusing != nil {
		d.refusing(a)
	}
	return func() {
		for _, s := range withControl {
			s.http.Close()
		}
		all.Wait()
	}, nil
}
