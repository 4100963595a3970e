package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// max_age keeps a rule from events that are older, when its handling begins. One
// of unknown age decides for leaving the chat unread: it is not read, and not
// kept from a veto.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	const read, veto, both = `chert.mark_read(ev.chat.id)`, `chert.keep_unread(ev.chat.id)`, `if ev.text == "x" then chert.keep_unread(ev.chat.id) else chert.mark_read(ev.chat.id) end`
	at := func(age time.Duration) func(*event.Event) {
		return func(ev *event.Event) { ev.At = noon.Add(-age) }
	}
	untimed := func(ev *event.Event) { ev.At, ev.Message.SentAt = time.Time{}, time.Time{} }
	for name, tt := range map[string]struct {
		code   string
		change func(*event.Event)
		first  time.Duration // before now; 0: it was not handled before
		want   string        // Skipped
	}{
		"young":                              {read, at(5 * time.Hour), 0, ""},
		"just young enough":                  {read, at(6 * time.Hour), 0, ""},
		"a millisecond too old":              {read, at(6*time.Hour + time.Millisecond), 0, SkippedAge},
		"days old":                           {read, at(50 * time.Hour), 0, SkippedAge},
		"of now":                             {read, at(0), 0, ""},
		"of the future":                      {read, at(-time.Hour), 0, ""},
		"of unknown age":                     {read, untimed, 0, SkippedNoAge},
		"only sent long ago":                 {read, func(ev *event.Event) { untimed(ev); ev.Message.SentAt = noon.Add(-7 * time.Hour) }, 0, SkippedAge},
		"only sent lately":                   {read, func(ev *event.Event) { untimed(ev); ev.Message.SentAt = noon.Add(-time.Hour) }, 0, ""},
		"a veto, young":                      {veto, at(5 * time.Hour), 0, ""},
		"a veto, too old":                    {veto, at(7 * time.Hour), 0, SkippedAge},
		"a veto, of unknown age":             {veto, untimed, 0, ""},
		"reads and vetoes, of unknown age":   {both, untimed, 0, SkippedNoAge},
		"a veto, too old since it was due":   {veto, at(7 * time.Hour), 2 * time.Hour, ""},
		"a veto, too old when it was due":    {veto, at(9 * time.Hour), 2 * time.Hour, SkippedAge},
		"a read, too old since it was due":   {read, at(7 * time.Hour), 2 * time.Hour, SkippedAge},
		"reads and vetoes, since it was due": {both, at(7 * time.Hour), 2 * time.Hour, ""},
		"an event without a message or age":  {veto, func(ev *event.Event) { untimed(ev); ev.Message = nil }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustLoad(t, Options{}, map[string]string{"p.lua": `chert.rule({ name = "n", on = "message.received", max_age = "6h", run = function(ev) ` + tt.code + ` end })`})
			in := Input{Event: message("x", tt.change), Now: noon}
			if tt.first > 0 {
				in.First = noon.Add(-tt.first)
			}
			out := set.Run(0, in)
			if len(out.Outcomes) != 1 || out.Outcomes[0].Skipped != tt.want {
				t.Fatalf("got %+v, want skipped: %q", out.Outcomes, tt.want)
			}
			// A rule that did not run has seen nothing and missed nothing.
			if o := &out.Outcomes[0]; o.Saw() != (tt.want == "") || len(out.Missed) > 0 || out.Block {
				t.Errorf("saw %t, missed %v, blocks %t", o.Saw(), out.Missed, out.Block)
			}
			if x := set.Explain(in)[0]; x.Skipped != tt.want || x.Runs != (tt.want == "") {
				t.Errorf("explained as %+v", x)
			}
		})
	}
}

// The cooldown of a missed veto begins when its event came: it keeps the rule from no
// event that it would have run on.
func TestCooldownOfMissedVetoStartsWithItsEvent(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]time.Time{`chert.keep_unread(ev.chat.id)`: noon, `chert.mark_read(ev.chat.id)`: noon.Add(time.Hour)} {
		set := mustLoad(t, Options{}, map[string]string{"p.lua": `chert.rule({ name = "n", on = "message.received", cooldown = "1h", run = function(ev) ` + code + ` end })`})
		o := set.Run(0, Input{Event: message("x"), Now: noon, First: noon.Add(-time.Hour), Chat: &chat.Chat{ID: "c1"}}).Outcomes
		if len(o) != 1 || o[0].Rest == nil || !o[0].Rest.Until.Equal(want) {
			t.Errorf("%s: got %+v, want a rest until %s", code, o, want)
		}
	}
}

