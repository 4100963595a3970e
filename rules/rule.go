package rules

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// anyType subscribes to every type of Chert's; never to events chertd makes.
const anyType = "*"

// maxNameLen bounds names of rules: they stand in every record.
const maxNameLen = 120

// Rule is one subscription of a pack, compiled. It is immutable.
type Rule struct {
	Pack  string
	Name  string // as given, or "file#1", counting the subscriptions of its file
	Named bool   // the name was given
	Key   string // identity within all packs: chat.Key(Pack, Name)
	File  string
	Line  int // of the subscribing call
	Types []string
	// Every is the duration or cron expression of chert.every, else "". Such a
	// rule runs on events of type "schedule" whose payload is its name, as a
	// JSON string.
	Every    string
	Schedule luabind.Schedule // of Every
	Missed   MissedRuns       // of Every
	Cooldown time.Duration
	MaxAge   time.Duration // 0: events of any age
	Sample   float64       // 0: every chat

	where   *clause
	ways    []access // by which an index can find it
	during  *luabind.Window
	outside *luabind.Window
	notOn   luabind.Days   // during and outside are closed then
	zone    *time.Location // of these
	index   int            // of its handler in a VM
	place   string         // file:line of the subscribing call
	digest  string         // hash of what it subscribes to and does, whatever its place
	// onlyVetoes and canVeto are the pack's: it asks for no reads; for vetoes.
	onlyVetoes, canVeto bool
}

// Place is where the rule is written, as file:line.
func (r *Rule) Place() string { return r.place }

// compileRule checks a subscription and compiles it. ordinal counts the
// subscriptions of files of its name from 1. It returns all problems it finds.
func compileRule(pack string, sub luabind.Subscription, ordinal int, zone *time.Location, country string) (*Rule, []*problem) {
	r := &Rule{
		Pack: pack, Name: sub.Name, Named: sub.Name != "", File: sub.File, Line: sub.Line,
		Types: sub.Types, Every: sub.Every, Cooldown: sub.Cooldown, MaxAge: sub.MaxAge, Sample: sub.Sample, index: sub.Index,
	}
	if !r.Named {
		r.Name = fmt.Sprintf("%s#%d", fileLabel(sub.File), ordinal)
	}
	r.Key = chat.Key(pack, r.Name)
	r.digest = digestOf(sub)
	r.place = fmt.Sprintf("%s:%d", r.File, r.Line)

	var problems []*problem
	fail := func(hint, format string, args ...any) {
		problems = append(problems, &problem{message: fmt.Sprintf(format, args...), hint: hint})
	}
	if len(sub.Name) > maxNameLen {
		fail("", "name is %d bytes long, at most %d are allowed", len(sub.Name), maxNameLen)
	}
	if strings.ContainsAny(sub.Name, "#\n\r\x00") {
		fail("", "name %q: # and line breaks are not allowed in a name", sub.Name)
	}
	for _, what := range r.needsName() {
		if !r.Named {
			fail(`give it one: name = "…"`, "a rule with %s needs a name, because its state is stored under that name", what)
		}
	}
	if sub.Every == "" {
		if len(sub.Types) == 0 {
			fail(`for example on = "message.received"`, "on is missing: the rule would never run")
		}
		for _, t := range sub.Types {
			if p := checkType(t); p != nil {
				problems = append(problems, p)
			}
		}
	} else {
		r.Types = []string{event.Schedule}
	}
	if sub.Where != nil {
		where, ps := compileWhere(sub.Where, country)
		r.where, r.ways = where, accessesOf(where)
		problems = append(problems, ps...)
	}
	problems = append(problems, r.compileHours(sub, zone)...)
	return r, problems
}

// fileLabel is a file's name as it stands in the names of its unnamed rules.
func fileLabel(file string) string {
	return strings.TrimSuffix(path.Base(filepath.ToSlash(file)), ".lua")
}

// needsName lists what of the rule is remembered under its name.
func (r *Rule) needsName() []string {
	var what []string
	if r.Cooldown > 0 {
		what = append(what, "a cooldown")
	}
	if r.Sample > 0 {
		what = append(what, "sample")
	}
	if r.Every != "" {
		what = append(what, "a schedule")
	}
	return what
}

func (r *Rule) compileHours(sub luabind.Subscription, zone *time.Location) []*problem {
	var problems []*problem
	if sub.TZ != "" {
		loc, err := luabind.LoadZone(sub.TZ)
		if err != nil {
			return []*problem{{message: "tz: " + err.Error()}}
		}
		zone = loc
		if sub.During == "" && sub.Outside == "" && sub.NotOn == nil && sub.Every == "" {
			problems = append(problems, &problem{message: "tz has no effect without during, outside or not_on", hint: "remove tz, or add during, outside or not_on"})
		}
	}
	for _, h := range []struct {
		key, text string
		window    **luabind.Window
	}{{"during", sub.During, &r.during}, {"outside", sub.Outside, &r.outside}} {
		if h.text == "" {
			continue
		}
		w, err := luabind.ParseWindow(h.text, zone)
		if err != nil {
			problems = append(problems, &problem{message: h.key + ": " + err.Error()})
			continue
		}
		*h.window = &w
	}
	if r.zone = zone; zone == nil {
		r.zone = time.UTC
	}
	if sub.NotOn != nil {
		problems = append(problems, r.compileNotOn(sub)...)
	}
	if sub.Every != "" {
		s, err := luabind.ParseSchedule(sub.Every, zone)
		if err != nil {
			problems = append(problems, &problem{message: err.Error(), hint: luabind.HintOf(err)})
		}
		r.Schedule = s
		var p *problem
		if r.Missed, p = missedRuns(sub.Missed); p != nil {
			problems = append(problems, p)
		}
	}
	return problems
}

