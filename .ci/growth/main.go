// Command growth shows how the cost and the latency of chertd grow: with rules, packs,
// known chats, history, pending reads and timers, and the size of messages.
//
//	go run ./.ci/growth
//	go run ./.ci/growth -only history,chats -max 10000000 -dir /mnt/big
//	go run ./.ci/growth -max 10000 -rounds 1 -slice 1000 -secs 1
//
// It builds chertd, runs it as a process beside an API and a sender of its own, and
// prints a table in Markdown. Each size is compared with the base of its group: both
// daemons run at the same time and have load in turns, so that the ratios hold on a
// machine that is not quiet. The table takes a quarter of an hour, the last of these
// commands two minutes. With -max 10000000 the largest store has some 30 GB and takes an
// hour to fill. All that was written is removed at the end.
//
// It needs Linux: it reads processor time and memory from /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// options are the flags.
type options struct {
	dir    string
	max    int
	only   string
	rounds int
	slice  int
	conns  int
	rate   float64
	secs   float64
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", os.TempDir(), "folder for stores, on a disk like that of production: an fsync costs nothing in a tmpfs")
	flag.IntVar(&o.max, "max", 100_000, "leave out larger numbers of rules, packs, chats, events and pending reads")
	flag.StringVar(&o.only, "only", "", "only these groups, separated by commas: "+strings.Join(groupNames(), ", "))
	flag.IntVar(&o.rounds, "rounds", 5, "rounds: in each, base and case have load in turns")
	flag.IntVar(&o.slice, "slice", 5000, "events in a round, for the processor time")
	flag.IntVar(&o.conns, "c", 32, "connections")
	flag.Float64Var(&o.rate, "rate", 200, "events a second, for the latency")
	flag.Float64Var(&o.secs, "secs", 3, "seconds at that rate in a round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	chosen, err := choose(groups(), o.only, o.max)
	if err != nil {
		return err
	}
	if o.rounds < 1 || o.slice < 1 || o.conns < 1 || o.rate*o.secs < 1 {
		return fmt.Errorf("-rounds, -slice and -c need 1 at least, and -rate times -secs an event")
	}
	if err := enoughDisk(o.dir, chosen); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "chertd")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./cmd/chertd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build chertd: %w", err)
	}
	heading(o)
	m := measuring{options: o, dir: dir, program: program}
	var failed []error
	for _, g := range chosen {
		failed = append(failed, m.group(ctx, g))
	}
	return errors.Join(failed...)
}

// heading prints how the figures are made, and the first lines of the table.
func heading(o options) {
	fmt.Printf("chertd on %d cores, %s, fsync %s (median). Medians of %d rounds in which base and case have load in turns.\n",
		runtime.NumCPU(), runtime.Version(), rounded(fsyncTime(o.dir)), o.rounds)
	fmt.Printf("Processor time of chertd: %d events from %d connections a round. Latency from webhook to call: %g events a second, %g s a round.\n",
		o.slice, o.conns, o.rate, o.secs)
	fmt.Print("Cells: the ratio to the group's base, measured in the same run, and the figure.\n\n")
	fmt.Println(header())
}
