package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chertd/luabind/diag"
)

// luaName is what may be the name of a field without brackets.
var luaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// luaWords can't be names of fields without brackets.
var luaWords = strings.Fields("and break do else elseif end false for function if in local nil not or repeat return then true until while")

// luaField is a field of a table that is written in an order.
type luaField struct {
	name  string
	value string // as Lua
}

// luaTable writes a table of fields on one line, as StyLua formats it.
func luaTable(fields []luaField) string {
	if len(fields) == 0 {
		return "{}"
	}
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.value
		if f.name != "" {
			list[i] = luaKey(f.name) + " = " + f.value
		}
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

// luaCall writes a call with a table, on several lines if one would be too long for StyLua.
func luaCall(indent int, word, first string, fields []luaField) string {
	const width = 120
	open := word + "("
	if first != "" {
		open += first + ", "
	}
	line := open + luaTable(fields) + ")"
	if len(fields) == 0 || 2*indent+utf8.RuneCountInString(line) <= width {
		return line
	}
	var b strings.Builder
	b.WriteString(open + "{\n")
	for _, f := range fields {
		b.WriteString(strings.Repeat("  ", indent+1) + luaKey(f.name) + " = " + f.value + ",\n")
	}
	return b.String() + strings.Repeat("  ", indent) + "})"
}

func luaKey(name string) string {
	if luaName.MatchString(name) && !slices.Contains(luaWords, name) {
		return name
	}
	return "[" + luaQuote(name) + "]"
}

// luaQuote writes a string as Lua. What could not be seen, or would change what is shown around
// it, is escaped.
func luaQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError && n == 1, diag.Visible(s[i:i+n]) != s[i:i+n]:
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\%03d`, c)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteByte('"')
	return b.String()
}

// luaData writes decoded JSON as Lua.
func luaData(v any) string {
	switch v := v.(type) {
	case string:
		return luaQuote(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		fields := make([]luaField, len(v))
		for i := range v {
			fields[i].value = luaData(v[i])
		}
		return luaTable(fields)
	case map[string]any:
		var fields []luaField
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if v[k] != nil {
				fields = append(fields, luaField{k, luaData(v[k])})
			}
		}
		return luaTable(fields)
	}
	return "nil"
}

// luaDuration writes a duration of whole milliseconds, as in advance("1m30s").
func luaDuration(d time.Duration) string {
	return luaQuote(diag.Duration(d.Truncate(time.Millisecond)))
}
