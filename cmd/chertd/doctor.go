package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/store/sqlite"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// Bounds of a checkup, so that it ends whatever hangs.
const (
	doctorStep  = 10 * time.Second // of one question to the network or the daemon
	doctorRead  = 10 * time.Second // of reading the database
	doctorSpecs = 30 * time.Second // of checking the rules
	doctorCheck = time.Minute      // of one check: what waits for a disk that hangs can't be interrupted
	doctorAll   = 2 * time.Minute  // of all checks
)

// doctorFlags are the flags of chertd doctor.
type doctorFlags struct {
	daemonFlags
	offline bool
	wait    string

	patience time.Duration // wait, parsed
}

func newDoctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, credentials, clock, store, rules and webhook; print the fixes",
		Long: `Checks everything that chertd needs to work, and prints what is wrong, and the
fixes in the order in which to make them: the configuration and its secrets, the
way to Chert, the credentials, the clock, the phone lines, the store and its disk,
the limits of the process, the rules, the targets of notifications, the collector of
traces, the webhook and its subscription, the events log, and the running daemon, if there is one.

Run it as the user that chertd runs as, in the same environment, on the same
machine. It works with and without a running daemon, and changes nothing. If a
daemon runs, the last step is end to end: Chert replays to the webhook an event that
the daemon has already, which the daemon recognizes as a duplicate. A request without
a valid signature, which the daemon must refuse, is counted in its status as
"` + string(probeRefusal) + `".

Each check ends in one of these:
  ok        nothing is wrong
  warning   it works, and may fail later
  PROBLEM   chertd does not work as configured until this is fixed
  skipped   it could not be checked, with the reason

Exits with 0 if there is no problem, and with 1 otherwise.`,
		Example: "  chertd doctor\n  sudo -u chertd chertd doctor -c /etc/chertd/chertd.yaml\n  chertd doctor --offline",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.patience, err = luabind.ParseDuration(f.wait); err != nil {
				return hinted(usageError("--wait: %v", err), "for example --wait 10s")
			}
			return doctor(cmd, &f)
		},
	}
	f.add(cmd)
	cmd.Flags().Lookup("config").Usage = "configuration `FILE` to check (default ./chertd.yaml, then /etc/chertd/chertd.yaml)"
	cmd.Flags().BoolVar(&f.offline, "offline", false, "skip what needs the network")
	cmd.Flags().StringVar(&f.wait, "wait", "10s", "how long a replayed event may take to arrive: `DURATION`")
	return cmd
}

// check is one check of chertd doctor.
type check struct {
	name    string
	network bool // it needs the network
	// needs names checks that must have found no problem.
	needs []string
	run   func(*checkup, context.Context) result
}

// checks are all checks, in the order in which their problems are to be fixed.
var checks = []check{
	{name: "configuration", run: (*checkup).configuration},
	{name: "secrets", run: (*checkup).secrets},
	{name: "network", network: true, run: (*checkup).network},
	{name: "credentials", network: true, needs: []string{"network"}, run: (*checkup).credentials},
	{name: "clock", network: true, run: (*checkup).clock},
	{name: "lines", network: true, needs: []string{"credentials"}, run: (*checkup).phoneLines},
	{name: "store", run: (*checkup).storeFile},
	{name: "disk", run: (*checkup).disk},
	{name: "limits", run: (*checkup).limits},
	{name: "rules", run: (*checkup).rulePacks},
	{name: "notify", run: (*checkup).notifyTargets},
	{name: "traces", run: (*checkup).collector},
	{name: "control", run: (*checkup).controlSocket},
	{name: "webhook", run: (*checkup).webhook},
	{name: "subscription", network: true, needs: []string{"credentials"}, run: (*checkup).subscription},
	{name: "events log", network: true, needs: []string{"credentials"}, run: (*checkup).eventsLog},
	{name: "stream", network: true, needs: []string{"credentials"}, run: (*checkup).stream},
	{name: "delivery", network: true, needs: []string{"credentials", "control"}, run: (*checkup).delivery},
	{name: "daemon", run: (*checkup).daemonStatus},
}

