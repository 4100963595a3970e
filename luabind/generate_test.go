package luabind

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generate writes a program of everyday Lua at random: the same one for the same
// seed. It ends, does nothing that Lua leaves open, and tells what it does with
// emit. The names, kinds and places of everything vary, so that whatever a
// compiler does by the place of a variable, or by what stands beside what, is
// met sooner or later.
func generate(seed uint64) string {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 7))}
	g.enter(false)
	for range g.between(1, 4) {
		g.declare(kind(g.rng.IntN(int(kinds))), true)
	}
	for g.left = g.between(20, 45); g.left > 0; {
		g.line("tired(true)")
		g.statement()
	}
	g.tell()
	return g.out.String()
}

type kind int

const (
	numbers kind = iota
	texts
	flags // whatever is good for a condition
	tables
	callables // take numbers or nothing, give a number first
	kinds
)

type local struct {
	name     string
	kind     kind
	function int  // how many functions are around it
	fixed    bool // must not be assigned: what ends a loop
}

type generator struct {
	rng       *rand.Rand
	out       strings.Builder
	indent    int
	depth     int // of statements
	functions int
	vararg    []bool
	loops     []int // for each function around: how many loops
	scopes    [][]local
	globals   []local
	made      int
	left      int // how many statements are to come, about
}

func (g *generator) between(least, most int) int { return least + g.rng.IntN(most-least+1) }
func (g *generator) once(in int) bool            { return g.rng.IntN(in) == 0 }
func (g *generator) pick(list ...string) string  { return list[g.rng.IntN(len(list))] }

func (g *generator) line(format string, args ...any) {
	g.out.WriteString(strings.Repeat(" ", g.indent))
	fmt.Fprintf(&g.out, format, args...)
	g.out.WriteByte('\n')
}

func (g *generator) pick2(a, b int) int {
	if g.once(4) {
		return b
	}
	return a
}

// enter and leave are a block; of a function or not.
func (g *generator) enter(function bool) {
	g.scopes = append(g.scopes, nil)
	g.indent++
	g.depth++
	if function || len(g.loops) == 0 {
		g.functions++
		g.loops = append(g.loops, 0)
		g.vararg = append(g.vararg, false)
	}
}

func (g *generator) leave(function bool) {
	g.scopes = g.scopes[:len(g.scopes)-1]
	g.indent--
	g.depth--
	if function {
		g.functions--
		g.loops = g.loops[:len(g.loops)-1]
		g.vararg = g.vararg[:len(g.vararg)-1]
	}
}

// name is a new name, or one that hides another.
func (g *generator) name() string {
	g.made++
	if g.once(3) {
		return g.pick("a", "b", "c", "d", "n", "s", "t", "f")
	}
	return fmt.Sprintf("v%d", g.made)
}

func (g *generator) add(name string, k kind, fixed bool) {
	top := len(g.scopes) - 1
	g.scopes[top] = append(g.scopes[top], local{name, k, g.functions, fixed})
}

// visible are the variables of a kind that are not hidden by others.
func (g *generator) visible(k kind, assign bool) []local {
	var found []local
	hidden := map[string]bool{}
	for i := len(g.scopes) - 1; i >= 0; i-- {
		for j := len(g.scopes[i]) - 1; j >= 0; j-- {
			v := g.scopes[i][j]
			if !hidden[v.name] && (v.kind == k || k == kinds) && !(assign && v.fixed) {
				found = append(found, v)
			}
			hidden[v.name] = true
		}
	}
	for _, v := range g.globals {
		if !hidden[v.name] && (v.kind == k || k == kinds) {
			found = append(found, v)
		}
	}
	return found
}

func (g *generator) variable(k kind) (string, bool) {
	found := g.visible(k, false)
	if len(found) == 0 {
		return "", false
	}
	if g.once(2) && len(found) > 3 {
		found = found[:3] // those that are near
	}
	return found[g.rng.IntN(len(found))].name, true
}

// The last statement of a program tells all that can be seen.
func (g *generator) tell() {
	for _, k := range []kind{numbers, texts, flags} {
		var names []string
		for _, v := range g.visible(k, false) {
			names = append(names, v.name)
		}
		if len(names) > 12 {
			names = names[:12]
		}
		if len(names) > 0 {
			g.line("emit(%s)", strings.Join(names, ", "))
		}
	}
	for _, v := range g.visible(tables, false) {
		g.line("emit(%s.n, %s.s, %s[1], %s[2], #%s)", v.name, v.name, v.name, v.name, v.name)
	}
}

