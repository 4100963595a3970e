package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// oneOf holds if a field of the event equals one of its values.
type oneOf struct {
	key    string
	get    func(*probe) (string, bool)
	values []string // in the form field gives them, sorted, no duplicates
}

// isTrue holds if a field of the event is as wanted.
type isTrue struct {
	key  string
	get  func(*probe) event.Truth
	want bool
}

// contains holds if the folded text contains one of its literals.
type contains struct {
	key      string
	whole    bool     // as whole words only
	literals []string // folded, sorted, no duplicates
}

// matching holds if one of its patterns matches the original text.
type matching struct {
	key      string
	patterns []*regexp.Regexp
}

// inChat holds if the event has a chat, which each event says.
type inChat struct{}

func (c inChat) field() string    { return "chat" }
func (c *oneOf) field() string    { return c.key }
func (c *isTrue) field() string   { return c.key }
func (c *contains) field() string { return "text" }
func (c *matching) field() string { return "text" }

func (c *oneOf) holds(p *probe) event.Truth {
	v, ok := c.get(p)
	if !ok {
		return event.Unknown
	}
	_, found := slices.BinarySearch(c.values, v)
	return event.TruthOf(found)
}

func (c *oneOf) why(p *probe) string {
	v, ok := c.get(p)
	if !ok {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: %q is not %s", c.key, v, orList(c.values))
}

func (c inChat) holds(p *probe) event.Truth {
	_, has := p.chat()
	return event.TruthOf(has)
}

func (c inChat) why(*probe) string { return "chat: the event has none" }

func (c *isTrue) holds(p *probe) event.Truth {
	v, known := c.get(p).Known()
	if !known {
		return event.Unknown
	}
	return event.TruthOf(v == c.want)
}

func (c *isTrue) why(p *probe) string {
	v, known := c.get(p).Known()
	if !known {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: it is %t", c.key, v)
}

func (c *contains) holds(p *probe) event.Truth {
	if !p.ev.TextKnown() {
		return event.Unknown
	}
	text := p.folded()
	for _, l := range c.literals {
		if c.whole && containsWord(text, l) || !c.whole && strings.Contains(text, l) {
			return event.True
		}
	}
	return event.False
}

func (c *contains) why(p *probe) string {
	if !p.ev.TextKnown() {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: the text does not contain %s", c.key, orList(c.literals))
}

func (c *matching) holds(p *probe) event.Truth {
	if !p.ev.TextKnown() {
		return event.Unknown
	}
	for _, re := range c.patterns {
		if re.MatchString(p.ev.Text) {
			return event.True
		}
	}
	return event.False
}

func (c *matching) why(p *probe) string {
	if !p.ev.TextKnown() {
		return lacks(c.key)
	}
	sources := make([]string, len(c.patterns))
	for i, re := range c.patterns {
		sources[i] = re.String()
	}
	return fmt.Sprintf("%s: the text does not match %s", c.key, orList(sources))
}

// lacks says that a condition can't be decided.
func lacks(key string) string {
	return key + ": the event lacks it, and an unknown value meets no condition"
}

// list compiles a string or a list of strings to be compared for equality;
// normal brings each to the form that field gives, nil leaves it as it is.
func list(field func(*probe) (string, bool), normal func(string) string) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		for i, s := range values {
			if normal == nil {
				continue
			}
			if values[i] = normal(s); values[i] == "" {
				return nil, &problem{message: fmt.Sprintf("%s: %q is empty once it is normalized, and would match nothing", name, s)}
			}
		}
		return &oneOf{lastName(name), field, sortedSet(values)}, nil
	}
}

// chats compiles ids of chats, or true for any chat.
func chats(name string, v any) (condition, *problem) {
	switch any, isFlag := v.(bool); {
	case isFlag && any:
		return inChat{}, nil
	case isFlag:
		return nil, &problem{message: name + ": expected chat ids or true, got the boolean false", hint: "for events without a chat write except = { chat = true }"}
	}
	return list((*probe).chat, nil)(name, v)
}

// choice compiles strings of which only some make sense.
func choice(field func(*probe) (string, bool), allowed ...string) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		for _, s := range values {
			if slices.Contains(allowed, s) {
				continue
			}
			p := &problem{message: fmt.Sprintf("%s: %q is not %s", name, s, orList(allowed))}
			if near := diag.Suggest(s, allowed); near != "" {
				p.hint = fmt.Sprintf("did you mean %q?", near)
			}
			return nil, p
		}
		return &oneOf{lastName(name), field, sortedSet(values)}, nil
	}
}

