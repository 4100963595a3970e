// Command soak runs chertd under steady load for a long time while Chert, the network and
// the process fail, and then checks that nothing was lost or doubled.
//
//	go run ./.ci/soak -for 30m -rate 300
//	go run ./.ci/soak -for 8m -rate 300 -faults=false -stop 5m
//
// It builds chertd and runs it as a process beside a simulated Chert, with the webhook and
// the events log as its sources. With -faults, one fault follows another: lost, doubled and
// delayed deliveries, every kind of bad answer, a line that is down, a hidden rate limit,
// outages, edits, restarts and kill -9. With -stop, the process is stopped once for that
// time under load, and must catch up. In the end all must hold that check.go looks at.
//
// It prints resident memory each minute. It needs Linux, and removes what it has written.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	length time.Duration
	rate   float64
	chats  int
	faults bool
	stop   time.Duration
	seed   uint64
	dir    string
}

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 30*time.Minute, "length of the load")
	flag.Float64Var(&o.rate, "rate", 300, "messages a second")
	flag.IntVar(&o.chats, "chats", 5000, "chats that they arrive in")
	flag.BoolVar(&o.faults, "faults", true, "one fault after another")
	flag.DurationVar(&o.stop, "stop", 0, "how long chertd is stopped in the middle; 0: it is not")
	flag.Uint64Var(&o.seed, "seed", 1, "of messages and faults")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "folder for the store, on a disk like that of production")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "chertd-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "chertd")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/chertd").CombinedOutput(); err != nil {
		return fmt.Errorf("build chertd: %w: %s", err, out)
	}
	w, err := newWorld(o, program, dir)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.start(); err != nil {
		return err
	}
	began := time.Now()
	load, endLoad := context.WithTimeout(ctx, o.length)
	defer endLoad()
	go w.send(load)
	if o.faults {
		if err := w.fail(load, rand.New(rand.NewPCG(o.seed, 1))); err != nil {
			return err
		}
	} else if err := w.stopOnce(load, o.stop); err != nil {
		return err
	}
	<-load.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Printf("%s: the load ends after %d messages\n", time.Since(began).Round(time.Second), w.sent.Load())
	w.calm()
	if err := w.settle(ctx); err != nil {
		return err
	}
	fmt.Printf("%s: all messages are handled, and no call waits\n", time.Since(began).Round(time.Second))
	return w.check(ctx)
}
