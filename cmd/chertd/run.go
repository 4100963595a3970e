package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/system"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
)

func newRunCommand() *cobra.Command {
	var file, events string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon: receives chat events, runs rules on them, and marks chats as read.

SIGTERM and SIGINT drain and stop; a second one stops immediately. SIGHUP reloads
rules, configuration and secret files; the log names the changed settings that
take a restart. Exit code 78: it can't start with this configuration.

It runs on Linux and macOS. On Windows it refuses to start, with exit code 78:
chertd ` + onWindows + ` work there.`,
		Example: "  chertd run\n  chertd run -c /etc/chertd/chertd.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := daemonRunsOn(runtime.GOOS, system.RunsDaemon); err != nil {
				return err
			}
			return run(cmd, file, events)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE` (default ./chertd.yaml, then /etc/chertd/chertd.yaml)")
	cmd.Flags().StringVar(&events, "events", "", "also read events from this `FILE` of JSON lines; - is standard input")
	return cmd
}

func run(cmd *cobra.Command, file, events string) (err error) {
	manager, unsupervised := newSupervised()
	defer func() { manager.fail(err) }()
	c, warnings, err := loadConfig(file, use{events: events != ""})
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(engine.GCPercent)
	}
	heap.serve()
	log, levels := newLogger(cmd.ErrOrStderr(), c.Log)
	logWarnings(log, warnings)
	d := c.daemon(log)
	if unsupervised != nil {
		log.Warn("could not use the environment of the service manager", "err", unsupervised)
	}
	manager.attach(&d, c.Chert.Timeout+stopSlack)
	if err := c.checkCertificate(); err != nil {
		return c.allStartErrors(cmd.Context(), d, err)
	}
	if events != "" {
		lines, err := openEvents(cmd, events)
		if err != nil {
			return err
		}
		defer lines.Close()
		d.Lines, d.LinesName = lines, events
	}
	started := false
	d.Started = func(a engine.Addresses) {
		started = true
		log.Info("chertd started", "version", version(), "config", c.File, "webhook", a.Webhook, "socket", a.Socket, "control", a.Control, "rules", string(c.Rules.Dir), "store", c.Store.Path)
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	reload := make(chan engine.Changes, 1)
	d.Reload = reload
	ended := make(chan struct{})
	defer close(ended)
	again := &reloader{file: c.File, use: use{events: events != ""}, log: log, levels: levels, running: c, manager: manager}
	d.Settings = func(ctx context.Context) (control.Settings, error) { return again.apply(ctx, reload) }
	d.SettingsInUse = again.compare
	d.Stop = sync.OnceFunc(func() {
		stop()
		go endOverdue(ended, c.Chert.Timeout+stopSlack, log, os.Exit)
	})
	// Register the signals here and not in the goroutine, because until then a SIGHUP
	// would end the process. A full channel drops signals, so reloads have a channel of
	// their own and can't displace a stop.
	stops, reloads := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(stops)
	defer signal.Stop(reloads)
	go handleSignals(ctx, stops, reloads, ended, d.Stop, log, again, reload)
	if err := d.Run(ctx); err != nil && !started {
		return c.allStartErrors(cmd.Context(), d, c.startError(err))
	} else if err != nil {
		return c.startError(err)
	}
	log.Info("chertd stopped; pending work resumes at the next start")
	return nil
}

// logWarnings logs the warnings of the configuration.
func logWarnings(log *slog.Logger, warnings diag.List) {
	for _, w := range warnings {
		log.Warn(w.Message, "at", fmt.Sprintf("%s:%d", w.File, w.Line), "code", w.Code, "hint", w.Hint)
	}
}

// daemon returns the configuration in the form that the engine takes.
func (c *Config) daemon(log *slog.Logger) engine.Daemon {
	hook := c.Sources.Webhook
	return engine.Daemon{
		StorePath: c.Store.Path,
		API: chert.Config{
			BaseURL: c.Chert.BaseURL, Tenant: c.Chert.Tenant, Auth: c.Chert.Auth,
			SigningSecret: c.Chert.SigningSecret.Reveal(), Timeout: c.Chert.Timeout,
		},
		Rate: c.Chert.Rate.Limit, Burst: c.Chert.Rate.Burst, Adaptive: c.Chert.Rate.Adaptive, Concurrency: c.Chert.Concurrency,
		Retention: c.retention(),
		Webhook: engine.Webhook{
			Listen: hook.Listen, Path: hook.Path, Secrets: reveal(hook.Secrets),
			Tolerance: hook.Tolerance, MaxBody: int64(hook.MaxBody), MaxHeader: int64(hook.MaxHeader),
		},
		CatchUp: c.catchUp(), Stream: c.Sources.Stream.Enabled,
		Notify: c.targets(), Traces: c.traces(),
		RulesDir: string(c.Rules.Dir), Rules: c.ruleOptions(), Watch: c.Rules.Watch, Gate: c.gate(log),
		Control: engine.Control{
			Socket: string(c.Control.Socket), Listen: c.Control.Listen, Token: c.Control.Token.Reveal(), Hosts: c.Control.Hosts,
			Cert: string(c.Control.TLS.Cert), Key: string(c.Control.TLS.Key),
		},
		Log: log, Version: version(),
	}
}

