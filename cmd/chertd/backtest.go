package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/backtest"
)

// backtestOptions are the options of `chertd backtest`.
type backtestOptions struct {
	source  ruleSource
	path    string // PATH; "": rules.dir
	store   string // --store
	events  string // --events
	against string
	since   string
	warmup  string
	apart   string // --tolerance
	modes   []string
	failIf  []string
	format  string
	limit   int
	all     bool
	text    bool

	window, before, tolerance time.Duration
	modeOf                    map[string]rules.Mode // of --mode
	conditions                []backtest.Condition
}

func newBacktestCommand() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use:   "backtest [-c FILE] [PATH]",
		Short: "Show what an edit would have done with recorded events",
		Long: `Runs recorded events through the rules at PATH and through the live ones, and lists
the chats that would have been read, left unread, or read at another time, with the
rule and line on both sides. Nothing is sent: timers and the answers of calls are
simulated on virtual time. Both sides start with nothing stored. The events before
the period are the warm-up, which builds up state and is not counted.

PATH is a rules directory, a pack or a .lua file; without it, rules.dir of the
configuration. A pack or a file takes the place of the live pack of the same name,
and the others stay as they are. A rules directory replaces all packs.

The events and the live versions come from the store, whether chertd runs or not:
the one of the configuration, or --store FILE. With --events FILE the events are JSON
lines, as for chertd run. If no store knows a live version, PATH is compared with
rules.dir, or with --against PATH.

The configuration is the one given by -c, or ./chertd.yaml if it exists. No secrets
are needed.

--fail-if makes the command exit with 1 if a condition holds, such as "reads > +20%"
(the candidate makes more than a fifth more calls), "left > 0" or "failures > 0".`,
		Example: `  chertd backtest
  chertd backtest rules/codes.lua --since 7d
  chertd backtest rules/vip --fail-if "reads > +20%" --fail-if "left > 0"
  chertd backtest next/rules --store /backup/chertd.db --format json
  chertd backtest rules/codes.lua --against old/codes.lua --events events.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.path = args[0]
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return o.run(ctx, cmd)
		},
	}
	formatFlag(cmd, &o.format, "pretty", "json", "junit", "github")
	f := cmd.Flags()
	f.StringVarP(&o.source.file, "config", "c", "", "configuration `FILE` (default ./chertd.yaml, if it exists)")
	f.StringVar(&o.store, "store", "", "`FILE` of the store's database, instead of the configuration's")
	f.StringVar(&o.events, "events", "", "`FILE` of events, JSON lines, instead of those in the store; - is standard input")
	f.StringVar(&o.against, "against", "", "`PATH` of the rules to compare with, instead of the live versions")
	f.StringVar(&o.since, "since", "24h", "compare the events received in this `DURATION` before the newest one")
	f.StringVar(&o.warmup, "warmup", "", "`DURATION` of events before these, for state alone (default as long as --since; with --events, none)")
	f.StringVar(&o.apart, "tolerance", "1s", "`DURATION` by which two reads may be apart and count as the same")
	f.StringArrayVar(&o.modes, "mode", nil, "`PACK=MODE` of the candidate: live, shadow or off (may be repeated)")
	f.StringArrayVar(&o.failIf, "fail-if", nil, "exit with 1 if this `CONDITION` holds (may be repeated)")
	f.IntVar(&o.limit, "limit", 20, "list `N` differences of each kind")
	f.BoolVar(&o.all, "all", false, "list all differences, and messages that another rule reads at the same time")
	f.BoolVar(&o.text, "text", false, "show the messages' texts")
	return cmd
}

// check validates the options before anything is read.
func (o *backtestOptions) check(cmd *cobra.Command) (err error) {
	given := cmd.Flags().Changed
	if o.events != "" && given("since") {
		return hinted(usageError("--since and --events exclude each other"), "all events of the file are compared; --warmup 24h leaves out the first ones")
	}
	for _, name := range []string{"store", "events", "against"} {
		if given(name) && strings.TrimSpace(cmd.Flag(name).Value.String()) == "" {
			return hinted(usageError("--%s: the path is empty", name), "check that the shell variable in this place is set")
		}
	}
	for _, name := range []string{"since", "warmup", "tolerance"} {
		if given(name) && strings.TrimSpace(cmd.Flag(name).Value.String()) == "" {
			return hinted(usageError("--%s: the duration is empty", name), "check that the shell variable in this place is set")
		}
	}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
		least      time.Duration
	}{{"since", o.since, &o.window, 1}, {"warmup", o.warmup, &o.before, 0}, {"tolerance", o.apart, &o.tolerance, 1}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = luabind.ParseDuration(d.text); err != nil {
			return hinted(usageError("--%s: %v", d.name, err), fmt.Sprintf("for example --%s 24h", d.name))
		}
		if *d.to < d.least {
			return usageError("--%s: it must be greater than 0, got %s", d.name, d.text)
		}
	}
	if o.warmup == "" && o.events == "" {
		o.before = o.window
	}
	if o.limit < 1 {
		return hinted(usageError("--limit %d: it must be at least 1", o.limit), choose(cmd.Name() == "apply", "--all lists all chats", "--all lists all differences"))
	}
	if o.all {
		o.limit = 0
	}
	o.modeOf = map[string]rules.Mode{}
	for _, text := range o.modes {
		pack, mode, ok := strings.Cut(text, "=")
		if !ok || pack == "" || !slices.Contains([]rules.Mode{rules.Live, rules.Shadow, rules.Off}, rules.Mode(mode)) {
			return hinted(usageError("--mode %q: expected PACK=MODE", text), "for example --mode codes=live; the modes are live, shadow and off")
		}
		o.modeOf[pack] = rules.Mode(mode)
	}
	for _, text := range o.failIf {
		c, err := backtest.ParseCondition(text)
		if wrong := (*backtest.ConditionError)(nil); errors.As(err, &wrong) {
			return hinted(usageError("--fail-if %w", err), wrong.Hint)
		}
		o.conditions = append(o.conditions, c)
	}
	return nil
}

// run compares, and prints the result.
func (o *backtestOptions) run(ctx context.Context, cmd *cobra.Command) error {
	began := time.Now()
	heap.runMany()
	in, err := o.open(ctx, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.close()
	pair, err := o.load(ctx, in)
	if err != nil {
		return err
	}
	if err := printDiagnostics(nil, cmd.ErrOrStderr(), "pretty", pair.found); err != nil {
		return err
	}
	from, err := in.begin(ctx, o)
	if err != nil {
		return err
	}
	progress, events := newProgress(cmd.ErrOrStderr()), 0
	c := backtest.Config{Live: pair.live.set, Candidate: pair.candidate.set, From: from, Tolerance: o.tolerance, Limit: o.limit,
		Progress: func(n int, at time.Time) {
			events = n
			progress.show(n, in.part(), at)
		}}
	if in.store != nil {
		lists, err := in.store.Lists(ctx)
		if err != nil {
			return storeError(err)
		}
		c.Lists = rules.NewLists(lists...)
	}
	result, err := backtest.Run(ctx, c, func() (backtest.Event, bool, error) { return in.next(ctx) })
	progress.end(events, time.Since(began))
	if err != nil {
		return o.failed(ctx, "the comparison", err)
	}
	r := o.report(result, pair, in)
	if err := r.explain(ctx, &c, in); err != nil {
		return o.failed(ctx, "the comparison", err)
	}
	r.Took = time.Since(began)
	if err := r.write(cmd, o.format); err != nil {
		return err
	}
	if !r.OK {
		return fail(exitFailure, errors.New(r.verdict()))
	}
	return nil
}

// failed adds a hint to the error of a run of events, such as the comparison.
func (o *backtestOptions) failed(ctx context.Context, what string, err error) error {
	if runaway := (*backtest.RunawayError)(nil); errors.As(err, &runaway) {
		return hinted(fail(exitFailure, err), "make that rule do less for an event: `chertd eval EVENT.json --format json` shows its steps")
	}
	if ctx.Err() != nil { // whatever it ended first: a rule, or a query of the store
		return fail(exitFailure, fmt.Errorf("%s was interrupted", what))
	}
	return storeError(fail(exitFailure, err))
}

// warning is a note as a diagnostic.
func warning(file, message, hint string) diag.Diagnostic {
	return diag.Diagnostic{File: file, Severity: diag.SeverityWarning, Message: message, Hint: hint}
}