// show tells what some variables are that are near.
func (g *generator) show() {
	var names []string
	for _, v := range g.visible(kinds, false) {
		if len(names) < 5 && !g.once(4) {
			names = append(names, v.name)
		}
	}
	if len(names) > 0 {
		g.line("emit(%s)", strings.Join(names, ", "))
	}
}

// Expressions.

func (g *generator) expr(k kind, d int) string {
	switch k {
	case numbers:
		return g.number(d)
	case texts:
		return g.text(d)
	case flags:
		return g.flag(d)
	case tables:
		return g.table(d)
	}
	return g.callable(d)
}

func (g *generator) any(d int) string { return g.expr(kind(g.rng.IntN(int(kinds))), d) }

func (g *generator) number(d int) string {
	if d <= 0 || g.once(4) {
		if v, ok := g.variable(numbers); ok && !g.once(4) {
			return v
		}
		return g.pick("0", "1", "2", "3", "7", "10", "0.5", "0010", "010", "0x1F", "1e2", ".25", "-1", "3.0")
	}
	switch g.rng.IntN(22) {
	case 0, 1, 2:
		return g.number(d-1) + g.pick(" + ", " - ") + g.number(d-1)
	case 3:
		return "(" + g.number(d-1) + g.pick(" * ", " + ", " - ") + g.number(d-1) + ") % " + g.pick("7", "100", "13")
	case 4:
		return g.number(d-1) + " / " + g.pick("2", "4", "8")
	case 5:
		// Of 0 and -0 among its constants lua5.1 keeps the first for both.
		return "-(" + g.number(d-1) + " - 5)"
	case 6:
		return "#" + g.pick("("+g.text(d-1)+")", "("+g.table(d-1)+")")
	case 7, 8:
		return "(" + g.table(d-1) + "." + g.pick("n", "m") + " or " + g.number(d-1) + ")"
	case 9:
		return "(" + g.table(d-1) + "[" + g.number(d-1) + "] and " + g.number(d-1) + " or " + g.number(d-1) + ")"
	case 10, 11, 12:
		return g.call(d)
	case 13:
		return "(" + g.call(d) + ")"
	case 14, 15:
		return "(" + g.flag(d-1) + " and " + g.number(d-1) + " or " + g.number(d-1) + ")"
	case 16:
		return "(tonumber(" + g.text(d-1) + ") or " + g.number(d-1) + ")"
	case 17:
		return g.pick(`"10"`, `"010"`, `"0x10"`, `" 7 "`, `"1e1"`, `"08"`) + g.pick(" + ", " - ", " * ") + g.number(0)
	case 18:
		if g.vararg[len(g.vararg)-1] {
			return g.pick("select('#', ...)", "((...) or 4)", "(select(2, ...) or 5)", "#{...}")
		}
		return "((" + g.number(d-1) + ") % 5) ^ 2"
	case 19:
		return "math." + g.pick("floor", "abs", "ceil") + "(" + g.number(d-1) + ")"
	case 20:
		return g.method(d)
	}
	return "(" + g.number(d-1) + ")"
}

// call is a call that gives a number.
func (g *generator) call(d int) string {
	f, ok := g.variable(callables)
	if !ok {
		return g.number(0)
	}
	return f + "(" + g.arguments(d-1) + ")"
}

// method is a call of a method that every table of a program may have.
func (g *generator) method(d int) string {
	t, ok := g.variable(tables)
	if !ok {
		return g.number(0)
	}
	return fmt.Sprintf("(%s.go and %s:go(%s) or %s)", t, t, g.arguments(d-1), g.number(0))
}

func (g *generator) arguments(d int) string {
	var list []string
	for range g.rng.IntN(4) {
		list = append(list, g.number(d))
	}
	if g.once(4) {
		if f, ok := g.variable(callables); ok {
			list = append(list, g.pick(f+"()", "("+f+"())", "("+f+"(1))"))
		}
	} else if g.vararg[len(g.vararg)-1] && g.once(2) {
		list = append(list, g.pick("...", "(...)"))
	}
	return strings.Join(list, ", ")
}