// flag compiles true or false.
func flag(field func(*probe) event.Truth) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		want, ok := v.(bool)
		if !ok {
			return nil, mismatch(name, "true or false", v)
		}
		return &isTrue{lastName(name), field, want}, nil
	}
}

// literals compiles strings that the normalized text is to contain.
func literals(whole bool) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		var doubt *problem
		for i, s := range values {
			if at := strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError }); at >= 0 && !utf8.ValidString(s) {
				return nil, &problem{message: fmt.Sprintf("%s: %q is not valid UTF-8: no message contains it", name, s), hint: "save the file as UTF-8"}
			}
			folded := event.Fold(s)
			trimmed := strings.TrimSpace(folded)
			if whole {
				folded = trimmed // a word ends where it ends; in text a space is asked for
			}
			values[i] = folded
			if trimmed == "" {
				return nil, &problem{
					message: fmt.Sprintf("%s: %q is empty once it is normalized: it would match every event", name, s),
					hint:    "spaces and invisible characters are not compared; remove it, or use matches",
				}
			}
			if doubt == nil {
				doubt = doubtful(name, folded, whole)
			}
		}
		return &contains{lastName(name), whole, sortedSet(values)}, doubt
	}
}

// doubtful warns of a literal that finds less, or more, than whoever wrote it is
// likely to expect.
func doubtful(name, folded string, whole bool) *problem {
	first, _ := utf8.DecodeRuneInString(folded)
	if unicode.IsMark(first) {
		return &problem{
			message: fmt.Sprintf("%s: %q begins with a combining mark, which belongs to the letter before it", name, folded),
			hint:    "include the letter before the mark", warning: true, code: CodeWords,
		}
	}
	if !whole {
		return nil
	}
	bare := strings.TrimRightFunc(folded, closing)
	if opened := strings.TrimLeftFunc(bare, closing); bare != folded && opened != "" {
		bare = opened
	}
	switch {
	case !strings.ContainsFunc(folded, func(r rune) bool { return wordRune(r) || unicode.IsSymbol(r) }):
		return &problem{
			message: fmt.Sprintf("%s: %q has no letter or digit, so it is found anywhere, not only as a whole word", name, folded),
			hint:    fmt.Sprintf("write text = %q if that is intended", folded), warning: true, code: CodeWords,
		}
	case bare != folded && !strings.Contains(bare, "."):
		return &problem{
			message: fmt.Sprintf("%s: %q matches only with its punctuation", name, folded),
			hint:    fmt.Sprintf("write %q: a word ends where punctuation begins", bare), warning: true, code: CodeWords,
		}
	}
	return nil
}

// closing reports whether a rune is punctuation that ends a sentence or part of
// one, and is part of no name such as c# or ph*ne.
func closing(r rune) bool {
	return unicode.IsPunct(r) && !unicode.In(r, unicode.Pd, unicode.Pc) && !strings.ContainsRune("#%&*@/\\'", r)
}

// patterns compiles RE2 patterns.
func patterns(name string, v any) (condition, *problem) {
	values, p := stringsOf(name, v)
	if p != nil {
		return nil, p
	}
	var doubt *problem
	c := &matching{key: lastName(name)}
	for _, s := range sortedSet(values) {
		re, err := regexp.Compile(s)
		if err != nil {
			what := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
			p := &problem{message: fmt.Sprintf("%s: %q is not an RE2 pattern: %s", name, s, what)}
			if strings.Contains(s, "(?=") || strings.Contains(s, "(?!") || strings.Contains(s, "(?<") {
				p.hint = "RE2 has no lookahead or lookbehind: use except, or check in the handler"
			}
			return nil, p
		}
		c.patterns = append(c.patterns, re)
		if message, hint := luabind.CheckLuaClass(s); message != "" && doubt == nil {
			doubt = &problem{message: name + ": " + message, hint: hint, warning: true, code: CodeLetters}
		}
		if message, hint := luabind.CheckLetters(s); message != "" && doubt == nil {
			if condition := luabind.InPlaceOf(s); condition != "" {
				hint = fmt.Sprintf("write %s in place of matches", condition)
			}
			doubt = &problem{message: name + ": " + message, hint: hint, warning: true, code: CodeLetters}
		}
	}
	return c, doubt
}

