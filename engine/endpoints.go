package engine

import (
	"crypto/tls"
	"net"
	"net/http"

	"chertd/engine/control"
	"chertd/engine/source"
)

// Control says where the daemon can be looked at and told what to do.
type Control struct {
	Socket string // path of the Unix socket; "": none
	Listen string // host:port of the same on TCP; "": none
	Token  string // without it TCP answers probes alone
	Cert   string // PEM files; "": plain HTTP
	Key    string
}

// maxControlConns bounds the open connections of each control endpoint.
const maxControlConns = 64

// listenControl adds the control endpoints to the servers.
func (d Daemon) listenControl(servers []*server, a *Addresses, all http.Handler) ([]*server, error) {
	serve := func(name string, l net.Listener, h http.Handler) {
		conns := source.NewConnections(maxControlConns, d.Log)
		// Commands may take long to carry out, and are not to give way meanwhile.
		s := control.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			source.HasArrived(r)
			h.ServeHTTP(rw, r)
		}), d.Log)
		conns.Bind(s)
		servers = append(servers, &server{name: name, listener: conns.Listener(l), http: s})
	}
	if d.Control.Socket != "" {
		l, err := control.Listen(d.Control.Socket)
		if err != nil {
			return servers, listenError("control.socket", err)
		}
		a.Socket = d.Control.Socket
		serve("control socket", l, all)
	}
	if d.Control.Listen != "" {
		l, err := net.Listen("tcp", d.Control.Listen)
		if err != nil {
			return servers, listenError("control.listen", err)
		}
		a.Control = l.Addr().String()
		guard := control.Guard{Listen: d.Control.Listen, Token: d.Control.Token, Socket: d.Control.Socket}
		if d.Control.Cert != "" {
			if guard.Certificate, err = control.LoadCertificate(d.Control.Cert, d.Control.Key); err != nil {
				l.Close()
				return servers, listenError("control.tls", err)
			}
			l = tls.NewListener(l, guard.Certificate.Config())
		}
		serve("control", l, guard.Wrap(all))
	}
	return servers, nil
}