func (g *generator) text(d int) string {
	if d <= 0 || g.once(4) {
		if v, ok := g.variable(texts); ok && !g.once(4) {
			return v
		}
		return g.pick(`""`, `"a"`, `"bc"`, `"10"`, `"x y"`, `'d"e'`, "[[f]]", `"\65\n"`, `"010"`)
	}
	switch g.rng.IntN(12) {
	case 0, 1, 2:
		list := []string{g.text(d - 1)}
		for range g.between(1, 3) {
			list = append(list, g.pick(g.text(d-1), g.text(0), "("+g.number(d-1)+") % 100"))
		}
		return "(" + strings.Join(list, " .. ") + "):sub(1, 30)"
	case 3:
		// A literal, so that no text doubles in a loop.
		return g.text(d-1) + " .. " + g.pick(`"z"`, "1", `"\1"`, "0.5", `"" .. "w"`)
	case 4:
		return "(" + g.text(d-1) + "):" + g.pick("upper()", "rep(2):sub(1, 20)", "sub(2)", "sub(-2, -1)", `gsub("a", "b")`, "reverse()", "lower()")
	case 5:
		return "tostring(" + g.flag(d-1) + " ~= nil)"
	case 6, 7:
		return "(" + g.flag(d-1) + " and " + g.text(d-1) + " or " + g.text(d-1) + ")"
	case 8:
		return "(" + g.table(d-1) + ".s or " + g.text(d-1) + ")"
	case 9:
		return "string.format('%s:%5.2f', " + g.text(d-1) + ", math.abs(" + g.number(d-1) + ") % 10)"
	case 10:
		return "type(" + g.any(d-1) + ")"
	}
	return "(" + g.text(d-1) + ")"
}

// flag is anything, for what counts is whether it is nil or false.
func (g *generator) flag(d int) string {
	if d <= 0 || g.once(5) {
		if v, ok := g.variable(flags); ok && !g.once(3) {
			return v
		}
		return g.pick("true", "false", "nil", "true", "false", "0", `"x"`, "1e400 > 9")
	}
	switch g.rng.IntN(16) {
	case 0, 1:
		return "(" + g.number(d-1) + g.pick(" < ", " > ", " <= ", " >= ", " == ", " ~= ") + g.number(d-1) + ")"
	case 2:
		return "(" + g.text(d-1) + g.pick(" < ", " >= ", " == ", " ~= ") + g.text(d-1) + ")"
	case 3, 4:
		return "not " + g.flag(d-1)
	case 5, 6, 7:
		return "(" + g.flag(d-1) + " and " + g.flag(d-1) + ")"
	case 8, 9, 10:
		return "(" + g.flag(d-1) + " or " + g.flag(d-1) + ")"
	case 11:
		list := []string{g.flag(d - 1)}
		for range g.between(1, 3) {
			list = append(list, g.pick(" and ", " or ")+g.pick(g.flag(d-1), g.number(d-1), g.text(0)))
		}
		return "(" + strings.Join(list, "") + ")"
	case 12:
		return "(" + g.table(d-1) + "." + g.pick("n", "s", "none", "m") + ")"
	case 13:
		return "(" + g.call(d) + ")"
	case 14:
		if g.vararg[len(g.vararg)-1] {
			return "(...)"
		}
		return "(" + g.any(d-1) + g.pick(" == ", " ~= ") + g.any(d-1) + ")"
	}
	return "(" + g.text(d-1) + "):" + g.pick(`find("a")`, `match("(b)c")`, `match("%d+")`)
}

func (g *generator) table(d int) string {
	if v, ok := g.variable(tables); ok && (d <= 0 || !g.once(3)) {
		return v
	}
	return "(" + g.constructor(d-1) + ")"
}

