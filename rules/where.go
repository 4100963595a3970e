package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/luabind/diag"
)

// clause is a compiled where. An event passes it if all its conditions hold and none of
// its exceptions does; every event passes the nil clause. A clause is immutable once its
// pack is built, and shared by all shards.
//
// An unknown field leaves the chat unread:
//
//	the field is      {k = v}   except = {k = v}   except, if onlyVetoes
//	v                 passes    does not pass      does not pass
//	something else    does not  passes             passes
//	unknown           does not  does not pass      passes
type clause struct {
	conditions []condition
	except     []*clause
	// onlyVetoes is set if the rule's pack requests no reads: an exception that is
	// unknown must not suppress a veto. In any other pack it must not let an event
	// pass to a read.
	onlyVetoes bool
}

// whereKey is a key of where, and how its value is compiled. compile gets the key's full
// name for messages, e.g. "where.from", and returns a condition, a problem, or both if
// the problem is a warning.
type whereKey struct {
	key     string
	compile func(name string, v any) (condition, *problem) // with a warning: both
}

// whereKeys returns all keys of where, those that are cheap to check first: conditions
// are checked in this order. country is that of numbers without +.
func whereKeys(country string) []whereKey {
	return []whereKey{
		{"direction", choice((*probe).direction, "inbound", "outbound")},
		{"is_group", flag((*probe).isGroup)},
		{"source", choice((*probe).source, event.SourceWebhook, event.SourceStream, event.SourceCatchup, event.SourceFile, event.SourceSignal, event.SourceEngine)},
		{"service", list((*probe).service, strings.ToLower)},
		{"chat", withLists(chats, (*probe).chat, (*probe).chat)},
		{"line", withLists(handles((*probe).line, country), (*probe).line, (*probe).rawLine)},
		{"from", withLists(handles((*probe).from, country), (*probe).from, (*probe).rawFrom)},
		{"sender", choice((*probe).sender, string(handle.Phone), string(handle.ShortCode), string(handle.Email))},
		{"has_media", flag((*probe).hasMedia)},
		{"words", literals(true)},
		{"text", literals(false)},
		{"matches", patterns},
	}
}

// compileWhere compiles a where table. It returns all problems, not only the first.
// country is that of numbers without +.
func compileWhere(m map[string]any, country string) (*clause, []*problem) {
	return compileClause("where", m, country, true)
}

// holds reports whether the event passes the clause.
func (c *clause) holds(p *probe) bool {
	if c == nil {
		return true
	}
	if c.all(p) != event.True {
		return false
	}
	for _, x := range c.except {
		if c.excepts(x.all(p)) {
			return false
		}
	}
	return true
}

// excepts reports whether an exception keeps an event from passing, given whether the
// conditions of the exception hold.
func (c *clause) excepts(holds event.Truth) bool {
	return holds == event.True || holds == event.Unknown && !c.onlyVetoes
}

// all returns whether all conditions hold: False if one is known not to, otherwise
// Unknown if one is unknown.
func (c *clause) all(p *probe) event.Truth {
	all := event.True
	for _, cond := range c.conditions {
		switch cond.holds(p) {
		case event.False:
			return event.False
		case event.Unknown:
			all = event.Unknown
		}
	}
	return all
}

// refusals returns why the event does not pass the clause; nil if it does.
func (c *clause) refusals(p *probe) []string {
	if c == nil {
		return nil
	}
	var why []string
	for _, cond := range c.conditions {
		if cond.holds(p) != event.True {
			why = append(why, cond.why(p))
		}
	}
	for i, x := range c.except {
		name := "except"
		if len(c.except) > 1 {
			name = fmt.Sprintf("except[%d]", i+1)
		}
		switch holds := x.all(p); {
		case holds == event.True:
			why = append(why, name+": "+x.met(p))
		case c.excepts(holds):
			why = append(why, name+": it may match, because the event lacks "+orWords(x.unknown(p)))
		}
	}
	return why
}

// met returns by which values the event meets all conditions of the clause.
func (c *clause) met(p *probe) string {
	var all []string
	for _, cond := range c.conditions {
		all = append(all, cond.met(p))
	}
	return strings.Join(all, ", and ")
}

// unknown returns the fields of the clause that the event lacks.
func (c *clause) unknown(p *probe) []string {
	var fields []string
	for _, cond := range c.conditions {
		if cond.holds(p) == event.Unknown && !slices.Contains(fields, cond.field()) {
			fields = append(fields, cond.field())
		}
	}
	return fields
}

func compileClause(path string, m map[string]any, country string, exceptAllowed bool) (*clause, []*problem) {
	c := &clause{}
	var problems []*problem
	known := whereKeys(country)
	names := make([]string, 0, len(known)+1)
	for _, k := range known {
		names = append(names, k.key)
		v, given := m[k.key]
		if !given {
			continue
		}
		cond, p := k.compile(path+"."+k.key, v)
		if p != nil {
			p.key = path + "." + k.key
			for _, other := range p.also {
				other.key = p.key
			}
			problems = append(append(problems, p), p.also...)
			if !p.warning {
				continue
			}
		}
		c.conditions = append(c.conditions, cond)
	}
	if exceptAllowed {
		names = append(names, "except")
		if v, given := m["except"]; given {
			except, ps := compileExcept(path+".except", v, country)
			c.except = except
			problems = append(problems, ps...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if slices.Contains(names, key) {
			continue
		}
		if key == "except" {
			problems = append(problems, &problem{message: path + " can't have an except of its own"})
			continue
		}
		problems = append(problems, &problem{
			message: fmt.Sprintf("%s has no key %q", path, key),
			hint:    cmp.Or(diag.DidYouMeanString("", key, names), "its keys are "+strings.Join(names, ", ")),
		})
	}
	return c, problems
}

// compileExcept compiles the value of except: a clause, or a list of clauses.
func compileExcept(path string, v any, country string) ([]*clause, []*problem) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return nil, []*problem{{message: path + " is empty: it would except every event"}}
		}
		c, problems := compileClause(path, v, country, false)
		return []*clause{c}, problems
	case []any:
		if len(v) == 0 {
			return nil, []*problem{{message: path + " is empty: it would except every event"}}
		}
		var clauses []*clause
		var problems []*problem
		for i, x := range v {
			item := fmt.Sprintf("%s[%d]", path, i+1)
			m, ok := x.(map[string]any)
			if !ok {
				problems = append(problems, mismatch(item, "a table of keys", x))
				continue
			}
			if len(m) == 0 {
				problems = append(problems, &problem{message: item + " is empty: it would except every event"})
				continue
			}
			c, ps := compileClause(item, m, country, false)
			clauses = append(clauses, c)
			problems = append(problems, ps...)
		}
		return clauses, problems
	}
	return nil, []*problem{mismatch(path, "a table of keys as in where", v)}
}