// changes returns the settings that a running daemon can apply.
func (c *Config) changes(log *slog.Logger) engine.Changes {
	return engine.Changes{
		Rules: c.ruleOptions(), Gate: c.gate(log), WebhookSecrets: reveal(c.Sources.Webhook.Secrets), SigningSecret: c.Chert.SigningSecret.Reveal(),
		Rate: c.Chert.Rate.Limit, Burst: c.Chert.Rate.Burst, Adaptive: c.Chert.Rate.Adaptive, Retention: c.retention(), Notify: c.targets(),
		Tolerance: c.Sources.Webhook.Tolerance, MaxBody: int64(c.Sources.Webhook.MaxBody), MaxHeader: int64(c.Sources.Webhook.MaxHeader),
		Token: c.Control.Token.Reveal(), Hosts: c.Control.Hosts,
	}
}

// catchUp returns how the events log is read.
func (c *Config) catchUp() engine.CatchUp {
	log := c.Sources.Catchup
	if !log.Enabled {
		return engine.CatchUp{}
	}
	return engine.CatchUp{Every: log.Every, Lookback: log.Lookback, Wait: log.Wait}
}

// retention returns how long the store keeps events and texts.
func (c *Config) retention() engine.Retention {
	return engine.Retention{Events: c.Store.Retention, Texts: c.Store.Raw}
}

// ruleOptions returns the operator's options for the packs.
func (c *Config) ruleOptions() rules.Options {
	o := rules.Options{Zone: c.location(), Country: c.Rules.Country, Packs: map[string]rules.PackOptions{}, Targets: c.targetNames(), Coded: lint.Coded}
	o.Lists = map[string]rules.ListOptions{}
	for name, l := range c.Rules.Lists {
		o.Lists[name] = rules.ListOptions{Writable: l.Writable, Place: c.at("rules.lists." + name)}
	}
	for name, p := range c.Rules.Packs {
		o.Packs[name] = rules.PackOptions{Mode: rules.Mode(p.Mode), Grant: p.Grant, Config: p.Config, Places: c.placesOf(name),
			Limits: rules.Limits{Steps: p.Limits.Steps, Memory: int64(p.Limits.Memory), KV: int64(p.Limits.KV), Reads: p.Limits.Reads}}
	}
	return o
}

// placesOf returns the positions of a pack's settings.
func (c *Config) placesOf(pack string) map[string]rules.Position {
	entry, places := "rules.packs."+pack, map[string]rules.Position{}
	for path, at := range c.places {
		if rest, ok := strings.CutPrefix(path, entry); ok && (rest == "" || rest[0] == '.') {
			places[strings.TrimPrefix(rest, ".")] = at
		}
	}
	return places
}

// handleSignals drains on the first SIGTERM or SIGINT, ends the process on the second,
// and reloads on SIGHUP, until ended is closed. ctx ends when the daemon is to drain, also
// by command; that counts as no signal, because service managers send one then. reload has
// a buffer of one, so a running reload does not delay a signal.
func handleSignals(ctx context.Context, stops, reloads <-chan os.Signal, ended <-chan struct{}, drain func(), log *slog.Logger, again *reloader, reload chan engine.Changes) {
	signalled := false
	for {
		select {
		case <-reloads:
			if ctx.Err() != nil {
				continue
			}
			_, _ = again.deliver(bySIGHUP, reload, nil) // an error is logged
		case s := <-stops:
			if signalled {
				log.Warn("chertd stopped immediately at a second signal; pending work resumes at the next start", "signal", s.String())
				os.Exit(exitFailure)
			}
			log.Info(choose(ctx.Err() == nil, "shutdown started", "chertd is draining already")+"; a second signal stops chertd immediately", "signal", s.String())
			signalled = true
			drain()
		case <-ended:
			return
		}
	}
}

// openEvents opens the file of events; - is standard input.
func openEvents(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	if info, err := os.Stat(name); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return &pipe{name: name}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError("--events: %v", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close() // nothing was read
		return nil, hinted(usageError("--events: %s is a directory", name), "name a file of JSON lines, or - for standard input")
	}
	return f, nil
}

// pipe is a named pipe that is opened by the first Read, because opening waits for a
// writer and the daemon must not wait.
type pipe struct {
	name string
	f    *os.File
}

func (p *pipe) Read(b []byte) (int, error) {
	if p.f == nil {
		f, err := os.Open(p.name)
		if err != nil {
			return 0, err
		}
		p.f = f
	}
	return p.f.Read(b)
}

// Close leaves the pipe open until the process ends: a Read may be waiting.
func (p *pipe) Close() error { return nil }