// checkup is one run of chertd doctor, with what checks have found out for later ones.
type checkup struct {
	*doctorFlags
	hangs  string    // the check that does not end; "": none
	c      *Config   // nil: nothing of it can be understood
	faults diag.List // of the configuration

	client *chert.Client // nil: the configuration does not allow calls
	clocks serverClock
	lines  []chert.PhoneNumber
	listed bool // the lines are known

	path   string          // of the daemon's socket; "": not known
	daemon *control.Status // nil: no daemon answers, because of silent
	silent error

	db *sqlite.Examination // nil: there is no database, or it can't be read

	deaf    bool                 // the daemon's webhook does not answer as it should
	targets []chert.Subscription // that may deliver to this daemon's webhook, best first
	rows    []chert.Row          // the newest of the events log
	proved  *result              // of delivery, if it was made already
}

func doctor(cmd *cobra.Command, f *doctorFlags) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process immediately
	ctx, cancel := context.WithTimeout(ctx, doctorAll)
	defer cancel()
	file, err := findConfig(f.config)
	if err != nil {
		return fail(exitFailure, err)
	}
	k := &checkup{doctorFlags: f}
	k.load(file)
	k.meetDaemon(ctx)
	if k.client != nil {
		defer k.client.Close()
	}
	p := doctorPrinter{w: cmd.OutOrStdout(), json: f.json}
	d := diagnosis{Config: file}
	p.begin(k, file)
	for _, ch := range checks {
		r := k.perform(ctx, ch, d.Checks)
		r.Name = ch.name
		d.Checks = append(d.Checks, r)
		p.result(r)
	}
	d.conclude()
	if err := p.end(d); err != nil {
		return err
	}
	switch {
	case interrupted(ctx):
		return fail(exitFailure, errors.New("interrupted before all checks were made"))
	case d.Problems > 0:
		return fail(exitFailure, errSilent)
	}
	return nil
}

// interrupted reports whether a signal, and not the time, has ended a checkup.
func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// perform makes a check, unless an earlier result makes it meaningless.
func (k *checkup) perform(ctx context.Context, ch check, before []result) result {
	switch {
	case interrupted(ctx):
		return skipped("interrupted")
	case ctx.Err() != nil:
		return skipped("the checks before it took longer than %s", doctorAll)
	case k.hangs != "":
		return skipped("fix %s first", k.hangs)
	case k.c == nil && ch.name != "configuration" && ch.name != "daemon":
		return skipped("the configuration can't be read")
	case ch.network && k.offline:
		return skipped("--offline")
	}
	for _, need := range ch.needs {
		for _, r := range before {
			if r.Name == need && r.Status == statusProblem {
				return skipped("fix %s first", need)
			}
			if r.Name == need && r.Status == statusSkipped {
				return skipped("%s", r.Summary)
			}
		}
	}
	made := make(chan result, 1)
	go func() { made <- ch.run(k, ctx) }()
	limit := time.NewTimer(doctorCheck)
	defer limit.Stop()
	select {
	case r := <-made:
		if interrupted(ctx) {
			return skipped("interrupted")
		}
		return r
	case <-limit.C:
		// The goroutine may wait for a disk forever, and still use k: no other check runs.
		k.hangs = ch.name
		r := fine("it does not end")
		r.problem(fmt.Sprintf("no result within %s", diag.Duration(doctorCheck)), "look at the disks and network file systems that chertd uses: dmesg, df")
		return r
	}
}

// command returns a command line of chertd with this configuration.
func (k *checkup) command(rest string) string { return "chertd " + rest + k.configFlag() }

// at returns where a setting stands in the configuration, to begin a fix with.
func (k *checkup) at(path string) string {
	at := k.c.at(path)
	if at.Line == 0 {
		return at.File
	}
	return fmt.Sprintf("%s:%d", at.File, at.Line)
}