// A pack runs later on what it has missed. A veto counts then as it would have at
// first; a read has to be within its hours now.
func TestHoursOfMissedEvents(t *testing.T) {
	t.Parallel()
	const read, veto, both = `chert.mark_read(ev.chat.id)`, `chert.keep_unread(ev.chat.id)`, `if ev.text == "x" then chert.keep_unread(ev.chat.id) else chert.mark_read(ev.chat.id) end`
	const office, night, holiday = `during = "09:00-11:30"`, `outside = "09:00-11:30"`, `during = "09:00-13:00", not_on = { "2026-01-06" }`
	for name, tt := range map[string]struct {
		code, hours string
		now, first  time.Time
		want        string
	}{
		"a veto within its hours at first":         {veto, office, noon, noon.Add(-time.Hour), ""},
		"a veto within its hours now":              {veto, night, noon, noon.Add(-time.Hour), SkippedHours},
		"a veto on a day that is over":             {veto, holiday, noon.AddDate(0, 0, 1), noon, ""},
		"reads and vetoes, as a veto":              {both, office, noon, noon.Add(-time.Hour), ""},
		"a read within its hours at first":         {read, office, noon, noon.Add(-time.Hour), SkippedHours},
		"a read within its hours now":              {read, night, noon, noon.Add(-time.Hour), ""},
		"a veto of an event that was not missed":   {veto, office, noon, time.Time{}, SkippedHours},
		"a veto within its hours now and at first": {veto, office, noon.Add(-time.Hour), noon.Add(-2 * time.Hour), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustLoad(t, Options{}, map[string]string{"p.lua": `chert.rule({ name = "n", on = "message.received", ` + tt.hours + `, run = function(ev) ` + tt.code + ` end })`})
			in := Input{Event: message("x"), Now: tt.now, First: tt.first}
			if o := set.Run(0, in).Outcomes; len(o) != 1 || o[0].Skipped != tt.want {
				t.Errorf("got %+v, want skipped: %q", o, tt.want)
			}
		})
	}
}

// A cooldown keeps a rule from an event that its pack had missed only if it began
// before the event came. Of what the rule asks for in one that began later, vetoes count.
func TestCooldownOfMissedEvents(t *testing.T) {
	t.Parallel()
	const veto, read, both = `chert.keep_unread(ev.chat.id)`, `chert.mark_read(ev.chat.id)`, `chert.mark_read(ev.chat.id) chert.set_timer("t", "1h") chert.hold(ev.chat.id, "1h") chert.cancel_read(ev.chat.id)`
	first := noon.Add(-20 * time.Minute)
	for name, tt := range map[string]struct {
		code  string
		began time.Time // the cooldown of an hour
		first time.Time
		want  string // Skipped, or what it asks for
	}{
		"a veto, and it began later":         {veto, first.Add(time.Minute), first, "keep_unread"},
		"a veto, and it began in the moment": {veto, first, first, "keep_unread"},
		"a veto, and it began before":        {veto, first.Add(-time.Second), first, SkippedCooldown},
		"a veto, and it is over":             {veto, noon.Add(-time.Hour), first, "keep_unread rests"},
		"a veto of an event of now":          {veto, noon.Add(-time.Minute), time.Time{}, SkippedCooldown},
		"a read, and it began later":         {read, first.Add(time.Minute), first, SkippedCooldown},
		"all, and it began later":            {both, first.Add(time.Minute), first, "hold cancel_read"},
		"all, and it is over":                {both, time.Time{}, first, "mark_read set_timer hold cancel_read rests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustLoad(t, Options{}, map[string]string{"p.lua": `chert.rule({ name = "n", on = "message.received", cooldown = "1h", run = function(ev) ` + tt.code + ` end })`})
			in := Input{Event: message("x"), Now: noon, First: tt.first, Chat: &chat.Chat{ID: "c1", Cooldown: map[string]time.Time{"p/n": tt.began.Add(time.Hour)}}}
			o := set.Run(0, in).Outcomes[0]
			var got []string
			for _, w := range o.Requests {
				got = append(got, string(w.Kind))
			}
			if o.Skipped != "" {
				got = append(got, o.Skipped)
			}
			if o.Rest != nil {
				got = append(got, "rests")
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if x := set.Explain(in)[0]; x.Skipped != o.Skipped {
				t.Errorf("explained as %+v", x)
			}
		})
	}
}