// stringsOf takes a string or a list of strings, none of them empty. The
// returned slice is the caller's.
func stringsOf(name string, v any) ([]string, *problem) {
	values, p := itemsOf(name, v)
	if p != nil {
		return nil, p
	}
	if blanks := blanksIn(name, values); len(blanks) > 0 {
		return nil, blanks[0]
	}
	return values, nil
}

// blanksIn are problems with the empty strings in a list.
func blanksIn(name string, values []string) []*problem {
	others := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	var all []*problem
	for i, s := range values {
		if s == "" {
			all = append(all, &problem{
				message: fmt.Sprintf("%s: item %d of the list is the empty string: it would match every event, or none", name, i+1),
				hint:    `fill it in or remove it; in a loop over rows: if row.phone ~= "" then`,
				blank:   &blank{len(all) + 1, others},
			})
		}
	}
	return all
}

// itemsOf takes a string that is not empty, or a list of strings. The returned slice
// is the caller's.
func itemsOf(name string, v any) ([]string, *problem) {
	const expected = "a string or a list of strings"
	items := []any{v}
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil, &problem{
				message: name + " is the empty string: it would match every event, or none",
				hint:    "omit the key if you don't want to filter on it",
			}
		}
	case []any:
		if len(v) == 0 {
			return nil, emptyList(name)
		}
		items = v
	case map[string]any:
		if len(v) == 0 {
			return nil, emptyList(name)
		}
		set := setOf(v)
		if set == nil {
			p := mismatch(name, expected, v)
			p.hint = "write { \"a\", \"b\" }, or take a list from it: its keys are " + someKeys(v)
			return nil, p
		}
		return set, nil
	}
	out := make([]string, len(items))
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			p := mismatch(name, expected, item)
			switch item := item.(type) {
			case float64:
				p.value, p.number = fmt.Sprintf("%.15g", item), item
			case map[string]any:
				p.hint = rowHint(item)
			}
			return nil, p
		}
		out[i] = s
	}
	return out, nil
}

func emptyList(name string) *problem {
	return &problem{
		message: name + " is an empty list, which matches nothing",
		hint:    "omit the key if you don't want to filter on it",
		empty:   true,
	}
}

// setOf are the names in a set, as data.load makes one of a .txt file; nil if the
// table is no set.
func setOf(table map[string]any) []string {
	for _, v := range table {
		if v != true {
			return nil
		}
	}
	return slices.Sorted(maps.Keys(table))
}

// someKeys are the first keys of a table.
func someKeys(table map[string]any) string {
	keys := slices.Sorted(maps.Keys(table))
	if len(keys) > 3 {
		return strings.Join(keys[:3], ", ") + " …"
	}
	return strings.Join(keys, ", ")
}

// rowHint says how a list is made of the rows of a .csv file.
func rowHint(row map[string]any) string {
	columns := slices.Sorted(maps.Keys(row))
	if len(columns) == 0 {
		return ""
	}
	column := columns[0]
	for _, c := range columns {
		if s, _ := row[c].(string); s != "" {
			if h, err := handle.Parse(s, ""); err == nil && h.Kind != handle.ShortCode {
				column = c
				break
			}
		}
	}
	return fmt.Sprintf("it is a list of tables; make a list of one column: for i, row in ipairs(rows) do list[i] = row[%q] end", column)
}

func sortedSet(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}

// lastName is the key itself of a name like "where.except.from".
func lastName(name string) string {
	return name[strings.LastIndexByte(name, '.')+1:]
}

// orWords writes names as one reads a choice.
func orWords(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// orList writes values as one reads a choice, a long one cut.
func orList(values []string) string {
	const most = 5
	quoted := make([]string, 0, most+1)
	for i, v := range values {
		if i == most && len(values) > most+1 {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" or %d more", len(values)-most)
		}
		quoted = append(quoted, fmt.Sprintf("%q", v))
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}
