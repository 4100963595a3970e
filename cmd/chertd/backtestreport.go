package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/backtest"
)

// backtestReport is the result of `chertd backtest`, for people and programs.
type backtestReport struct {
	OK         bool                `json:"ok"`   // no condition holds
	Live       string              `json:"live"` // where the live rules are from
	Candidate  string              `json:"candidate"`
	Packs      []backtestPack      `json:"packs"` // by name
	Conditions []backtestCondition `json:"conditions"`
	Notes      []string            `json:"notes"`

	backtest.Result
	LiveSide      backtest.Side        `json:"live_rules"`
	CandidateSide backtest.Side        `json:"candidate_rules"`
	Differences   []backtestDifference `json:"differences"` // replaces those of Result
	Took          time.Duration        `json:"took_ns"`

	text bool
	left diag.List // lines of a file that are left out
}

// backtestPack is a pack on both sides.
type backtestPack struct {
	Name          string     `json:"name"`
	Change        string     `json:"change"`         // added, removed, changed, unchanged
	Live          string     `json:"live"`           // version; "": the live rules do not have the pack
	LiveMode      rules.Mode `json:"live_mode"`      //
	Candidate     string     `json:"candidate"`      // version; "": the candidate does not have it
	CandidateMode rules.Mode `json:"candidate_mode"` //
}

// backtestCondition is a condition of --fail-if.
type backtestCondition struct {
	Text  string `json:"condition"`
	Holds bool   `json:"holds"`
	Found string `json:"found"`
}

// backtestDifference is a difference with the text of its message, if that is to be shown.
type backtestDifference struct {
	backtest.Difference
	Text string `json:"text,omitempty"`
}

// report makes the report of a result. explain completes it.
func (o *backtestOptions) report(result *backtest.Result, p *backtestPair, in *recordedEvents) *backtestReport {
	r := &backtestReport{
		OK: true, Live: p.from, Candidate: p.path, Packs: packsOf(p), Conditions: []backtestCondition{}, Notes: []string{},
		Result: *result, LiveSide: result.Sides[0], CandidateSide: result.Sides[1],
		text: o.text, left: in.bad,
	}
	for i := range o.conditions {
		c := &o.conditions[i]
		holds, found := c.Holds(result)
		r.OK = r.OK && !holds
		r.Conditions = append(r.Conditions, backtestCondition{c.Text, holds, found})
	}
	r.note(o, p, in)
	return r
}

// verdict names the conditions that hold.
func (r *backtestReport) verdict() string {
	var all []string
	for _, c := range r.Conditions {
		if c.Holds {
			all = append(all, fmt.Sprintf("--fail-if %q holds (%s)", c.Text, c.Found))
		}
	}
	return strings.Join(all, "; ")
}

// packsOf compares the packs of both sides.
func packsOf(p *backtestPair) []backtestPack {
	list := []backtestPack{}
	for name, now := range p.candidate.packs {
		row := backtestPack{Name: name, Change: "added", Candidate: now.version, CandidateMode: now.mode}
		if was := p.live.packs[name]; was != nil {
			row.Live, row.LiveMode = was.version, was.mode
			row.Change = choose(was.version == now.version && was.mode == now.mode, "unchanged", "changed")
		}
		list = append(list, row)
	}
	for name, was := range p.live.packs {
		if p.candidate.packs[name] == nil {
			list = append(list, backtestPack{Name: name, Change: "removed", Live: was.version, LiveMode: was.mode})
		}
	}
	slices.SortFunc(list, func(a, b backtestPack) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// note adds what one must know to read the result.
func (r *backtestReport) note(o *backtestOptions, p *backtestPair, in *recordedEvents) {
	add := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	same := true
	for i := range r.Packs {
		row := &r.Packs[i]
		same = same && row.Change == "unchanged"
		if shadow := r.CandidateSide.Dropped["shadow"]; row.CandidateMode == rules.Shadow && row.Change != "unchanged" && shadow > 0 {
			add("pack %s is in shadow mode: reads that it requests are not made; with --mode %s=live they are", row.Name, diag.ShellWord(row.Name))
		}
		if row.CandidateMode == rules.Off && row.Change != "unchanged" {
			add("pack %s is off; with --mode %s=live it runs", row.Name, diag.ShellWord(row.Name))
		}
		if was := p.live.packs[row.Name]; was != nil && was.partly != "" {
			add("%s", was.partly)
		}
		if row.Change == "added" && !p.whole {
			add("pack %s runs beside the live packs: no live pack has this name; to compare it with one, name its folder or file like that pack", row.Name)
		}
		if row.Change == "removed" && p.whole {
			how := ""
			if abs, err := filepath.Abs(p.path); err == nil && filepath.Base(abs) == row.Name {
				how = ": it was read as a rules directory; if it is this pack, add a pack.yaml to it (it may be empty)"
			}
			add("%s does not have the pack %s, which is live%s", p.path, row.Name, how)
		}
	}
	if same {
		add("the candidate is the same as what is live")
	}
	if n := r.Events + r.Warmup.Events; n > 0 && r.NoText+r.Warmup.NoText > 0 {
		kept := " (store.raw, or chertd forget)"
		if c := o.source.config; c != nil {
			kept = " (store.raw: " + diag.Duration(c.Store.Raw) + ", or chertd forget)"
		}
		add("%s of %s events have no text, sender or group any more%s: rules that look at these see nothing. Differences of such messages are counted as unknown and are not listed",
			thousands(int64(r.NoText+r.Warmup.NoText)), thousands(int64(n)), kept)
	}
	if in.left > 0 {
		add("%s of the file can't be used and %s left out", many(int64(in.left), "line"), choose(in.left == 1, "is", "are"))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Lists)) {
		if n := r.Lists[name]; n > 0 {
			add("the list %s has the %s that it has now: what it had when the events came is not known", name, many(int64(n), "member"))
		} else {
			add("the list %s is empty: no store with members of it was read, or it has none now", name)
		}
	}
	if r.Unordered > 0 {
		add("%s older than one before: they are handled in the order in which they stand, at the later time", choose(r.Unordered == 1, "1 event is", thousands(int64(r.Unordered))+" events are"))
	}
	for _, side := range []struct {
		name string
		of   *backtest.Side
	}{{"live rules", &r.LiveSide}, {"candidate", &r.CandidateSide}} {
		for _, l := range side.of.Limited {
			add("%s, %s: %s", side.name, minute(l.At), l.What)
		}
	}
	if in.file == nil && r.Warmup.Events == 0 {
		add("there are no events before %s: both sides start with nothing stored, and messages that were unread before are not known", minute(r.First))
	}
}

// explain completes the list: why messages stay unread, and their texts.
func (r *backtestReport) explain(ctx context.Context, c *backtest.Config, in *recordedEvents) error {
	wanted := map[int64]bool{}
	for i := range r.Result.Differences {
		d := &r.Result.Differences[i]
		unknown := d.Live.Read == nil && d.Live.Unread == nil || d.Candidate.Read == nil && d.Candidate.Unread == nil
		if d.Seq > 0 && (r.text || unknown) {
			wanted[d.Seq] = true
		}
	}
	events, err := in.fetch(ctx, wanted)
	if err != nil {
		return err
	}
	r.Differences = []backtestDifference{}
	for i := range r.Result.Differences {
		d := backtestDifference{Difference: r.Result.Differences[i]}
		ev := events[d.Seq]
		c.Explain(&d.Difference, ev)
		if r.text && ev != nil {
			d.Text = ev.Text
		}
		r.Differences = append(r.Differences, d)
	}
	return nil
}