// On the days of not_on the hours of a rule do not hold, whatever they are.
func TestNotOn(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"data/lines.txt":  "# of 2026\n2026-12-25\n\n2026-12-31..2027-01-02\n",
		"data/list.yaml":  "- 2026-12-25\n- 2026-12-31..2027-01-02\n",
		"data/named.yaml": "2026-12-25: Christmas\n2026-12-31..2027-01-02: New Year\n",
		"data/rows.csv":   "date,name\n2026-12-25,Christmas\n2026-12-31..2027-01-02,New Year\n",
		"data/semi.yaml":  `["2026-12-25", "2026-12-31..2027-01-02"]`,
	}
	const zone = "America/New_York"
	type when struct {
		at   string
		runs bool
	}
	days := []when{
		{"2026-12-24 10:00", true}, {"2026-12-25 00:00", false}, {"2026-12-25 10:00", false}, {"2026-12-25 23:59", false}, {"2026-12-26 00:00", true},
		{"2026-12-30 10:00", true}, {"2026-12-31 10:00", false}, {"2027-01-01 10:00", false}, {"2027-01-02 23:59", false}, {"2027-01-03 00:00", true},
	}
	hours := []when{
		{"2026-12-24 10:00", true}, {"2026-12-24 18:00", false}, {"2026-12-25 10:00", false}, {"2026-12-28 10:00", true}, {"2026-12-26 10:00", false},
	}
	outside := []when{
		{"2026-12-24 10:00", false}, {"2026-12-24 18:00", true}, {"2026-12-25 10:00", true}, {"2026-12-28 10:00", false}, {"2026-12-26 10:00", true},
	}
	night := []when{
		{"2026-12-24 23:00", true}, {"2026-12-25 01:00", false}, {"2026-12-25 23:00", false}, {"2026-12-26 01:00", false}, {"2026-12-26 23:00", true}, {"2026-12-27 05:59", true},
	}
	lists := []string{`{ "2026-12-25", "2026-12-31..2027-01-02" }`, `{ "2027-01-01..2027-01-02", "2026-12-31", "2026-12-25", "2026-12-25" }`}
	for name := range files {
		lists = append(lists, `data.load("`+strings.TrimSuffix(strings.TrimPrefix(name[:strings.LastIndexByte(name, '.')], "data/"), ".")+`")`)
	}
	for _, list := range lists {
		for window, when := range map[string][]when{"": days, `during = "Mon-Fri 09:00-17:30",`: hours, `outside = "Mon-Fri 09:00-17:30",`: outside, `during = "22:00-06:00",`: night} {
			source := map[string]string{"p/p.lua": `chert.rule({ name = "n", on = "message.received", ` + window + ` tz = "` + zone + `", not_on = ` + list + `, run = function(ev) chert.mark_read(ev.chat.id) end })`}
			for name, text := range files {
				source["p/"+name] = text
			}
			set := mustLoad(t, Options{}, source)
			loc, err := time.LoadLocation(zone)
			must(t, err)
			for _, w := range when {
				at, err := time.ParseInLocation("2006-01-02 15:04", w.at, loc)
				must(t, err)
				out := set.Run(0, Input{Event: message("x"), Now: at.UTC()}).Outcomes
				if runs := out[0].Skipped == ""; runs != w.runs || !runs && out[0].Skipped != SkippedHours && out[0].Skipped != SkippedDay {
					t.Errorf("%s not_on = %s at %s: %q, want it to run: %t", window, list, w.at, out[0].Skipped, w.runs)
				}
			}
		}
	}
	// One day alone, in the zone of the configuration.
	loc, err := time.LoadLocation("Pacific/Apia")
	must(t, err)
	set := mustLoad(t, Options{Zone: loc}, map[string]string{"p.lua": `chert.rule({ on = "message.received", not_on = "2026-12-25", run = function(ev) end })`})
	for at, want := range map[string]string{"2026-12-24T11:30:00Z": SkippedDay, "2026-12-25T11:30:00Z": ""} {
		now, err := time.Parse(time.RFC3339, at)
		must(t, err)
		if got := set.Run(0, Input{Event: message("x"), Now: now}).Outcomes[0].Skipped; got != want {
			t.Errorf("at %s: skipped %q, want %q", at, got, want)
		}
	}
}

