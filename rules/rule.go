package rules

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/rules/chat"
)

// Rule is one compiled subscription of a pack. It is immutable.
type Rule struct {
	Pack  string
	Name  string // as given, or "file#1", counting the subscriptions of its file
	Named bool   // the name was given
	Key   string // identity within all packs: chat.Key(Pack, Name)
	File  string
	Line  int // of the subscribing call
	Types []string
	// Every is the duration or cron expression of chert.every, otherwise "". Such a
	// rule runs on events of type "schedule" with its name as payload, a JSON string.
	Every    string
	Schedule luabind.Schedule // of Every
	Missed   MissedRuns       // of Every
	Cooldown time.Duration
	MaxAge   time.Duration // 0: events of any age
	Sample   float64       // 0: every chat

	where   *clause
	ways    []access // for the index
	during  *luabind.Window
	outside *luabind.Window
	notOn   luabind.Days   // on these, during and outside do not hold
	zone    *time.Location // of these
	ownZone bool           // the rule names it
	index   int            // of its handler in a VM
	place   string         // file:line of the subscribing call
	digests ruleDigests    // of its subscription and code, without its place
	// onlyVetoes and canVeto are the pack's: it requests no reads; it can veto.
	onlyVetoes, canVeto bool
}

// maxNameLen limits the names of rules, in bytes: every record contains them.
const maxNameLen = 120

// Place returns where the rule is written, as file:line.
func (r *Rule) Place() string { return r.place }

// compileRule checks and compiles a subscription. ordinal counts the subscriptions of
// files of this name from 1. It returns all problems it finds.
func compileRule(pack string, sub luabind.Subscription, ordinal int, zone *time.Location, country string) (*Rule, []*problem) {
	r := &Rule{
		Pack: pack, Name: sub.Name, Named: sub.Name != "", File: sub.File, Line: sub.Line,
		Types: sub.Types, Every: sub.Every, Cooldown: sub.Cooldown, MaxAge: sub.MaxAge, Sample: sub.Sample, index: sub.Index,
	}
	if !r.Named {
		r.Name = fmt.Sprintf("%s#%d", fileLabel(sub.File), ordinal)
	}
	r.Key = chat.Key(pack, r.Name)
	r.digests = digestsOf(&sub)
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

// fileLabel returns a file's name as in the names of its unnamed rules.
func fileLabel(file string) string {
	return strings.TrimSuffix(path.Base(filepath.ToSlash(file)), ".lua")
}

// needsName returns the options of the rule whose state is stored under its name.
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

// scheduled reports whether a schedule event is for this rule.
func (r *Rule) scheduled(ev *event.Event) bool {
	var name string
	return json.Unmarshal(ev.Payload, &name) == nil && name == r.Name
}
