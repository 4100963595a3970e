package luabind

import (
	"strings"
	"testing"
)

// An error at a word or an operator of another language has a hint with Lua's.
func TestHabitsOfOtherLanguagesAreAnswered(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"x -= 1":                              "hint: Lua has no -=; write x = x - …",
		"x *= 2":                              "hint: Lua has no *=; write x = x * …",
		"s ..= 'x'":                           "hint: Lua has no ..=; write s = s .. …",
		"x++":                                 "hint: Lua has no ++; write x = x + 1",
		"local y = x++":                       "hint: Lua has no ++; write x = x + 1",
		"if x = 1 then end":                   "hint: = sets a variable; == compares",
		"while x = 1 do end":                  "hint: = sets a variable; == compares",
		"repeat until x = 1":                  "hint: = sets a variable; == compares",
		"x := 1":                              "hint: write local x = …",
		"f((x) => x)":                         "hint: functions are written function(x) … end",
		"for i = 1, 3 do continue end":        "hint: Lua 5.1 has no continue",
		"::top::":                             "goto is not part of Lua 5.1\n  hint: use if, while or a function with return",
		"if x then elsif y then end":          "hint: did you mean `elseif`?",
		"if x then y() elif z then end":       "hint: write elseif",
		"if (x) { y() }":                      "'end' expected (to close 'if' at line 1)", // (x){ … } is a call
		"if x then { y() }":                   "hint: Lua has no braces around blocks",
		"var x = 1":                           "hint: write local",
		"const x = 1":                         "hint: write local",
		"def f(x) end":                        "hint: write function",
		"throw x":                             "hint: use error(…)",
		"foreach x in y do end":               "hint: write for _, x in ipairs(list) do … end",
		"return 1\nx()":                       "hint: return and break must be the last statement of a block",
		"for i = 1, 3 do break\nx() end":      "hint: return and break must be the last statement of a block",
		"x = !y":                              "unexpected '!'\n  hint: not is written `not`",
		"if a && b then end":                  "unexpected '&&'\n  hint: and is written `and`",
		"if a || b then end":                  "unexpected '||'\n  hint: or is written `or`",
		"x = a & b":                           "unexpected '&'\n  hint: Lua 5.1 has no bit operators; and is written `and`",
		"x = a | b":                           "unexpected '|'\n  hint: Lua 5.1 has no bit operators; or is written `or`",
		"x = a ? b : c":                       "unexpected '?'\n  hint: Lua has no ?: operator",
		"x = \u201cy\u201d":                   "hint: these are typographic quotes: write plain \"",
		"x = \u2018y\u2019":                   "hint: these are typographic quotes: write plain '",
		"x = `y`":                             "hint: strings are quoted with \" or '",
		"x\u00a0= 1":                          "unexpected character U+00A0\n  hint: this is a no-break space",
		"x = 1\u200b":                         "unexpected character U+200B\n  hint: this is an invisible character",
		"x = 2 \u2013 1":                      "hint: this is a dash: minus is written -",
		"x = 2 \u2014 1":                      "hint: this is a dash: minus is written -, a comment begins with --",
		"x = \\y":                             "hint: a backslash has a meaning in strings only",
		"x = @y":                              "unexpected '@'",
		"größe = 1":                           "unexpected 'ö'\n  hint: names are made of the letters a to z, digits and _",
		"x = 0xg":                             "malformed number near",
		"x = 'abc\ny = 1":                     "unfinished string\n  hint: a string ends on the line it begins on",
		"x = [[abc":                           "unfinished string",
		"--[[ abc":                            "unfinished comment",
		"x = 1\n\n  y = $z":                   "r.lua:3:7: error: unexpected '$'",
		"break":                               "break outside a loop",
		"function f() return ... end":         "... is used in a function that is not declared with ...\n  hint: write function(...)",
		"while x do if y then z() end":        "'end' expected (to close 'while' at line 1)",
		"repeat x()":                          "'until' expected",
		"f(1, 2":                              "')' expected",
		"x = t[1":                             "']' expected",
		"x = { 1, 2":                          "'}' expected",
		"for i = 1, 3 do do x() end":          "'end' expected (to close 'for' at line 1)",
		"while a do while b do x() end":       "'end' expected (to close 'while' at line 1)",
		"for i = 1, 3 do x() end do y()":      "'end' expected (to close 'do' at line 1)",
		"while x do f(function() do end end)": "'end' expected (to close 'while' at line 1)",
		"x = function() if a then repeat b()": "'until' expected",
		"local function f() x = { f(1 } end":  "')' expected",
	} {
		_, err := Compile("r.lua", []byte(source))
		if err == nil {
			t.Errorf("%q compiles", source)
			continue
		}
		if got := err.Error(); !strings.Contains(got, want) {
			t.Errorf("%q:\n got %s\nwant %s", source, got, want)
		}
	}
}

// A misspelt `function` is found though the error comes with its body, wherever
// in the file; not if it is far before.
func TestMisspeltFunctionIsFound(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1, 30, 300} {
		for _, source := range []string{"fucntion f(x)\n  y()\nend", "local g = 1 funtion h(a, b) return a end", "functoin (x) y() end"} {
			_, err := Compile("r.lua", []byte(strings.Repeat("x()\n", before)+source))
			if err == nil || !strings.Contains(err.Error(), "hint: did you mean `function`?") || strings.Count(err.Error(), "error:") != 1 {
				t.Errorf("%q after %d lines: %v", source, before, err)
			}
		}
	}
	_, err := Compile("r.lua", []byte("fucntion(1)\n"+strings.Repeat("x()\n", maxBack)+"end"))
	if err == nil || strings.Contains(err.Error(), "function`?") {
		t.Errorf("far before the error: %v", err)
	}
}
