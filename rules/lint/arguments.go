package lint

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// checkArgument checks one argument of a function that rules see.
func (f *file) checkArgument(it *luabind.Symbol, p *luabind.Param, e ast.Expr) {
	if strings.HasPrefix(it.Name, "log.") && p.Name == "msg" {
		return // log takes any value
	}
	if f.checkIdentity(it, p, e) || !f.checkType(it.Name, p, e) {
		return
	}
	if len(p.Keys) > 0 {
		f.checkKeys(it, p, e)
		return
	}
	f.checkValue(it.Name, p, e)
}

// checkIdentity finds a value of the event that is not an id, where an id is expected.
func (f *file) checkIdentity(it *luabind.Symbol, p *luabind.Param, e ast.Expr) bool {
	right := map[string]string{"chat_id": "ev.chat.id", "message_id": "ev.message.id"}[p.Name]
	path := f.pathOf(e)
	if right == "" || path == right || path != "ev" && (!strings.HasPrefix(path, "ev.") || f.pathType(path) == "") {
		return false
	}
	if f.pathType(path) == "any" || strings.HasPrefix(path, "ev.action.") {
		return false // a timer's payload, or the subject of a call's result
	}
	f.fail(codeArgument, f.start(e), "pass "+right, "%s: %s must be the id of a %s, got %s", it.Name, p.Name, strings.TrimSuffix(p.Name, "_id"), path)
	return true
}

// pathType returns the LuaCATS type of a name that rules see; "" if it has none.
func (f *file) pathType(path string) string {
	if it := luabind.Lookup(path); it != nil {
		return it.Type
	}
	return ""
}

// checkType reports whether an argument may be of the right type.
func (f *file) checkType(function string, p *luabind.Param, e ast.Expr) bool {
	got := f.typeOf(e)
	if got == "" || got == "nil" && p.Optional || accepts(p.Type, got) {
		return true
	}
	if got == "nil" {
		if p.Type == "any" {
			return true
		}
		f.fail(codeArgument, f.start(e), "", "%s: %s is nil", function, p.Name)
		return false
	}
	value := "a " + got
	if v := f.constOf(e); v != nil {
		value = luabind.Describe(v)
	}
	f.mistake(codeArgument, f.start(e), luabind.WrongArgument(function, p.Name, expected(p.Type), value, ""))
	return false
}

// accepts reports whether a LuaCATS type holds values of a Lua type.
func accepts(declared, got string) bool {
	for one := range strings.SplitSeq(declared, "|") {
		switch one = strings.TrimSpace(one); {
		case one == "any" || one == got:
			return true
		case strings.HasPrefix(one, "fun("):
			if got == "function" {
				return true
			}
		case strings.HasPrefix(one, `"`):
			if got == "string" {
				return true
			}
		case one == "string" || one == "number" || one == "boolean":
		default: // a list, or a class
			if got == "table" {
				return true
			}
		}
	}
	return false
}

// expected returns a LuaCATS type in words.
func expected(declared string) string {
	switch {
	case declared == "number|string":
		return `a duration: seconds, or a string like "90s", "5m", "2h" or "1d"`
	case strings.HasPrefix(declared, "number|string|"):
		return `a duration: seconds, a string like "90s", "5m", "2h" or "1d", or business time`
	case strings.HasPrefix(declared, `"`):
		return strings.ReplaceAll(declared, "|", ", ")
	case declared == "boolean":
		return "true or false"
	case strings.HasPrefix(declared, "string|table"):
		return "a string, a table or a function"
	}
	return "a " + declared
}

// checkKeys checks a table of options.
func (f *file) checkKeys(it *luabind.Symbol, p *luabind.Param, e ast.Expr) {
	t := f.tableOf(e)
	if t == nil {
		return
	}
	for _, field := range t.Fields {
		if field.Key == nil {
			f.fail(codeKey, f.start(field.Value), "the options are "+names(p.Keys), "%s: an option without a name", it.Name)
			continue
		}
		key, ok := field.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		i := slices.IndexFunc(p.Keys, func(k luabind.Param) bool { return k.Name == key.Value })
		if i < 0 {
			f.fail(codeKey, f.at[field.Key], luabind.KeyHint(key.Value, p.Keys), "%s: unknown key %q", it.Name, key.Value)
			continue
		}
		f.checkOption(it.Name, &p.Keys[i], field.Value)
	}
}

// checkOption checks the value of an option.
func (f *file) checkOption(function string, p *luabind.Param, e ast.Expr) {
	if !f.checkType(function, p, e) {
		return
	}
	if luabind.IsDelay(p) && f.typeOf(e) == "table" {
		f.checkBusinessTime(function, p, e)
		return
	}
	f.checkValue(function, p, e)
}

func names(keys []luabind.Param) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Name
	}
	return strings.Join(list, ", ")
}

// checkValue checks a constant argument with the functions that read it at run time.
func (f *file) checkValue(function string, p *luabind.Param, e ast.Expr) {
	v := f.constOf(e)
	text, isText := v.(string)
	var err error
	switch {
	case v == nil:
	case p.Type == "number|string" || luabind.IsDelay(p):
		f.checkDuration(function, p, e, v)
	case (p.Name == "window" || p.Name == "during") && isText:
		_, err = luabind.ParseWindow(text, nil)
	case p.Name == "at" && isText:
		_, err = luabind.ParseOpening(text, nil)
	case p.Name == "tz" && isText:
		_, err = luabind.LoadZone(text)
	case p.Name == "pattern" && isText:
		if message, hint := luabind.CheckPattern(text); message != "" {
			f.fail(codeArgument, f.start(e), hint, "%s: %s", function, message)
		} else if message, hint := luabind.CheckLuaClass(text); message != "" {
			f.warn(codeLetters, f.start(e), hint, "%s: %s", function, message)
		} else if message, hint := luabind.CheckLetters(text); message != "" {
			f.warn(codeLetters, f.start(e), hint, "%s: %s", function, message)
		}
	case strings.HasPrefix(p.Type, `"`) && isText:
		var words []string
		for one := range strings.SplitSeq(p.Type, "|") {
			words = append(words, strings.Trim(one, `"`))
		}
		if !slices.Contains(words, text) {
			f.mistake(codeArgument, f.start(e), luabind.WrongArgument(function, p.Name, expected(p.Type), luabind.Describe(v), diag.DidYouMeanString("", text, words)))
		}
	case text == "" && isText && slices.Contains([]string{"chat_id", "message_id", "key", "name", "format", "text"}, p.Name):
		f.mistake(codeArgument, f.start(e), luabind.EmptyArgument(function, p.Name))
	case function == "kv.list" && p.Name == "limit":
		if n, ok := v.(float64); ok && !(n >= 1 && n <= 1000 && n == float64(int(n))) {
			f.fail(codeArgument, f.start(e), "", "%s: limit must be a whole number from 1 to 1000, got %s", function, luabind.Describe(v))
		}
	}
	if err != nil {
		f.fail(codeArgument, f.start(e), "", "%s: %s: %v", function, p.Name, err)
	}
}

func (f *file) checkDuration(function string, p *luabind.Param, e ast.Expr, v any) {
	d, _, err := luabind.DurationOf(v)
	switch {
	case err != nil:
		f.fail(codeArgument, f.start(e), "", "%s: %s: %v", function, p.Name, err)
	case function == "chert.hold" && d == 0:
		f.mistake(codeArgument, f.start(e), luabind.HoldOfZero())
	case p.Name == "at_most" && d == 0:
		f.mistake(codeArgument, f.start(e), luabind.AtMostOfZero())
	}
}
