package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// checkArgument looks at one argument of a function that rules see.
func (f *file) checkArgument(it *luabind.Symbol, p *luabind.Param, e ast.Expr) {
	if strings.HasPrefix(it.Name, "log.") && p.Name == "msg" {
		return // whatever it is, tostring writes it
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

// checkIdentity finds something of the event that is no id where an id belongs.
func (f *file) checkIdentity(it *luabind.Symbol, p *luabind.Param, e ast.Expr) bool {
	right := map[string]string{"chat_id": "ev.chat.id", "message_id": "ev.message.id"}[p.Name]
	path := f.pathOf(e)
	if right == "" || path == right || path != "ev" && (!strings.HasPrefix(path, "ev.") || f.pathType(path) == "") {
		return false
	}
	if f.pathType(path) == "any" || strings.HasPrefix(path, "ev.action.") {
		return false // what a timer was given, or what an answer is about
	}
	f.fail(codeArgument, f.start(e), "pass "+right, "%s: %s must be the id of a %s, got %s", it.Name, p.Name, strings.TrimSuffix(p.Name, "_id"), path)
	return true
}

// pathType is the LuaCATS type of a name that rules see; "" if it has none.
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
	said := "a " + got
	if v := f.constOf(e); v != nil {
		said = luabind.Describe(v)
	}
	f.fail(codeArgument, f.start(e), "", "%s: %s must be %s, got %s", function, p.Name, expected(p.Type), said)
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

// expected says a LuaCATS type in words.
func expected(declared string) string {
	switch {
	case declared == "number|string":
		return `a duration: seconds, or a string like "90s", "5m", "2h" or "1d"`
	case strings.HasPrefix(declared, `"`):
		return strings.ReplaceAll(declared, "|", ", ")
	case declared == "boolean":
		return "true or false"
	case strings.HasPrefix(declared, "string|table"):
		return "a string, a table or a function"
	}
	return "a " + declared
}

// checkKeys looks at a table of options.
func (f *file) checkKeys(it *luabind.Symbol, p *luabind.Param, e ast.Expr) {
	t := f.tableOf(e)
	if t == nil {
		return
	}
	for _, field := range t.Fields {
		if field.Key == nil {
			f.fail(codeKey, f.start(field.Value), "it takes "+names(p.Keys), "%s: an option without a name", it.Name)
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
		if f.checkType(it.Name, &p.Keys[i], field.Value) {
			f.checkValue(it.Name, &p.Keys[i], field.Value)
		}
	}
}

func names(keys []luabind.Param) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Name
	}
	return strings.Join(list, ", ")
}

// checkValue looks at a value that is written in the file, by the very
// functions that read it at run time.
func (f *file) checkValue(function string, p *luabind.Param, e ast.Expr) {
	v := f.constOf(e)
	text, isText := v.(string)
	var err error
	switch {
	case v == nil:
	case p.Type == "number|string":
		f.checkDuration(function, p, e, v)
	case p.Name == "window" && isText:
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
			f.fail(codeArgument, f.start(e), didYouMean("", diag.Suggest(text, words)), "%s: %s must be %s, got %s", function, p.Name, expected(p.Type), luabind.Describe(v))
		}
	case text == "" && isText && slices.Contains([]string{"chat_id", "message_id", "key", "name", "format", "text"}, p.Name):
		f.fail(codeArgument, f.start(e), "", "%s: %s is empty", function, p.Name)
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
		f.fail(codeArgument, f.start(e), "to end a hold, write chert.release(chat_id)", "chert.hold: duration must be greater than 0")
	}
}

// checkLuaPattern looks at the patterns of string.find and its like.
func (f *file) checkLuaPattern(function string, args []ast.Expr, before int) {
	i := 1 - before
	switch function {
	case "string.find", "string.match", "string.gmatch", "string.gsub":
	default:
		return
	}
	if i >= len(args) {
		return
	}
	pattern, ok := f.constOf(args[i]).(string)
	if !ok || function == "string.find" && len(args)+before > 3 {
		return // with a fourth argument it may be plain text
	}
	if wrong := malformed(pattern); wrong != "" {
		f.fail(codeArgument, f.start(args[i]), "% before a sign takes its meaning away, as in %(; in string.find, true as the fourth argument looks for plain text",
			"%s: malformed pattern %s: %s", function, luabind.Describe(pattern)[len("the string "):], wrong)
	} else if apart := takenApart(pattern); apart != "" {
		f.warn(codeBytes, f.start(args[i]), "use re.match, re.find or re.gsub, whose patterns are made of letters", "%s: %s: Lua patterns are made of bytes, and that is more than one", function, apart)
	}
}

// letterClass is one of the classes %a, %l, %u and %w, which know a to z alone.
var (
	letterClass    = regexp.MustCompile(`^%[aluwALUW]`)
	letterClassEnd = regexp.MustCompile(`(?:^|[^%])(?:%%)*%[aluwALUW][*+?-]?$`)
)

// takenApart finds a letter of several bytes where a Lua pattern means one byte:
// in a set, before a sign that repeats it, or beside a class of bytes that is meant
// for letters.
func takenApart(p string) string {
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '%':
			i++
		case p[i] == '[':
			end := setEnd(p, i+1)
			if r := firstWide(p[i:end]); r != 0 {
				return fmt.Sprintf("%q in a set", string(r))
			}
			i = end
		case p[i] >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(p[i:])
			before, behind := p[:i], p[i+size:]
			i += size - 1
			switch {
			case size == 1:
			case behind != "" && strings.IndexByte("*+-?", behind[0]) >= 0:
				return fmt.Sprintf("%q before %q", string(r), behind[:1])
			case letterClass.MatchString(behind) || unicode.IsLetter(r) && letterClassEnd.MatchString(before):
				return fmt.Sprintf("%q beside a class of letters", string(r))
			}
		}
	}
	return ""
}

// firstWide is the first letter of several bytes in a text; 0: none.
func firstWide(s string) rune {
	for _, r := range s {
		if r >= utf8.RuneSelf && r != utf8.RuneError {
			return r
		}
	}
	return 0
}

// malformed says what is wrong with a Lua pattern; "" if nothing certainly is.
func malformed(p string) string {
	open := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '%':
			i++
			if i >= len(p) {
				return "it ends with %"
			}
			if p[i] == 'b' {
				if i += 2; i >= len(p) {
					return "%b needs two characters"
				}
			}
		case '(':
			open++
		case ')':
			if open--; open < 0 {
				return "a ) closes nothing"
			}
		case '[':
			end := setEnd(p, i+1)
			if end < 0 {
				return "a [ is not closed"
			}
			i = end
		}
	}
	if open > 0 {
		return "a ( is not closed"
	}
	return ""
}

// setEnd is where a set that begins behind a [ ends; -1: it does not.
func setEnd(p string, i int) int {
	if i < len(p) && p[i] == '^' {
		i++
	}
	for first := true; i < len(p); i++ {
		switch {
		case p[i] == ']' && !first:
			return i
		case p[i] == '%':
			i++
		}
		first = false
	}
	return -1
}
