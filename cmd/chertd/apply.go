package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/backtest"
)

// applyOptions are the options of `chertd apply`.
type applyOptions struct {
	backtestOptions // those of the events and the rules
	daemon          daemonFlags
	request         control.ApplyRequest
	do              bool // --go
	yes             bool
}

func newApplyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply PATH",
		Short: "Request the reads that new rules would have requested of past messages",
		Long: `Runs the rules at PATH on recorded events, as if they had been live then, and lists
the chats that they would have read, and what stands in the way now: a read since, a
veto, a hold, a newer message. With --go the reads are requested; it asks first. They
go out like any others, within the rate, after reads that come due meanwhile, and can be
cancelled together. A message that comes later supersedes a read, unless a live rule
requests a read for that message.

PATH is a rules directory, a pack or a .lua file. Its packs run alone, on virtual time,
with nothing stored: the events before the period are the warm-up. Only reads are
requested; other actions are counted. The events come from the store of the
configuration: the file given by -c, or else ./chertd.yaml, /etc/chertd/chertd.yaml.
chertd must run, as it knows what stands in the way.`,
		Example: `  chertd apply rules/codes.lua
  chertd apply rules/codes.lua --since 3d --go --reason "codes were left unread"
  chertd waiting cancel --where rule=apply:BATCH`,
		Args: noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			cmd.SetContext(ctx)
			return o.run(ctx, cmd)
		},
	}
	o.daemon.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "24h", "look at the messages received in this `DURATION` before now")
	f.StringVar(&o.warmup, "warmup", "", "`DURATION` of events before these, for state alone (default as long as --since)")
	f.StringArrayVar(&o.modes, "mode", nil, "`PACK=MODE` of a pack at PATH: live, shadow or off (may be repeated)")
	f.BoolVar(&o.do, "go", false, "request the reads")
	f.BoolVar(&o.yes, "yes", false, "do not ask for confirmation")
	f.StringVar(&o.request.Batch, "batch", "", "`NAME` of the reads together; each is requested once in a batch, so the command can be repeated (default a random one)")
	f.StringVar(&o.request.Reason, "reason", "", "`REASON`, shown by explain and in the log")
	f.StringVar(&o.request.By, "by", "", "`NAME` of who requests the reads (default the login name)")
	f.IntVar(&o.limit, "limit", 20, "list `N` chats of each kind")
	f.BoolVar(&o.all, "all", false, "list all chats, also those that are read already")
	f.BoolVar(&o.text, "text", false, "show the messages' texts")
	return cmd
}

// check validates the options before anything is read.
func (o *applyOptions) check(cmd *cobra.Command) error {
	o.apart = "1s" // apply compares nothing
	if err := o.backtestOptions.check(cmd); err != nil {
		return err
	}
	if o.yes && !o.do {
		return hinted(usageError("--yes without --go"), "--go requests the reads; --go --yes does so without a question")
	}
	if cmd.Flags().Changed("batch") && o.request.Batch == "" {
		return hinted(usageError("--batch: the name is empty"), "check that the shell variable in this place is set")
	}
	o.request.By, o.request.Batch = author(o.request.By), cmp.Or(o.request.Batch, newBatch())
	var err error
	if o.source.file, err = findConfig(o.daemon.config); err != nil {
		return hinted(fail(exitFailure, fmt.Errorf("there are no events to look at: %w", err)), "name the configuration of the daemon with -c FILE")
	}
	return nil
}

