package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/dispatch"
	"chertd/engine/live"
	"chertd/engine/system"
	"chertd/examples"
	"chertd/rules"
)

// demoQuiet replaces the half minute of examples/settle, because the demo is short.
const demoQuiet = "2s"

// demoTail is how long before its end the demo stops sending messages. Waiting reads can
// then still go out.
const demoTail = 4 * time.Second

func newDemoCommand() *cobra.Command {
	d := demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run two example packs on a simulated Chert: no account, no configuration",
		Long: `Starts a simulated Chert and a daemon with two of the example packs and a temporary
store, and prints what happens. Nothing leaves this machine, and all files are
deleted at the end.`,
		Example: "  chertd demo\n  chertd demo --for 1m --rate 10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := daemonRunsOn(runtime.GOOS, system.RunsDaemon); err != nil {
				return err
			}
			d.out = cmd.OutOrStdout()
			d.errOut = cmd.ErrOrStderr()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return d.run(ctx)
		},
	}
	cmd.Flags().DurationVar(&d.length, "for", 20*time.Second, "how long the demo runs: `DURATION`")
	cmd.Flags().Uint64Var(&d.seed, "seed", 0, "random `SEED` of the simulated traffic (default: the current time)")
	cmd.Flags().Float64Var(&d.rate, "rate", 2.5, "`N` events per second, on average")
	return cmd
}

// demo is one run of the demo.
type demo struct {
	length time.Duration
	seed   uint64
	rate   float64
	out    io.Writer
	errOut io.Writer
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.length <= 0 || d.rate <= 0 {
		return usageError("--for and --rate must be greater than 0")
	}
	if d.seed == 0 {
		d.seed = uint64(time.Now().UnixNano())
	}
	dir, err := os.MkdirTemp("", "chertd-demo-")
	if err != nil {
		return hinted(fmt.Errorf("create a directory for the demo: %w", err), tempHint)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rulesDir := filepath.Join(dir, "rules")
	if err := copyPacks(examples.Packs, rulesDir); err != nil {
		return fmt.Errorf("copy the example packs: %w", err)
	}

	sim := chertsim.New(chertsim.Config{Seed: d.seed, AllowLoopback: true, Rate: 20, Burst: 20})
	defer sim.Close()
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the simulated Chert: %w", err)
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}

	view := newDemoView(d.out)
	view.begin(d.length, rulesDir)
	stop := sim.Watch(view.chert)
	defer stop()

	ctx, cancel := context.WithTimeout(ctx, d.length)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { _ = server.Serve(api) }) // ends with ErrServerClosed, below
	daemon := engine.Daemon{
		StorePath: filepath.Join(dir, "chertd.db"),
		API: chert.Config{
			BaseURL: "http://" + api.Addr().String() + chertsim.BasePath,
			Tenant:  chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret,
			Timeout: chert.DefaultTimeout,
		},
		Rate: dispatch.DefaultRate, Burst: dispatch.DefaultBurst,
		Webhook: engine.Webhook{
			Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret},
			Tolerance: 5 * time.Minute, MaxBody: 1 << 20,
		},
		RulesDir: rulesDir, Watch: true,
		Rules: rules.Options{Packs: map[string]rules.PackOptions{
			"settle": {Config: map[string]any{"quiet": demoQuiet}},
		}},
		Log:     slog.New(demoLog{view}),
		Observe: view.daemon,
		Started: func(a engine.Addresses) {
			if _, err := sim.Subscribe(a.Webhook, chertsim.DefaultWebhookSecret); err != nil {
				view.problem(fmt.Sprintf("the simulated Chert refuses the webhook: %v", err))
			}
			all.Go(func() {
				traffic, cancel := context.WithTimeout(ctx, max(d.length-demoTail, d.length/2))
				defer cancel()
				sim.Traffic(traffic, chertsim.TrafficConfig{Rate: d.rate, People: 6})
			})
		},
	}
	err = daemon.Run(ctx)
	server.Close()
	all.Wait()
	view.end()
	return err
}

// copyPacks writes the packs to a directory in which they can be edited while the demo
// runs.
func copyPacks(packs fs.FS, dir string) error {
	return fs.WalkDir(packs, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		text, err := fs.ReadFile(packs, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
}

// demoLog shows the daemon's warnings and errors in the demo, and edits of the rules
// that go live.
type demoLog struct{ view *demoView }

func (demoLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l demoLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn || r.Message == live.LiveMessage {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			switch a.Key {
			case "pack":
				text += ": pack " + a.Value.String()
			case "err":
				text += "\n" + a.Value.String()
			}
			return true
		})
		l.view.note(r.Level, text)
	}
	return nil
}

func (l demoLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l demoLog) WithGroup(string) slog.Handler      { return l }
