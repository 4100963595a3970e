package engine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"chertd/engine/control"
	"chertd/engine/store/sqlite"
)

// server is one listener and the server on it.
type server struct {
	name     string
	listener net.Listener
	http     httpServer
	report   func(last bool)     // logs what was not logged yet; nil: nothing
	change   func(Changes) error // takes the changed settings of the server; nil: none
}

// httpServer is an *http.Server, or a type with the same methods.
type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// listen opens all listeners, or none of them.
func (d Daemon) listen(m *manager) (servers []*server, a Addresses, err error) {
	defer func() {
		if err != nil {
			for _, s := range servers {
				s.listener.Close()
			}
		}
	}()
	if d.Webhook.Listen != "" {
		l, err := net.Listen("tcp", d.Webhook.Listen)
		if err != nil {
			return servers, a, listenError("sources.webhook.listen", err)
		}
		a.Webhook = "http://" + l.Addr().String() + d.Webhook.Path
		servers = append(servers, &server{
			name: "webhook", listener: m.conns.Listener(l), http: m.server,
			report: m.hook.Report, change: m.intake.change,
		})
	}
	servers, err = d.listenControl(servers, &a, control.Handler(control.Config{Daemon: m, Health: m.health, Stalled: m.stalled, Failing: m.failing, Metrics: m.metrics.Handler(m), Commands: &m.commands}), m.metrics.Requested, m.renewal)
	return servers, a, err
}

// Faults returns the errors of everything that Run opens: the store and each address. It
// opens them and closes them again. After a failed start it shows what else is wrong.
func (d Daemon) Faults(ctx context.Context) (errs []error) {
	open := func(key, address string) {
		if address == "" {
			return
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			errs = append(errs, listenError(key, err))
			return
		}
		l.Close()
	}
	if st, err := sqlite.Open(ctx, d.StorePath, sqlite.Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
		st.Close()
	} else if !errors.As(err, new(*sqlite.NoRoomError)) { // Run waits until there is room
		errs = append(errs, err)
	}
	open("sources.webhook.listen", d.Webhook.Listen)
	open("control.listen", d.Control.Listen)
	if d.Control.Socket != "" {
		if l, err := control.Listen(d.Control.Socket); err == nil {
			l.Close()
		} else {
			errs = append(errs, listenError("control.socket", err))
		}
	}
	return errs
}

// SettingError is the error of a setting with which the daemon can't start.
type SettingError struct {
	Key string // of the configuration, such as control.listen
	Err error
}

func (e *SettingError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the error of the system.
func (e *SettingError) Unwrap() error { return e.Err }

func listenError(key string, err error) error { return &SettingError{key, err} }

// shutDown closes the servers. Requests under way have closeTime to end.
func (d Daemon) shutDown(servers []*server) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() {
			if err := s.http.Shutdown(ctx); err != nil {
				s.http.Close()
			}
			if s.report != nil {
				s.report(true)
			}
		})
	}
	all.Wait()
}
