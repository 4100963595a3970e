package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/backtest"
	"chertd/rules/chat"
)

// applyReport is the result of `chertd apply`, for people and programs.
type applyReport struct {
	Path string `json:"path"`
	// Batch names the reads, once they are requested: their rule is apply:BATCH.
	Batch     string          `json:"batch"`
	Requested bool            `json:"requested"`
	Packs     []applyPack     `json:"packs"` // by name
	Events    int             `json:"events"`
	Chats     int             `json:"chats"` // of these events
	First     time.Time       `json:"first,omitzero"`
	Last      time.Time       `json:"last,omitzero"`
	Warmup    backtest.Warmup `json:"warmup"`
	Rules     backtest.Side   `json:"rules"` // what they did on the recorded events
	Reads     []applyRead     `json:"reads"` // in the order of the messages
	Counts    []applyCount    `json:"counts"`
	Notes     []string        `json:"notes"`
	Waits     []string        `json:"waits,omitempty"` // why no calls are made

	hint string
	sent int
	last time.Time // when the last read is due; zero: immediately
}

// applyPack is a pack whose rules are applied.
type applyPack struct {
	Name    string     `json:"name"`
	Version string     `json:"version"`
	Mode    rules.Mode `json:"mode"`
}

// applyRead is a read that the rules would have requested.
type applyRead struct {
	backtest.PastRead
	// Now is what became of it, or without --go, and if it is Left, what would become of it. nil:
	// it is of no event.
	Now  *control.AppliedNow `json:"now,omitempty"`
	Text string              `json:"text,omitempty"`

	at time.Time // when the read is due: not before Due, and after the reads before it
}

// applyCount counts reads. Status is that of the read, or left for PastRead.Left, which Why is then.
type applyCount struct {
	Status string `json:"status"`
	Why    string `json:"why,omitempty"`
	Count  int    `json:"count"`
}

// leftShare is PastRead.Left of a read in a chat in which its pack is in shadow.
const leftShare = "outside_share"

// statusLeft is applyCount.Status of reads that are not requested.
const statusLeft = "left"

// outcome returns the status of a read, and why.
func (x *applyRead) outcome() (status, why string) {
	switch {
	case x.Left != "" && x.Now != nil && x.Now.Why == chat.WhyAlreadyRead:
		return x.Now.Status, x.Now.Why
	case x.Left != "":
		return statusLeft, x.Left
	case x.Now == nil:
		return "", ""
	case x.Now.Status == string(chat.Waiting):
		return x.Now.Status, x.Now.For
	}
	return x.Now.Status, x.Now.Why
}

// possible reports whether the read can be requested and waits then.
func (x *applyRead) possible() bool {
	status, _ := x.outcome()
	if x.Now != nil && x.Now.Again {
		return false // the batch has requested it before
	}
	return status == string(chat.Waiting) && x.Now.For != string(chat.WaitHold) || status == string(chat.Blocked)
}

// report makes the report of what the rules would have done.
func (o *applyOptions) report(past *backtest.Applied, side rulesSide, in *recordedEvents) *applyReport {
	r := &applyReport{
		Path: o.path, Batch: o.request.Batch, Packs: []applyPack{}, Events: past.Result.Events, Chats: past.Result.Chats,
		First: past.Result.First, Last: past.Result.Last, Warmup: past.Result.Warmup, Rules: past.Side,
		Reads: []applyRead{}, Notes: []string{},
	}
	for _, name := range sortedKeys(side.packs) {
		p := side.packs[name]
		r.Packs = append(r.Packs, applyPack{name, p.version, p.mode})
	}
	for i := range past.Reads {
		x := applyRead{PastRead: past.Reads[i]}
		pack, _, _ := strings.Cut(x.Read.Rule, "/")
		if p := side.packs[pack]; p != nil && x.Left == "" && !p.share.Has(pack, x.Chat) {
			x.Left = leftShare
		}
		r.Reads = append(r.Reads, x)
	}
	r.note(o, past, side)
	return r
}