// Whatever is wrong with a calendar is refused at its rule, with the item or row
// of it, and how to write it.
func TestNotOnErrors(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		`"2026-02-30"`:                   `not_on: "2026-02-30" is not a day: February 2026 has 28 days`,
		`{ "2026-12-25", "2026-04-31" }`: `not_on: item 2: "2026-04-31" is not a day: April 2026 has 30 days`,
		`"2026-13-01"`:                   `there is no month 13`,
		`"2026-00-01"`:                   `there is no month 0`,
		`"2026-01-00"`:                   `January 2026 has 31 days`,
		`"25.12.2026"`:                   `"25.12.2026" is not a day|write "2026-12-25"`,
		`"12/25/2026"`:                   `is not a day|write "2026-12-25"`,
		`"25/12/2026"`:                   `is not a day|write "2026-12-25"`,
		`"05/06/2026"`:                   `is not a day|a day is written as year-month-day, with its year`,
		`"2026-1-5"`:                     `is not a day|write "2026-01-05"`,
		`"20261225"`:                     `is not a day|write "2026-12-25"`,
		`"2026-12-25T00:00:00Z"`:         `is not a day|write "2026-12-25"`,
		`"2026-12-25 Christmas"`:         `is not a day|write "2026-12-25"`,
		`"Dec 25, 2026"`:                 `is not a day|write "2026-12-25"`,
		`"12-25"`:                        `is not a day|with its year: 2026-12-25`,
		`"Christmas"`:                    `"Christmas" is not a day|a day is written as year-month-day`,
		`"26-12-25"`:                     `is not a day`,
		`" "`:                            `is not a day`,
		`"2027-01-02..2026-12-31"`:       `ends before it begins|write "2026-12-31..2027-01-02"`,
		`"2026-12-31-2027-01-02"`:        `is not a day|write a range with two dots: "2026-12-31..2027-01-02"`,
		`"2026-12-31 to 2027-01-02"`:     `is not a day|two dots`,
		`"2026-12-31/2027-01-02"`:        `is not a day|two dots`,
		`"2026-12-31.."`:                 `"" is not a day`,
		`"2026-12-31..2027-02-29"`:       `February 2027 has 28 days`,
		`{}`:                             `not_on has no days|leave not_on out`,
		`{ 20261225 }`:                   `item 1 must be a day like "2026-12-25"`,
		`20261225`:                       `not_on must be a day like "2026-12-25"`,
		`true`:                           `not_on must be a day`,
		`function() end`:                 `not_on must be a day`,
		`data.load("rows")`:              `not_on: data.load("rows"), row 2 below the header: "2026-02-30" is not a day`,
		`data.load("noDate")`:            `data.load("noDate") has no column date: it has day, name|give the column with the days the name date`,
		`data.load("lines")`:             `not_on: data.load("lines"): "2026-12-25 Christmas" is not a day`,
		`data.load("list")`:              `not_on: data.load("list"), item 2: "31.12.2026" is not a day`,
		`data.load("empty")`:             `data.load("empty") has no days`,
		`data.load("emptyList")`:         `data.load("emptyList") has no days`,
		`data.load("nested")`:            `item 1`,
	} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			_, diags := loadDir(tree(t, map[string]string{
				"p/p.lua":               "\nchert.rule({ name = \"n\", on = \"*\", during = \"09:00-17:00\", not_on = " + list + ", run = function(ev) end })",
				"p/data/rows.csv":       "name,date\nChristmas,2026-12-25\nodd,2026-02-30\n",
				"p/data/noDate.csv":     "day,name\n2026-12-25,Christmas\n",
				"p/data/lines.txt":      "2026-12-25 Christmas\n2026-12-31\n",
				"p/data/list.yaml":      "- 2026-12-25\n- 31.12.2026\n",
				"p/data/empty.txt":      "# none yet\n",
				"p/data/emptyList.yaml": "[]\n",
				"p/data/nested.yaml":    "- [2026-12-25]\n",
			}), Options{})
			message, hint, _ := strings.Cut(want, "|")
			if !slices.ContainsFunc(diags, func(d diag.Diagnostic) bool {
				return strings.Contains(d.Message, message) && strings.Contains(d.Hint, hint) && d.Line == 2
			}) {
				t.Errorf("not_on = %s: got %v, want %q at line 2", list, diags, want)
			}
		})
	}
}
