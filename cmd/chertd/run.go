package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/lint"
)

func newRunCommand() *cobra.Command {
	var file, events string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Takes chat events in, runs the rules on them, and marks chats as read.

SIGTERM and SIGINT drain and stop; a second one stops at once. SIGHUP reloads
the rules, their settings and gate, secrets and chert.rate. Exit code 78: it can't start with this configuration.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd, file, events)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE` (default ./chertd.yaml, then /etc/chertd/chertd.yaml)")
	cmd.Flags().StringVar(&events, "events", "", "also take events from this `FILE` of JSON lines; - is standard input")
	return cmd
}

func run(cmd *cobra.Command, file, events string) error {
	c, warnings, err := loadConfig(file, events != "")
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(engine.GCPercent)
	}
	log := newLogger(cmd.ErrOrStderr(), c.Log)
	for _, w := range warnings {
		log.Warn(w.Message, "at", fmt.Sprintf("%s:%d", w.File, w.Line))
	}
	if err := c.checkCertificate(); err != nil {
		return err
	}
	d := c.daemon(log)
	if events != "" {
		lines, err := openEvents(cmd, events)
		if err != nil {
			return err
		}
		defer lines.Close()
		d.Lines = lines
	}
	d.Started = func(a engine.Addresses) {
		log.Info("chertd runs", "version", version(), "config", c.File, "webhook", a.Webhook, "socket", a.Socket, "control", a.Control, "rules", string(c.Rules.Dir), "store", c.Store.Path)
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	reload := make(chan engine.Changes, 1)
	d.Reload = reload
	ended := make(chan struct{})
	defer close(ended)
	go handleSignals(ended, stop, log, c.File, events != "", reload)
	if err := d.Run(ctx); err != nil {
		return startError(err)
	}
	log.Info("chertd has stopped; what was not finished goes on at the next start")
	return nil
}

// daemon is what the configuration says, as the engine takes it.
func (c *Config) daemon(log *slog.Logger) engine.Daemon {
	hook := c.Sources.Webhook
	return engine.Daemon{
		StorePath: c.Store.Path,
		API: chert.Config{
			BaseURL: c.Chert.BaseURL, Tenant: c.Chert.Tenant, Auth: c.Chert.Auth,
			SigningSecret: c.Chert.SigningSecret.Reveal(), Timeout: c.Chert.Timeout, MaxConns: c.Chert.Concurrency,
		},
		Rate: c.Chert.Rate.Limit, Burst: c.Chert.Rate.Burst, Concurrency: c.Chert.Concurrency,
		Webhook: engine.Webhook{
			Listen: hook.Listen, Path: hook.Path, Secrets: reveal(hook.Secrets),
			Tolerance: hook.Tolerance, MaxBody: int64(hook.MaxBody), MaxHeader: int64(hook.MaxHeader),
		},
		RulesDir: string(c.Rules.Dir), Rules: c.ruleOptions(), Watch: c.Rules.Watch, Gate: c.gate(log),
		Control: engine.Control{
			Socket: string(c.Control.Socket), Listen: c.Control.Listen, Token: c.Control.Token.Reveal(),
			Cert: string(c.Control.TLS.Cert), Key: string(c.Control.TLS.Key),
		},
		Log: log, Version: version(),
	}
}

// checkCertificate reads the files of control.tls: a wrong name is found before
// anything is started.
func (c *Config) checkCertificate() error {
	if c.Control.Listen == "" || c.Control.TLS.Cert == "" {
		return nil
	}
	if _, err := control.LoadCertificate(string(c.Control.TLS.Cert), string(c.Control.TLS.Key)); err != nil {
		return hinted(fail(exitConfig, fmt.Errorf("control.tls: %w", err)), "both are PEM files, the key is that of the certificate and not encrypted")
	}
	return nil
}

// changes is what of the configuration a running daemon takes.
func (c *Config) changes(log *slog.Logger) engine.Changes {
	return engine.Changes{
		Rules: c.ruleOptions(), Gate: c.gate(log), WebhookSecrets: reveal(c.Sources.Webhook.Secrets), SigningSecret: c.Chert.SigningSecret.Reveal(),
		Rate: c.Chert.Rate.Limit, Burst: c.Chert.Rate.Burst,
	}
}

// ruleOptions is what the operator says to the packs.
func (c *Config) ruleOptions() rules.Options {
	o := rules.Options{Zone: c.location(), Country: c.Rules.Country, Packs: map[string]rules.PackOptions{}, Coded: lint.Coded}
	for name, p := range c.Rules.Packs {
		o.Packs[name] = rules.PackOptions{Mode: rules.Mode(p.Mode), Grant: p.Grant, Config: p.Config,
			Limits: rules.Limits{Steps: p.Limits.Steps, Memory: int64(p.Limits.Memory), KV: int64(p.Limits.KV), Reads: p.Limits.Reads}}
	}
	return o
}

// handleSignals drains on the first SIGTERM or SIGINT, ends the process on the
// second, and reloads on SIGHUP, until ended is closed. reload has room for one,
// so that no reload under way keeps a signal waiting.
func handleSignals(ended <-chan struct{}, drain func(), log *slog.Logger, file string, events bool, reload chan engine.Changes) {
	// A channel that is full takes no more: many reloads must not leave a stop out.
	stops, reloads := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(stops)
	defer signal.Stop(reloads)
	draining := false
	for {
		select {
		case <-reloads:
			if draining {
				continue
			}
			c, _, err := loadConfig(file, events)
			if err != nil {
				log.Error("SIGHUP: the configuration can't be read; what was live stays live", "err", err)
				continue
			}
			log.Info("SIGHUP: the rules, their settings and gate, secrets and chert.rate are taken; other settings take a restart")
			select {
			case <-reload: // not begun yet, and this is newer
			default:
			}
			reload <- c.changes(log) // the only sender finds room
		case s := <-stops:
			if draining {
				log.Warn("stopped at once; what was not finished goes on at the next start", "signal", s.String())
				os.Exit(exitFailure)
			}
			log.Info("stopping; a second signal stops at once", "signal", s.String())
			draining = true
			drain()
		case <-ended:
			return
		}
	}
}

// startError says how to mend what kept the daemon from starting.
func startError(err error) error {
	var inUse *sqlite.InUseError
	var newer *sqlite.NewerError
	var unusable *sqlite.UnusableError
	var missing *sqlite.MissingError
	var corrupt *sqlite.CorruptError
	var lost *sqlite.LostError
	var listen *net.OpError
	var socket *control.SocketError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inUse):
		return hinted(err, "stop the other chertd, or give this one a store.url of its own")
	case errors.As(err, &newer):
		return hinted(err, "run the newer chertd, or restore a backup made by this version")
	case errors.As(err, &unusable):
		return hinted(fail(exitConfig, err), unusable.Hint())
	case errors.As(err, &missing):
		return hinted(fail(exitConfig, err), missing.Hint())
	case errors.As(err, &corrupt):
		return hinted(fail(exitConfig, err), corrupt.Hint())
	case errors.As(err, &lost):
		return hinted(fail(exitConfig, err), lost.Hint())
	case errors.As(err, &socket) && socket.InUse:
		return hinted(err, socket.Hint())
	case errors.As(err, &socket):
		return hinted(fail(exitConfig, err), socket.Hint())
	case errors.As(err, &listen) && listen.Op == "listen":
		return hinted(err, "another program uses the address, or it is not this machine's: choose another")
	}
	return fail(exitFailure, err)
}

// openEvents opens the file of events; - is standard input.
func openEvents(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError("--events: %v", err)
	}
	return f, nil
}