// note adds what one must know to read the report.
func (r *applyReport) note(o *applyOptions, past *backtest.Applied, side rulesSide) {
	add := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	for i := range r.Packs {
		p := &r.Packs[i]
		by := choose(side.packs[p.Name].command != "", " by command", "")
		if p.Mode != rules.Live {
			add("pack %s is %s%s: none of its reads are requested; with --mode %s=live they are", p.Name, choose(p.Mode == rules.Off, "off", "in shadow mode"), by, diag.ShellWord(p.Name))
		}
		if share := side.packs[p.Name].share; share != 0 && p.Mode == rules.Live {
			add("pack %s is live in %s of the chats, by command: no reads are requested in the others; with --mode %s=live they are", p.Name, share, diag.ShellWord(p.Name))
		}
		if o.modeOf[p.Name] == "" {
			for _, rule := range sortedKeys(side.packs[p.Name].ruleModes) {
				if m := side.packs[p.Name].ruleModes[rule]; m.Mode != rules.Live {
					add("rule %s/%s is %s%s: none of its reads are requested; with --mode %s=live they are", p.Name, rule, choose(m.Mode == rules.Off, "off", "in shadow"), choose(m.Why == "", "", " ("+m.Why+")"), diag.ShellWord(p.Name))
				}
			}
		}
	}
	if n := past.Result.NoText + past.Result.Warmup.NoText; n > 0 {
		add("%s no text, sender or group any more (store.raw: %s, or chertd forget): rules that look at these see nothing, and reads of such messages are left out",
			choose(n == 1, "1 event has", thousands(int64(n))+" events have"), diag.Duration(o.source.config.Store.Raw))
	}
	for _, name := range slices.Sorted(maps.Keys(past.Result.Lists)) {
		add("the list %s has the %s that it has now: what it had when the messages came is not known", name, many(int64(past.Result.Lists[name]), "member"))
	}
	for _, l := range past.Side.Limited {
		add("%s: %s", minute(l.At), l.What)
	}
	var others []string
	for _, other := range []struct {
		n    int
		what string
	}{{past.Side.Sends, "message"}, {past.Side.Reacts, "reaction"}, {past.Side.Typing, "typing signal"}, {past.Side.Notifies, "notification"}} {
		if other.n > 0 {
			others = append(others, many(int64(other.n), other.what))
		}
	}
	if n := past.Timers; n > 0 {
		add("%s that the rules have set would fire later: what %s would request is not applied", many(int64(n), "timer"), choose(n == 1, "it", "they"))
	}
	if len(others) > 0 {
		add("the rules also requested %s: only reads are applied", strings.Join(others, ", "))
	}
}

// count counts the reads by what becomes of them.
func (r *applyReport) count() {
	r.Counts, r.Requested = nil, r.sent > 0
	for i := range r.Reads {
		status, why := r.Reads[i].outcome()
		at := slices.IndexFunc(r.Counts, func(c applyCount) bool { return c.Status == status && c.Why == why })
		if at < 0 {
			at = len(r.Counts)
			r.Counts = append(r.Counts, applyCount{Status: status, Why: why})
		}
		r.Counts[at].Count++
	}
	rank := []string{string(chat.Waiting), string(chat.Done), string(chat.Blocked), "", string(chat.Dropped), statusLeft}
	slices.SortFunc(r.Counts, func(a, b applyCount) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.Status), slices.Index(rank, b.Status)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why))
	})
	if r.Counts == nil {
		r.Counts = []applyCount{}
	}
}

// possible counts the chats whose reads can be requested.
func (r *applyReport) possible() int {
	chats := map[string]bool{}
	for i := range r.Reads {
		if r.Reads[i].possible() {
			chats[r.Reads[i].Chat] = true
		}
	}
	return len(chats)
}

// texts reads the texts of the messages.
func (r *applyReport) texts(ctx context.Context, in *recordedEvents, wanted bool) error {
	if !wanted {
		return nil
	}
	seqs := map[int64]bool{}
	for i := range r.Reads {
		if seq := r.Reads[i].Seq; seq > 0 {
			seqs[seq] = true
		}
	}
	events, err := in.fetch(ctx, seqs)
	if err != nil {
		return err
	}
	for i := range r.Reads {
		if ev := events[r.Reads[i].Seq]; ev != nil {
			r.Reads[i].Text = ev.Text
		}
	}
	return nil
}

// appliedShare is the share of the rate at which applied reads come due: the rest is for the reads of live
// rules. If all were due at the same time, those that come meanwhile would wait behind them once they
// are not fresh any more.
const appliedShare = 0.8

// spread gives each read that can be made its own time, from now on.
func (r *applyReport) spread(ctx context.Context, c *control.Client, now time.Time) error {
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	rate := st.Calls.Ceiling
	if learned := st.Calls.Learned; learned > 0 && (rate == 0 || learned < rate) {
		rate = learned
	}
	n := 0
	for i := range r.Reads {
		x := &r.Reads[i]
		x.at = x.Due
		if !x.possible() || rate <= 0 {
			continue
		}
		if at := now.Add(time.Duration(float64(n) / (rate * appliedShare) * float64(time.Second))); n > 0 && at.After(x.at) {
			x.at = at
		}
		if n++; x.at.After(r.last) {
			r.last = x.at
		}
	}
	return nil
}
