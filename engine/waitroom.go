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
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/engine/wait"
)

// openEvery is the time between two attempts to open a store whose disk is full.
const openEvery = time.Second

// openStore opens the store. While its disk is full the daemon takes nothing in, but
// answers: deliveries with 503, so that Chert sends them again, and probes with the
// reason. It returns nil, nil if ctx ends meanwhile.
func (d Daemon) openStore(ctx context.Context) (store.Store, error) {
	open := func() (store.Store, error) {
		st, err := sqlite.Open(ctx, d.StorePath, sqlite.Options{Log: d.Log})
		if err != nil {
			return nil, err
		}
		return st, nil
	}
	if d.open != nil {
		open = d.open
	}
	st, err := open()
	full, ok := errors.AsType[*sqlite.NoRoomError](err)
	if !ok {
		return st, err
	}
	d.Log.Error("could not open the store, its disk is full: no events are taken in until there is room", keyError, full, "hint", full.Hint())
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
		d.Log.Info("store opened: there is room again")
	}
	return st, err
}

// refuse serves all addresses of the daemon until stop is called: deliveries are
// answered 503, and /-/ready has the reason.
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
	withControl, err := d.listenControl(servers, &a, control.HealthHandler(health, why), nil, r)
	if err != nil && d.Control.Socket != "" {
		// On a full disk no socket can be made. TCP may do.
		only := d
		only.Control.Socket = ""
		d.Log.Warn("could not serve the control endpoints while the disk is full", keyError, err)
		withControl, err = only.listenControl(servers, &a, control.HealthHandler(health, why), nil, r)
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