func (g *generator) constructor(d int) string {
	var list []string
	// Two elements at least: what # is of a list with holes is left open.
	for range g.between(2, 3) {
		list = append(list, g.number(d))
	}
	if g.once(2) {
		list = append(list, "n = "+g.number(d))
	}
	if g.once(3) {
		list = append(list, g.pick("s = ", `["s"] = `)+g.text(d))
	}
	if g.once(5) {
		list = append(list, "[("+g.text(d)+")] = "+g.number(d))
	}
	if g.once(12) {
		// About as many as one instruction writes, or twice that.
		list = append([]string{strings.Repeat("1, ", g.pick2(g.between(44, 50), 96)) + "2"}, list...)
	}
	if g.once(5) {
		if f, ok := g.variable(callables); ok {
			list = append(list, g.pick(f+"(1)", "("+f+"())"))
		}
	} else if g.vararg[len(g.vararg)-1] && g.once(3) {
		list = append(list, g.pick("(...)", "..."))
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

// callable is a function, or one written on the spot.
func (g *generator) callable(d int) string {
	if v, ok := g.variable(callables); ok && (d <= 0 || g.depth > 4 || !g.once(4)) {
		return v
	}
	return "(function(" + g.pick("", "a", "a, b", "...") + ") return " + g.pick("1", "2, 3", "7") + " end)"
}

// Statements.

func (g *generator) block(statements int) {
	for range g.between(1, statements) {
		if g.statement(); g.left <= 0 {
			break
		}
	}
	g.show()
}

func (g *generator) statement() {
	if g.left--; g.depth > 6 || g.left <= 0 {
		g.simple()
		return
	}
	switch g.rng.IntN(20) {
	case 0, 1:
		g.condition()
	case 2, 3:
		g.loop()
	case 4:
		g.line("do")
		g.enter(false)
		g.block(4)
		g.exit()
		g.leave(false)
		g.line("end")
	case 5, 6:
		g.function()
	case 7:
		g.attempt()
	case 8:
		g.metatable()
	case 9:
		g.methodDefinition()
	case 10:
		g.collect()
	case 11:
		g.sequence()
	default:
		g.simple()
	}
}

func (g *generator) simple() {
	switch g.rng.IntN(14) {
	case 0, 1, 2:
		g.declare(kind(g.rng.IntN(int(kinds))), false)
	case 3:
		g.declareMany()
	case 4, 5, 6, 7:
		g.assign()
	case 8, 9:
		g.assignMany()
	case 10:
		g.line("emit(%s, %s)", g.any(2), g.any(2))
	case 11:
		if f, ok := g.variable(callables); ok {
			g.line("emit(%s(%s))", f, g.arguments(1))
			return
		}
		g.global()
	case 12:
		if t, ok := g.variable(tables); ok {
			g.line("%s.%s = %s", t, g.pick("n", "m"), g.number(2))
			return
		}
		g.assign()
	default:
		g.global()
	}
}

func (g *generator) declare(k kind, plain bool) {
	name := g.name()
	switch {
	case k == callables:
		g.functionNamed(name, g.rng.IntN(3))
		return
	case !plain && g.once(8):
		g.line("local %s", name)
		g.add(name, flags, false)
		return
	}
	value := g.expr(k, 3)
	g.line("local %s = %s", name, value)
	g.add(name, k, false)
}

// declareMany declares as many names as there are values, or more, or fewer.
func (g *generator) declareMany() {
	names := make([]string, g.between(2, 4))
	for i := range names {
		names[i] = g.name()
	}
	var values []string
	var declared []kind
	for range g.between(1, 4) {
		k := kind(g.rng.IntN(int(tables)))
		values, declared = append(values, g.expr(k, 2)), append(declared, k)
	}
	if g.once(3) {
		f, ok := g.variable(callables)
		switch {
		case g.vararg[len(g.vararg)-1] && g.once(2):
			values, declared = append(values, "..."), append(declared, flags)
		case ok:
			values, declared = append(values, f+"(2)"), append(declared, numbers)
		}
	}
	g.line("local %s = %s", strings.Join(names, ", "), strings.Join(values, ", "))
	for i, name := range names {
		if i < len(declared) {
			g.add(name, declared[i], false)
		} else {
			g.add(name, flags, false) // nil, or what the call gave
		}
	}
}

func (g *generator) target(k kind) (string, bool) {
	found := g.visible(k, true)
	if len(found) == 0 {
		return "", false
	}
	if g.once(2) && len(found) > 3 {
		found = found[:3]
	}
	return found[g.rng.IntN(len(found))].name, true
}

func (g *generator) assign() {
	k := kind(g.rng.IntN(int(tables)))
	if g.once(3) {
		if t, ok := g.variable(tables); ok {
			g.line("%s%s = %s", t, g.pick(".n", "[1]", "[2]", "["+g.key()+"]"), g.number(3))
			return
		}
	}
	v, ok := g.target(k)
	if !ok {
		return
	}
	switch f, callable := g.variable(callables); {
	case k == flags && g.once(2) || g.once(6):
		// A chain of which any part may decide.
		list := g.any(1)
		for range g.between(1, 3) {
			list += g.pick(" and ", " or ") + g.any(1)
		}
		if k == numbers {
			list = "(" + list + ") and " + g.number(1) + " or " + g.number(1)
		} else if k == texts {
			list = "(" + list + ") and " + g.text(1) + " or " + g.text(1)
		}
		g.line("%s = %s", v, list)
	case k == numbers && callable && g.once(3):
		g.line("%s = %s", v, g.pick(f+"(2)", "("+f+"())", f+"(1), 2"))
	case k == flags && g.vararg[len(g.vararg)-1] && g.once(2):
		g.line("%s = %s", v, g.pick("(...)", "..."))
	default:
		g.line("%s = %s", v, g.expr(k, 3))
	}
}

// key is a number that is good for an element.
func (g *generator) key() string {
	return "1 + math.floor(" + g.number(1) + ") % 3"
}

// assignMany assigns to names and fields that may be read on the right, or be
// part of one another.
func (g *generator) assignMany() {
	var to, values []string
	used := map[string]bool{}
	for range g.between(2, 4) {
		k := kind(g.rng.IntN(int(kinds)))
		if k == callables {
			k = numbers
		}
		v, ok := g.target(k)
		if !ok {
			continue
		}
		if k == tables && !g.once(3) {
			v += g.pick(".n", "[1]", "[2]")
			k = numbers
		}
		if used[v] && !g.once(4) {
			continue
		}
		used[v] = true
		to = append(to, v)
		if w, ok := g.variable(k); ok && g.once(2) {
			values = append(values, w)
		} else {
			values = append(values, g.expr(k, 2))
		}
	}
	if len(to) < 2 {
		g.simple()
		return
	}
	g.line("%s = %s", strings.Join(to, ", "), strings.Join(values, ", "))
}

func (g *generator) global() {
	g.rng.IntN(int(flags)) // not used: the recorded programs depend on this draw
	name := g.pick("G1", "G2", "G3") + g.pick("n", "n", "s")
	k := numbers
	if strings.HasSuffix(name, "s") {
		k = texts
	}
	value := g.expr(k, 2)
	g.line("%s = %s", name, value)
	// It can be read where it has surely been set: on the level of the chunk.
	if g.depth == 1 {
		for _, v := range g.globals {
			if v.name == name {
				return
			}
		}
		g.globals = append(g.globals, local{name: name, kind: k})
	}
}

func (g *generator) condition() {
	g.line("if %s then", g.flag(3))
	g.enter(false)
	g.block(3)
	g.exit()
	g.leave(false)
	for g.once(3) {
		g.line("elseif %s then", g.flag(2))
		g.enter(false)
		g.block(2)
		g.leave(false)
	}
	if g.once(2) {
		g.line("else")
		g.enter(false)
		if !g.once(6) {
			g.block(2)
		}
		g.exit()
		g.leave(false)
	}
	g.line("end")
}

// exit may leave a loop or a function at the end of a block.
func (g *generator) exit() {
	switch {
	case g.loops[len(g.loops)-1] > 0 && g.once(3):
		g.line("break")
	case g.functions > 1 && g.once(5):
		g.line("return %s", g.results())
	}
}

func (g *generator) loop() {
	if g.loops[len(g.loops)-1] > 1 {
		g.simple()
		return
	}
	if g.once(6) {
		g.constantLoop()
		return
	}
	g.made++
	count := fmt.Sprintf("w%d", g.made)
	in := func(names ...string) {
		g.enter(false)
		g.loops[len(g.loops)-1]++
		for _, name := range names {
			g.add(name, numbers, false)
		}
		if g.once(12) {
			g.line("do break end")
		}
		if g.once(12) {
			g.line("if %s then break end", g.pick("false", "nil", "true", "not nil"))
		}
		g.block(4)
	}
	out := func() {
		g.loops[len(g.loops)-1]--
		g.leave(false)
	}
	switch g.rng.IntN(9) {
	case 0:
		g.line("local %s = 0", count)
		g.add(count, numbers, true)
		g.line("while %s do", g.pick("true", g.flag(2), g.flag(3), "not nil", "false", "1"))
		g.enter(false)
		g.loops[len(g.loops)-1]++
		g.line("%s = %s + 1", count, count)
		g.line("if %s > 3 then break end", count)
		g.block(4)
		g.exit()
		out()
		g.line("end")
	case 1, 2:
		g.line("local %s = 0", count)
		g.add(count, numbers, true)
		g.line("repeat")
		g.enter(false)
		g.loops[len(g.loops)-1]++
		g.line("%s = %s + 1", count, count)
		g.block(3)
		until := g.pick(g.flag(2), g.flag(2), "false", "true", "nil")
		out()
		g.line("until %s > 3 or %s", count, until)
	case 3, 4:
		name := g.name()
		from, to, step := g.pick("1", "2", g.number(1)+" % 3", `"1"`), g.pick("3", "2", "#"+g.table(0), `"2"`), ""
		if g.once(3) {
			from, to, step = g.pick("3", "2"), g.pick("1", "0.5"), g.pick(", -1", ", -0.5", `, "-1"`)
		}
		g.line("for %s = %s, %s%s do", name, from, to, step)
		in(name)
		out()
		g.line("end")
	default:
		key, value := g.name(), g.name()
		if key == value {
			value += "_"
		}
		list := "{ " + g.number(1) + ", " + g.number(1) + " }"
		var names []string
		walk := ""
		switch g.rng.IntN(9) {
		case 8:
			walk, names = g.pick("(function() return ipairs end)()(", "({ ipairs })[1](", "(ipairs or next)(")+list+")", []string{key, value}
		case 0, 1:
			walk, names = "ipairs("+list+")", []string{key, value}
		case 2, 3:
			walk, names = "next, "+list, []string{key, value}
		case 4:
			walk, names = "next, "+list+", nil", []string{key}
		case 5:
			walk, names = "pairs("+list+")", []string{key, value}
		case 6:
			walk, names = "(function(top, i) if i < top then return i + 1, i * 2 end end), 2, 0", []string{key, value}
			if g.once(2) {
				walk = "(function() return function(top, i) if i < top then return i + 1, i * 2 end end end)(), 2, 0"
			}
		default:
			walk, names = g.pick(`("1 2 3"):gmatch("%d")`, `string.gmatch("4 5", "%d")`, "(function() local i = 0 return function() i = i + 1 if i < 3 then return i end end end)()"), []string{key}
		}
		g.line("for %s in %s do", strings.Join(names, ", "), walk)
		in()
		if names[0] == key && (len(names) == 1) {
			g.line("emit(%s)", key)
		}
		out()
		g.line("end")
	}
}

// constantLoop is a loop that its condition lets run once, or never.
func (g *generator) constantLoop() {
	opening, closing := "repeat", "until "+g.pick("true", "not false", "1", "not nil and 'x'")
	if g.once(2) {
		opening, closing = "while "+g.pick("false", "nil", "not true", "nil and 1", "false or nil")+" do", "end"
	}
	end := g.pick("", "break", "do break end")
	if strings.HasPrefix(opening, "repeat") && g.once(2) {
		closing, end = "until "+g.pick("false", "nil", g.flag(1)), "break"
	}
	if end == "break" && g.once(2) {
		g.line("%s break %s", opening, closing)
		return
	}
	g.line("%s", opening)
	g.enter(false)
	g.loops[len(g.loops)-1]++
	if end == "do break end" {
		g.line("%s", end)
	}
	g.block(2)
	if end == "break" {
		g.line("break")
	}
	g.loops[len(g.loops)-1]--
	g.leave(false)
	g.line("%s", closing)
}

func (g *generator) results() string {
	list := []string{g.number(2)}
	for range g.rng.IntN(3) {
		list = append(list, g.expr(kind(g.rng.IntN(int(flags))), 1)) // no nil: # of a list with holes is left open
	}
	if g.once(3) {
		if f, ok := g.variable(callables); ok {
			list = append(list, g.pick(f+"()", "("+f+"(1))"))
		}
	}
	if g.once(6) {
		return g.pick(g.flag(1)+" and "+g.number(2)+" or "+g.number(1), list[len(list)-1]+" or 1")
	}
	return strings.Join(list, ", ")
}

// body is the rest of a function: its parameters, its code, its end.
func (g *generator) body(opening string, self bool) {
	params := g.rng.IntN(5)
	if params == 4 {
		params = 0
	}
	vararg := g.once(3)
	var names []string
	for range params {
		name := g.name()
		names = append(names, name)
	}
	shown := names
	if vararg {
		shown = append(append([]string{}, names...), "...")
	}
	g.line("%s(%s)", opening, strings.Join(shown, ", "))
	g.enter(true)
	g.vararg[len(g.vararg)-1] = vararg
	g.line("if tired() then return 0 end")
	if self {
		g.add("self", tables, false)
	}
	for _, name := range names {
		// A parameter may not have been given.
		g.line("%s = %s", name, g.pick(name+" or 1", name+" or 2", name+" and "+name+" or 3", "("+name+" or 4)"))
		g.add(name, numbers, false)
	}
	g.block(5)
	g.line("return %s", g.results())
	g.leave(true)
}

func (g *generator) function() {
	name := g.name()
	g.functionNamed(name, g.rng.IntN(4))
	if g.once(2) {
		g.line("emit(%s(%s))", name, g.arguments(1))
	}
}

func (g *generator) functionNamed(name string, how int) {
	if g.functions > 3 || g.depth > 6 {
		how = 9
	}
	switch how {
	case 0:
		outer := g.visibleAs(name)
		g.line("local %s = function%s", name, g.shortBody(name, outer))
		g.add(name, callables, false)
	case 1:
		g.add(name, callables, false)
		g.body("local function "+name, false)
		g.line("end")
	case 2, 3:
		g.body("local "+name+" = function", false)
		g.line("end")
		g.add(name, callables, false)
	default:
		g.line("local function %s(a) return (a or 1) + 1 end", name)
		g.add(name, callables, false)
	}
}

// visibleAs is the kind of what a name means now; kinds: nothing.
func (g *generator) visibleAs(name string) kind {
	for i := len(g.scopes) - 1; i >= 0; i-- {
		for j := len(g.scopes[i]) - 1; j >= 0; j-- {
			if g.scopes[i][j].name == name {
				return g.scopes[i][j].kind
			}
		}
	}
	return kinds
}

// shortBody is a function that uses what its own name means outside of it.
func (g *generator) shortBody(name string, outer kind) string {
	switch outer {
	case numbers:
		return "(a) return (a or 1) + " + name + " end"
	case texts:
		return "() return #" + name + " end"
	case callables:
		return "(a) if tired() then return 0 end return " + name + "(a) + 1 end"
	case kinds:
		return "(a) return a or 1 end"
	}
	return "(a) return " + name + " and 1 or 2 end"
}

// attempt runs code that may fail, and tells how.
func (g *generator) attempt() {
	if g.functions > 3 {
		g.simple()
		return
	}
	g.line("emit(select('#', pcall(function(...)")
	g.enter(true)
	g.vararg[len(g.vararg)-1] = true
	g.line("local ok, e = pcall(function()")
	g.enter(true)
	g.block(3)
	g.line("%s", g.pick(
		`error("!x")`, `error("!y", 0)`, `error({ 1 })`, `error(nil)`, `error(42)`, `error("!z", 2)`, `assert(false, "!w")`, `assert(nil)`,
		"local q = nil; q.x = 1", "local q = nil + 1", "local q = {} .. 1", "local q = #nil", `local q = "1_000" + 1`, `local q = -"0b1"`,
		"local q; q()", "local q = 1 < 'x'", "local q = {} < {}", `local q = ("x").y.z`, `local q = "x"; q.y = 1`, `do end ("x").y = 1`, "emit(1)", `for i = 1, "x" do end`, `local q = {}; q[nil] = 1`,
		"return "+g.flag(2), "local q = "+g.any(2)+" .. "+g.any(2), "local q = "+g.any(2)+" + "+g.any(2), "local q = "+g.any(2)+" < "+g.any(2)))
	g.leave(true)
	g.line("end)")
	g.line("emit(ok, ok or problem(e))")
	g.block(2)
	g.line("return ...")
	g.leave(true)
	g.line("end, 1, false, 3)))")
}

// metatable gives a table events, and meets them.
func (g *generator) metatable() {
	name := g.name()
	g.made++
	mt := fmt.Sprintf("m%d", g.made)
	n := g.number(1)
	g.line("local %s = setmetatable({ 4, 5, n = %s, s = \"m\" }, {", name, n)
	g.vararg = append(g.vararg, false)
	defer func() { g.vararg = g.vararg[:len(g.vararg)-1] }()
	event := func(in int, format string, args ...any) {
		if g.once(in) {
			g.line(" "+format, args...)
		}
	}
	event(2, "__index = function(_, k) return k == 'm' and %s or nil end,", g.number(1))
	event(4, "__newindex = function(t, k, v) rawset(t, k, v) emit('set', k) end,")
	event(2, "__add = function(x, y) return (type(x) == 'table' and 1 or 2) + (type(y) == 'table' and 10 or 20) end,")
	event(2, "__concat = function(x, y) return type(x) .. type(y) end,")
	event(2, "__call = function(_, x) return x and x + 1 or 5 end,")
	event(2, "__eq = function() return %s end,", g.pick("true", "false", "1"))
	event(2, "__lt = function(x, y) return x.n < y.n end,")
	event(3, "__le = function(x, y) return x.n <= y.n end,")
	event(2, "__unm = function(x) return -x.n end,")
	event(2, "__len = function() return 99 end,")
	event(3, "__tostring = function() return 'told' end,")
	event(4, "__mod = function() return 'mod' end,")
	g.line("})")
	g.add(name, tables, false)
	_ = mt
	for range g.between(1, 3) {
		g.line("do local ok, e = pcall(function() return %s end) emit(ok, ok and e or problem(e)) end", strings.ReplaceAll(g.pick(
			"T + 1", "1 + T", "T .. 'x'", "'x' .. T", "1 .. T .. 2", "T .. T", "(T(3))", "T == setmetatable({ n = 1 }, getmetatable(T))", "T < T", "T <= T",
			"-T", "#T", "tostring(T) == 'told'", "T % 2", "'5' + T", "T + '5'", "T.m", "T.none"), "T", name)+" and 1")
	}
}

// methodDefinition gives a table a method or a function.
func (g *generator) methodDefinition() {
	t, ok := g.variable(tables)
	if !ok || g.functions > 2 {
		g.declare(tables, false)
		return
	}
	if g.once(3) {
		g.body("function "+t+".go", false)
	} else {
		g.body("function "+t+":go", true)
	}
	g.line("end")
	g.line("emit((%s:go(%s)))", t, g.arguments(1))
}

// sequence assigns where a function changes what the left side is made of.
func (g *generator) sequence() {
	g.made++
	t, n, f := fmt.Sprintf("t%d", g.made), fmt.Sprintf("n%d", g.made), fmt.Sprintf("f%d", g.made)
	g.line("local %s, %s = { 1, 2, 3 }, 1", t, n)
	g.line("local function %s() %s = %s %% 3 + 1 return %s * 10 end", f, n, n, n)
	for range g.between(1, 3) {
		g.line("%s", strings.NewReplacer("T", t, "N", n, "F", f).Replace(g.pick("T[N] = F()", "T[N], N = F(), F()", "N, T[N] = F() % 3, N", "T[N] = N + F()",
			"T[F() % 3 + 1], T[N] = N, F()", "N = F() % 3 + N % 2", "T, T[N] = { 7, 8, 9 }, F()", "T[1], T = F(), { N, F(), 6 }", "emit(N, F(), N, F() + N, N .. F())", "T = { N, F(), N }")))
	}
	g.line("emit(%s, %s[1], %s[2], %s[3])", n, t, t, t)
}

// collect makes functions in a loop, each with variables of its own, and calls
// them when the loop and what follows it are over.
func (g *generator) collect() {
	if g.functions > 2 || g.depth > 4 {
		g.simple()
		return
	}
	g.made++
	fs, i, x := fmt.Sprintf("fs%d", g.made), g.name(), g.name()
	if i == x {
		x += "_"
	}
	g.line("local %s = {}", fs)
	opening := g.pick("for I = 1, 3 do", "for I in ipairs({ 1, 2, 3 }) do", "for _, I in next, { 4, 5, 6 } do")
	g.line("%s", strings.ReplaceAll(opening, "I", i))
	g.enter(false)
	g.add(i, numbers, false)
	inner := g.once(2)
	if inner {
		g.line("%s", g.pick("do", "if "+i+" then", "if not nil then"))
		g.enter(false)
	}
	g.line("local %s = %s", x, g.number(1))
	g.add(x, numbers, false)
	made := fmt.Sprintf("%s[#%s + 1] = function() %s = %s + 1 return %s end", fs, fs, x, x, g.pick(x, x+", "+i))
	switch g.rng.IntN(5) {
	case 0:
		g.line("if %s then %s break end", g.flag(2), made)
	case 1:
		g.line("%s", made)
		g.line("if %s then break end", g.flag(2))
	case 2:
		g.line("if %s then break end", g.flag(1))
		g.line("%s", made)
	default:
		g.line("%s", made)
	}
	if inner {
		g.leave(false)
		g.line("end")
	}
	g.leave(false)
	g.line("end")
	g.block(3)
	g.line("for _, f in ipairs(%s) do emit(f()) emit(f()) end", fs)
}
