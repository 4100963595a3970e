package source

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// ServerConfig bounds a server. Zero fields take the defaults.
type ServerConfig struct {
	Handler   http.Handler
	MaxConns  int   // open connections; default 512
	MaxHeader int64 // bytes of a request's header; default 64 KiB
	// Refused is told of each status of 400 and more, and how its request began:
	// net/http answers some without the handler.
	Refused func(status int, head []byte)
	Log     *slog.Logger
}

// NewServer makes the server in which a Webhook is served, and the bound of its
// connections: serve it on what Listener of that returns. Strangers can reach it,
// so that slow and idle senders are cut off.
func NewServer(cfg ServerConfig) (*http.Server, *Connections) {
	log := cmp.Or(cfg.Log, slog.Default())
	s := &http.Server{
		Handler:           cfg.Handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    int(cmp.Or(cfg.MaxHeader, 64<<10)),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	c := NewConnections(cmp.Or(cfg.MaxConns, 512), log)
	c.refused = cfg.Refused
	c.Bind(s)
	return s, c
}
