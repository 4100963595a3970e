package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"chertd/engine/chertsim"

	"github.com/spf13/cobra"
)

// simWebhookURL is the address at which chertd receives webhooks by default. sim and run
// find each other without a flag.
const simWebhookURL = "http://127.0.0.1:8787/webhooks/chert"

// simOptions are the flags of chertd sim.
type simOptions struct {
	listen        string
	webhook       string
	webhookSecret string
	tenant        string
	signingSecret string
	rate, speed   float64
	limit         float64
	burst         int
	seed          uint64
	quiet         bool
	noTraffic     bool
}

func newSimCommand() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run only the Chert simulator, for development",
		Long: `Runs a Chert simulator: the API, the events log, the stream and webhooks, with
people who write messages. It prints what to put in chertd.yaml, and then a line
for each message, delivery and call.

The same --seed always generates the same messages with the same ids, and a daemon
that has already seen them ignores them as duplicates. Use a new seed after each
restart of the simulator.

` + chertsim.ControlHelp,
		Example: `  chertd sim
  chertd sim --webhook http://127.0.0.1:9000/webhooks/chert
  chertd sim --no-traffic --limit 5 --burst 10
  curl -d '{"chat": "c1", "text": "hello"}' http://127.0.0.1:8790/sim/messages
  curl -d '{"route": "mark-read", "code": 4001, "times": 3}' \
    http://127.0.0.1:8790/sim/fail`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process immediately
			return runSim(ctx, cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8790", "`ADDRESS` of the API and the control routes")
	f.StringVar(&o.webhook, "webhook", simWebhookURL, "`URL` to deliver events to; with \"\" they are only in the events log and the stream")
	f.StringVar(&o.webhookSecret, "webhook-secret", chertsim.DefaultWebhookSecret, "`SECRET` that deliveries are signed with")
	f.StringVar(&o.tenant, "tenant", chertsim.DefaultTenant, "tenant `SLUG` that calls must name")
	f.StringVar(&o.signingSecret, "signing-secret", chertsim.DefaultSigningSecret, "`SECRET` that calls must be signed with")
	f.Float64Var(&o.rate, "rate", 1, "`N` events per second, on average")
	f.Float64Var(&o.speed, "speed", 1, "`FACTOR` by which people write faster than in real life")
	f.Float64Var(&o.limit, "limit", 0, "the simulated Chert's own rate limit, in `CALLS` per second; 0 is none")
	f.IntVar(&o.burst, "burst", 20, "how many `CALLS` the simulated rate limit lets through in a burst")
	f.Uint64Var(&o.seed, "seed", 1, "random seed: the same `SEED` generates the same messages")
	f.BoolVar(&o.quiet, "quiet", false, "do not print messages, deliveries and calls")
	f.BoolVar(&o.noTraffic, "no-traffic", false, "generate no messages; only POST /sim/messages does")
	return cmd
}

// check rejects options that would fail later or have no effect.
func (o simOptions) check() error {
	switch {
	case !(o.rate > 0) || !(o.speed > 0):
		return hinted(usageError("--rate and --speed must be above 0"), "to generate no messages, use --no-traffic")
	case !(o.limit >= 0) || o.burst < 1:
		return usageError("--limit must not be negative, and --burst must be at least 1")
	case o.tenant == "" || o.signingSecret == "" || o.webhookSecret == "":
		return hinted(usageError("--tenant, --signing-secret and --webhook-secret must not be empty"), "leave them out for the development values")
	}
	return nil
}

// runSim serves the simulator until ctx ends.
func runSim(ctx context.Context, out io.Writer, o simOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	sim := chertsim.New(chertsim.Config{
		Tenant: o.tenant, SigningSecret: o.signingSecret, Seed: o.seed, Now: time.Now,
		Rate: o.limit, Burst: o.burst, AllowLoopback: true,
	})
	defer sim.Close()
	if o.webhook != "" {
		if _, err := sim.Subscribe(o.webhook, o.webhookSecret); err != nil {
			return hinted(usageError("--webhook: %w", err), "use a public https URL or one of this machine, such as "+simWebhookURL)
		}
	}
	listener, err := net.Listen("tcp", o.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hinted(fmt.Errorf("listen on %s: the address is in use", o.listen), "stop the other chertd sim, or choose another address with --listen 127.0.0.1:8791")
	}
	if err != nil {
		return hinted(fmt.Errorf("--listen: %w", err), "it takes host:port, like 127.0.0.1:8790")
	}
	printer := &simPrinter{out: out, quiet: o.quiet}
	printer.start(o, listener.Addr().String())
	sim.Watch(printer.print)

	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { served <- server.Serve(listener) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !o.noTraffic {
		running.Go(func() { sim.Traffic(ctx, chertsim.TrafficConfig{Rate: o.rate, Speed: o.speed, Seed: o.seed}) })
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-served:
		err = fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	cancel()
	sim.Close() // ends the streams, on which Shutdown would wait
	grace, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	running.Wait()
	printer.end()
	return err
}

// simWebhook returns the address and the path at which chertd must listen for a webhook
// URL.
func simWebhook(address string) (listen, path string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return "127.0.0.1:8787", "/webhooks/chert" // the defaults; something in front of chertd takes the TLS off
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")), cmp.Or(u.Path, "/")
}
