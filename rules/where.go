package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/luabind/diag"
)

// clause is a compiled where: an event passes it if all its conditions hold and
// none of its exceptions does. The nil clause lets every event pass. A clause is
// immutable once its pack is built, and shared by all shards.
//
// What an event does not say decides nothing, and the chat is to stay unread:
//
//	the field is      {k = v}   except = {k = v}   except, if onlyVetoes
//	v                 passes    does not pass      does not pass
//	something else    does not  passes             passes
//	unknown           does not  does not pass      passes
type clause struct {
	conditions []condition
	except     []*clause
	// onlyVetoes is set if the rule's pack asks for no reads: an exception that
	// can't be decided must not keep its rules from a veto. In any other pack it
	// must not let a read slip through.
	onlyVetoes bool
}

// condition is one key of a where. Whether it holds is Unknown for an event
// that lacks the field: such a condition lets the event pass neither in a where
// nor in an except.
type condition interface {
	holds(p *probe) event.Truth
	// why says, for people, what of the event the condition did not accept.
	why(p *probe) string
	// field is what the condition looks at, as messages name it.
	field() string
}

// problem is something wrong with what a rule file subscribes to.
type problem struct {
	message string
	hint    string
	warning bool   // it may be meant
	code    string // of a kind of its own; "": a rule that is declared wrongly
	// value is what it is about, as it was written, if that may stand in a data
	// file; empty is set if a list is to blame that has no values.
	value  string
	empty  bool
	blank  *blank     // an item of a list is the empty string
	number float64    // that stands where a string belongs
	key    string     // of where: "where.from"
	also   []*problem // with other values of the key
}

// blank is an empty string in a list: an empty cell of a .csv, mostly.
type blank struct {
	nth    int      // of the list's empty strings
	others []string // the values that are not empty, which tell the column
}

// Codes of what a where says of texts; see docs/checks.md.
const (
	CodeLetters = "CH026"
	CodeWords   = "CH027"
)

// whereKey is a key that a where may have, and how its value is compiled. name
// is how the key is called in messages, e.g. "where.from".
type whereKey struct {
	key     string
	compile func(name string, v any) (condition, *problem) // with a warning: both
}

// whereKeys is in the order in which conditions are looked at: cheap ones first.
// country is that of numbers without +.
func whereKeys(country string) []whereKey {
	return []whereKey{
		{"direction", choice((*probe).direction, "inbound", "outbound")},
		{"is_group", flag((*probe).isGroup)},
		{"source", choice((*probe).source, event.SourceWebhook, event.SourceStream, event.SourceCatchup, event.SourceFile, event.SourceEngine)},
		{"service", list((*probe).service, strings.ToLower)},
		{"chat", chats},
		{"line", handles((*probe).line, country)},
		{"from", handles((*probe).from, country)},
		{"sender", choice((*probe).sender, string(handle.Phone), string(handle.ShortCode), string(handle.Email))},
		{"has_media", flag((*probe).hasMedia)},
		{"words", literals(true)},
		{"text", literals(false)},
		{"matches", patterns},
	}
}

// compileWhere turns a where as written into a clause. All that is wrong with
// it is returned, not the first alone. country is that of numbers without +.
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

// excepts reports whether an exception keeps an event from passing.
func (c *clause) excepts(holds event.Truth) bool {
	return holds == event.True || holds == event.Unknown && !c.onlyVetoes
}

// all is whether all conditions hold: False if one is known not to, otherwise
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

// refusals says why the event does not pass the clause; none if it does.
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
	for _, x := range c.except {
		switch holds := x.all(p); {
		case holds == event.True:
			why = append(why, "except: it matches")
		case c.excepts(holds):
			why = append(why, "except: it may match, because the event lacks "+orWords(x.unknown(p)))
		}
	}
	return why
}

// unknown are the fields of the clause's conditions that the event lacks.
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
		p := &problem{message: fmt.Sprintf("%s has no key %q", path, key)}
		switch near := diag.Suggest(key, names); {
		case key == "except":
			p.message = path + " can't have an except of its own"
		case near != "":
			p.hint = fmt.Sprintf("did you mean %q?", near)
		default:
			p.hint = "its keys are " + strings.Join(names, ", ")
		}
		problems = append(problems, p)
	}
	return c, problems
}

// compileExcept compiles the value of except: a clause, or a list of clauses of
// which any may hold.
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

// mismatch is the problem of a value of the wrong type.
func mismatch(name, expected string, got any) *problem {
	p := &problem{message: fmt.Sprintf("%s: expected %s, got %s", name, expected, describe(got))}
	switch v := got.(type) {
	case float64:
		if strings.Contains(expected, "string") {
			p.hint = fmt.Sprintf("write it in quotes: %q", fmt.Sprintf("%.14g", v))
		}
	case string:
		if (v == "true" || v == "false") && strings.Contains(expected, "true or false") {
			p.hint = fmt.Sprintf("write %s without quotes", v)
		}
	}
	return p
}

// describe names a value as whoever wrote it in Lua would.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return fmt.Sprintf("the string %q", v)
	case float64:
		return fmt.Sprintf("the number %.14g", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case []any:
		if len(v) == 0 {
			return "an empty table"
		}
		return "a list"
	case map[string]any:
		if len(v) == 0 {
			return "an empty table"
		}
		return "a table with keys"
	}
	return fmt.Sprintf("a %T", v)
}