// compileNotOn reads the days on which the rule's hours do not hold. A rule
// that has no hours does not run on them at all.
func (r *Rule) compileNotOn(sub luabind.Subscription) []*problem {
	days, err := luabind.ParseDays(sub.NotOn.Days)
	var wrong *luabind.DayError
	if errors.As(err, &wrong) {
		p := &problem{message: "not_on: " + wrong.Message, hint: wrong.Hint}
		if at := sub.NotOn.At[wrong.Item]; at != "" {
			p.message = fmt.Sprintf("not_on: %s: %s", at, wrong.Message)
		}
		return []*problem{p}
	}
	r.notOn = days
	if sub.During == "" && sub.Outside == "" {
		w, err := luabind.ParseWindow("00:00-24:00", r.zone)
		if err != nil {
			return []*problem{{message: err.Error()}}
		}
		r.during = &w
	}
	return nil
}

// CalendarEnded is when the last day of the rule's not_on was over, if that is
// before a time; zero if the rule has none, or days are left.
func (r *Rule) CalendarEnded(now time.Time) time.Time {
	if last := r.notOn.Last(r.zone); !r.notOn.None() && !last.After(now) {
		return last
	}
	return time.Time{}
}

// scheduled reports whether a schedule's event is this rule's.
func (r *Rule) scheduled(ev *event.Event) bool {
	var name string
	return json.Unmarshal(ev.Payload, &name) == nil && name == r.Name
}

// checkType refuses types that can't be or that look like a slip.
func checkType(t string) *problem {
	known := []string{event.MessageReceived, event.LeadReply, "reaction.added", "reaction.removed", event.ActionDone, event.ActionFailed}
	name, isTimer := strings.CutPrefix(t, event.TimerPrefix)
	switch {
	case t == "":
		return &problem{message: "on: a type is the empty string"}
	case t == event.Schedule:
		return &problem{message: `on: "schedule" can't be subscribed to`, hint: `use chert.every("15m", {name = "…"}, fn)`}
	case isTimer && name == "":
		return &problem{message: `on: "timer:" lacks the timer's name`, hint: `"timer:<name>", with the name given to chert.set_timer`}
	case strings.TrimSpace(t) != t || strings.ContainsAny(t, " \t\r\n"):
		return &problem{message: fmt.Sprintf("on: %q: a type has no spaces", t)}
	case strings.Contains(t, anyType) && t != anyType:
		return &problem{message: fmt.Sprintf("on: %q: \"*\" must be used alone; it already matches every type", t), hint: "list the types you mean"}
	case strings.HasPrefix(t, "action.") && t != event.ActionDone && t != event.ActionFailed:
		p := &problem{message: fmt.Sprintf("on: there is no %q", t)}
		p.hint = cmp.Or(didYouMean(diag.Suggest(t, known)), `it is "action.done" or "action.failed"`)
		return p
	}
	if isTimer || t == anyType || slices.Contains(known, t) {
		return nil
	}
	near := diag.Suggest(t, known)
	if near == "" {
		return nil // a type Chert has yet to send is an event like any other
	}
	// One that differs from a known type in case and separators only is a slip
	// for certain; one that is merely near may be a type yet to come.
	plain := strings.NewReplacer("_", "", "-", "", ".", "")
	return &problem{
		message: fmt.Sprintf("on: there is no %q", t), hint: didYouMean(near),
		warning: !strings.EqualFold(plain.Replace(t), plain.Replace(near)),
	}
}

// engineType reports whether only chertd itself makes events of the type: one
// that comes from outside under such a name triggers none of its subscribers.
func engineType(t string) bool {
	return t == event.Schedule || t == event.ActionDone || t == event.ActionFailed || strings.HasPrefix(t, event.TimerPrefix)
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// registrar compiles what the files of one pack subscribe to.
type registrar struct {
	pack       string
	onlyVetoes bool // the pack's, as canVeto
	canVeto    bool
	zone       *time.Location
	country    string // of numbers without +
	data       *dataFiles
	rules      []*Rule
	perFile    map[string]int // subscriptions so far, by fileLabel
	byName     map[string]*Rule
	// warnings keep nothing from loading, so that luabind would not tell of them.
	warnings diag.List
}

// Subscribe implements luabind.Registrar, which puts the place to the problems.
func (g *registrar) Subscribe(sub luabind.Subscription) error {
	label := fileLabel(sub.File)
	g.perFile[label]++
	r, problems := compileRule(g.pack, sub, g.perFile[label], g.zone, g.country)
	if first := g.byName[r.Name]; first != nil && r.Named {
		problems = append(problems, &problem{
			message: fmt.Sprintf("the name %q is already used by the rule at %s", r.Name, first.Place()),
			hint:    "names must be unique within a pack",
		})
	}
	if r.where != nil {
		r.where.onlyVetoes = g.onlyVetoes
	}
	r.onlyVetoes, r.canVeto = g.onlyVetoes, g.canVeto
	g.byName[r.Name] = r
	g.rules = append(g.rules, r)
	var errs diag.List
	for _, p := range problems {
		d := diag.Diagnostic{Severity: diag.SeverityError, Code: p.code, Message: p.message, Hint: p.hint}
		g.data.blame(&d, p, &sub)
		if p.warning {
			if d.Severity = diag.SeverityWarning; d.File == "" {
				d.File, d.Line = sub.File, sub.Line
			}
			g.warnings = append(g.warnings, d)
			continue
		}
		errs = append(errs, d)
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}