// run runs the rules, asks the daemon about the reads, and requests them.
func (o *applyOptions) run(ctx context.Context, cmd *cobra.Command) error {
	heap.runMany()
	in, err := o.open(ctx, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.close()
	side, found, err := o.load(ctx, in)
	if err != nil {
		return err
	}
	if err := printDiagnostics(nil, cmd.ErrOrStderr(), "pretty", found); err != nil {
		return err
	}
	past, err := o.simulate(ctx, cmd, in, side)
	if err != nil {
		return err
	}
	r := o.report(past, side, in)
	return o.daemon.ask(cmd, func(ctx context.Context, c *control.Client) error {
		if err := o.send(ctx, c, r, true); err != nil {
			return err
		}
		if err := r.texts(ctx, in, o.text); err != nil {
			return err
		}
		r.count()
		return o.finish(ctx, cmd, c, r)
	})
}

// finish prints the report, and requests the reads if that is wanted.
func (o *applyOptions) finish(ctx context.Context, cmd *cobra.Command, c *control.Client, r *applyReport) error {
	possible := r.possible()
	wanted := o.do && possible > 0
	switch {
	case possible == 0:
		r.hint = "there is nothing to request"
	case !o.do:
		r.hint = "nothing is requested yet; with --go, the reads of " + many(int64(possible), "chat") + " are"
	}
	switch {
	case !o.daemon.json:
		if err := r.print(cmd.OutOrStdout(), o); err != nil {
			return err
		}
	case !wanted:
		return printJSON(cmd.OutOrStdout(), r)
	}
	if !wanted {
		return nil
	}
	if err := confirm(cmd, o.yes, fmt.Sprintf("request the reads of %s?", many(int64(possible), "chat"))); err != nil {
		return err
	}
	if err := r.spread(ctx, c, time.Now()); err != nil {
		return err
	}
	err := o.send(ctx, c, r, false)
	r.count()
	if err != nil {
		if r.sent > 0 {
			return hinted(fail(exitFailure, fmt.Errorf("%w; %s of batch %s had been requested", err, many(int64(r.sent), "read"), r.Batch)),
				"to cancel those that wait, run "+o.daemon.daemonCommand("waiting cancel --where rule=apply:"+r.Batch)+"; to request the rest, repeat the command with --batch "+r.Batch)
		}
		return err
	}
	return tell(cmd, o.daemon.json, r, r.requested(&o.daemon)...)
}

// load loads the packs at PATH, in the modes that a run of chertd would give them.
func (o *applyOptions) load(ctx context.Context, in *recordedEvents) (rulesSide, diag.List, error) {
	report := rules.Load([]string{o.path}, o.source.options)
	if report.Diagnostics.Errors() {
		return rulesSide{}, nil, fail(exitFailure, report.Diagnostics)
	}
	kept, err := live.LivePacks(ctx, in.store, o.source.options.GrantNeeds())
	if err != nil {
		return rulesSide{}, nil, storeError(fail(exitFailure, err))
	}
	packs := map[string]*sidePack{}
	for i := range report.Packs {
		loaded := &report.Packs[i]
		packs[loaded.Name] = &sidePack{pack: loaded.Pack, version: loaded.Pack.Version, path: loaded.Path}
	}
	for _, k := range kept {
		if p := packs[k.Name]; p != nil {
			p.command, p.ruleModes = k.Command, k.RuleModes
			if k.Candidate == "" || k.Candidate == p.version {
				p.share = k.Share // in the other chats the pack is in shadow
			}
		}
	}
	for name := range o.modeOf {
		if packs[name] == nil {
			return rulesSide{}, nil, hinted(usageError("--mode %s=%s: there is no pack %q at %s", name, o.modeOf[name], name, o.path), diag.DidYouMean("", name, sortedKeys(packs)))
		}
	}
	for name := range o.modeOf {
		packs[name].share = 0
	}
	return o.side(packs, o.modeOf), report.Diagnostics, nil
}

// simulate runs the rules on the recorded events.
func (o *applyOptions) simulate(ctx context.Context, cmd *cobra.Command, in *recordedEvents, side rulesSide) (*backtest.Applied, error) {
	began := time.Now()
	if err := in.from(ctx, began.Add(-o.window-o.before)); err != nil {
		return nil, err
	}
	lists, err := in.store.Lists(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	progress, events := newProgress(cmd.ErrOrStderr()), 0
	past, err := backtest.Apply(ctx, backtest.ApplyConfig{
		Set: side.set, Lists: rules.NewLists(lists...), From: began.Add(-o.window), Until: began,
		Progress: func(n int, at time.Time) {
			events = n
			progress.show(n, in.part(), at)
		},
	}, func() (backtest.Event, bool, error) { return in.next(ctx) })
	progress.end(events, time.Since(began))
	if err != nil {
		return nil, o.failed(ctx, "the run of the past events", err)
	}
	return past, nil
}

// send asks the daemon what would become of the reads, or requests them.
func (o *applyOptions) send(ctx context.Context, c *control.Client, r *applyReport, try bool) error {
	o.request.DryRun = try
	var of []*applyRead
	for i := range r.Reads {
		// Of those that are left, the dry run shows which are read already.
		if x := &r.Reads[i]; x.Left == "" || try && x.Event != "" {
			of = append(of, &r.Reads[i])
		}
	}
	for len(of) > 0 {
		some := of[:min(len(of), control.MaxApplied)]
		of = of[len(some):]
		in := o.request
		for _, x := range some {
			in.Reads = append(in.Reads, control.ApplyRead{
				Chat: x.Chat, Event: x.Event, Rule: x.Read.Rule, Place: x.Read.Place, Version: x.Version,
				Reason: x.Read.Reason, Due: x.at, OnlyIf: string(x.OnlyIf),
			})
		}
		out, err := c.Apply(ctx, in)
		if err != nil {
			return err
		}
		for i := range out.Reads {
			some[i].Now = &out.Reads[i]
			if !try && out.Reads[i].Event != "" && !out.Reads[i].Again {
				r.sent++
			}
		}
		r.Waits = out.Waits
	}
	return nil
}

// newBatch returns a name for the reads that are applied together.
func newBatch() string { return strings.ToLower(rand.Text()[:8]) }
