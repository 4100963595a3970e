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
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/live"
	"chertd/examples"
	"chertd/rules"
)

// demoQuiet stands in for the half minute of examples/settle, so that a short
// demo shows a burst settle.
const demoQuiet = "2s"

// demoTail is how long before its end the demo stops sending, so that what
// waits can still be read.
const demoTail = 4 * time.Second

func newDemoCommand() *cobra.Command {
	d := demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the example packs on a simulated Chert: no account, no configuration",
		Long: `Starts a simulated Chert, the daemon on a temporary store, and the example
packs, and shows what happens as it happens. Nothing leaves this machine, and
nothing is left on it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.out = cmd.OutOrStdout()
			d.errOut = cmd.ErrOrStderr()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return d.run(ctx)
		},
	}
	cmd.Flags().DurationVar(&d.length, "for", 20*time.Second, "how long")
	cmd.Flags().Uint64Var(&d.seed, "seed", 0, "of the traffic: the same seed, the same messages (default: the time)")
	cmd.Flags().Float64Var(&d.rate, "rate", 2.5, "events per second")
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
		return usageError("--for and --rate must be more than nothing")
	}
	if d.seed == 0 {
		d.seed = uint64(time.Now().UnixNano())
	}
	dir, err := os.MkdirTemp("", "chertd-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
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
			Timeout: 10 * time.Second,
		},
		Rate: 10, Burst: 20,
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

// copyPacks writes the packs where they can be edited while the demo runs.
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

// demoLog shows warnings and errors of the daemon among what happens, and the
// news that an edit of the rules is live.
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
