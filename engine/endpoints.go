package engine

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"chertd/engine/control"
	"chertd/engine/source"
)

// Control has the settings of the control endpoints.
type Control struct {
	Socket string   // path of the Unix socket; "": none
	Listen string   // host:port of the same endpoints on TCP; "": none
	Token  string   // "": only probes are answered on TCP
	Hosts  []string // further names of this daemon in the Host of a request
	Cert   string   // PEM files; "": plain HTTP
	Key    string
}

// maxControlConns bounds the open connections of each control endpoint.
const maxControlConns = 64

// listenControl adds the control endpoints to the servers. count, if not nil, counts their requests by
// route and status. r is newRenewal's.
func (d Daemon) listenControl(servers []*server, a *Addresses, all http.Handler, count func(route string, status int), r *renewal) ([]*server, error) {
	requests := &control.Requests{Log: d.Log, Count: count, Now: d.Now}
	serve := func(name string, l net.Listener, h http.Handler, change func(Changes) error, report func(last bool)) {
		conns := source.NewConnections(maxControlConns, nil, d.Log)
		// Commands may take long. Their connections must not be closed meanwhile.
		s := control.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			source.HasArrived(r)
			h.ServeHTTP(rw, r)
		}), d.Log)
		conns.Bind(s)
		servers = append(servers, &server{name: name, listener: conns.Listener(l), http: s, change: change, report: report})
	}
	if d.Control.Socket != "" {
		l, err := control.Listen(d.Control.Socket)
		if err != nil {
			return servers, listenError("control.socket", err)
		}
		a.Socket = d.Control.Socket
		serve("control socket", l, requests.Wrap(all), nil, nil)
	}
	if d.Control.Listen != "" {
		l, err := net.Listen("tcp", d.Control.Listen)
		if err != nil {
			return servers, listenError("control.listen", err)
		}
		a.Control = l.Addr().String()
		guard := control.Guard{Listen: d.Control.Listen, Token: d.Control.Token, Hosts: d.Control.Hosts, Socket: d.Control.Socket}
		report := requests.Report
		if r != nil {
			guard.Certificate = r.certificate
			report = func(last bool) {
				requests.Report(last)
				r.report(last)
			}
			l = tls.NewListener(l, guard.Certificate.Config())
		}
		var guarded atomic.Pointer[http.Handler]
		revoke := make(chan struct{})
		// Called for one change of the settings after another.
		renew := func(token string, hosts []string) {
			was := revoke
			if token != guard.Token {
				revoke = make(chan struct{})
			}
			guard.Token, guard.Hosts, guard.Revoked = token, hosts, revoke
			h := guard.Wrap(all)
			guarded.Store(&h)
			if was != revoke {
				close(was)
			}
		}
		renew(guard.Token, guard.Hosts)
		h := requests.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*guarded.Load()).ServeHTTP(rw, r) }))
		serve("control", l, h, func(c Changes) error {
			renew(c.Token, c.Hosts)
			return nil
		}, report)
	}
	return servers, nil
}

// renewal checks that the files of a certificate can be used. While they can't, the last
// certificate stays in use, and the next start would fail.
type renewal struct {
	certificate *control.Certificate
	log         *slog.Logger
	broken      bool // as last logged; only for the goroutine that reports
}

// newRenewal loads the certificate of control.listen; nil without one.
func (d Daemon) newRenewal() (*renewal, error) {
	if d.Control.Listen == "" || d.Control.Cert == "" {
		return nil, nil
	}
	c, err := control.LoadCertificate(d.Control.Cert, d.Control.Key)
	if err != nil {
		return nil, listenError("control.tls", err)
	}
	return &renewal{certificate: c, log: d.Log}, nil
}

const renewalHint = "write both PEM files again; until then the last certificate is used, and chertd would not start with these"

// report logs once when the files can't be used, and once when they can again.
func (r *renewal) report(last bool) {
	err := r.certificate.Broken()
	switch {
	case last || (err != nil) == r.broken:
		return
	case err != nil:
		r.log.Error("the files of control.tls can't be used: the last certificate stays in use", keyError, err, "hint", renewalHint)
	default:
		r.log.Info("the files of control.tls can be used again")
	}
	r.broken = err != nil
}

// note returns what needs attention; "": nothing.
func (r *renewal) note() string {
	if err := r.certificate.Broken(); err != nil {
		return "control.tls: " + err.Error() + "; " + renewalHint
	}
	return ""
}
