package luabind

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readStubs reads the stubs back as an editor would: the fields of each class,
// and the functions with their arguments.
func readStubs(t *testing.T) (classes map[string][]string, functions map[string]string) {
	t.Helper()
	var (
		class    = regexp.MustCompile(`^---@class \(exact\) (\w+)$`)
		field    = regexp.MustCompile(`^---@field (\w+|\[1\])\?? \S`)
		function = regexp.MustCompile(`^function ([\w.]+)\(([\w, ]*)\) end$`)
	)
	classes, functions = map[string][]string{}, map[string]string{}
	open := ""
	for line := range strings.Lines(Stubs()) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case class.MatchString(line):
			open = class.FindStringSubmatch(line)[1]
			if _, twice := classes[open]; twice {
				t.Errorf("class %s is there twice", open)
			}
			classes[open] = []string{}
		case strings.HasPrefix(line, "---@field"):
			m := field.FindStringSubmatch(line)
			if m == nil || open == "" {
				t.Errorf("not a field of a class: %s", line)
				continue
			}
			classes[open] = append(classes[open], m[1])
		case strings.HasPrefix(line, "function"):
			m := function.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("not a function: %s", line)
				continue
			}
			functions[m[1]] = m[2]
			open = ""
		case line == "":
			open = ""
		}
	}
	return classes, functions
}

// An editor knows the very names that rules see: no fewer, and no others.
func TestStubsContainEveryName(t *testing.T) {
	t.Parallel()
	classes, functions := readStubs(t)
	for name := range bindings() {
		var params []string
		for _, p := range Lookup(name).Params {
			params = append(params, p.Name)
			stubsHaveKeys(t, classes, Lookup(name), p)
		}
		got, ok := functions[name]
		if want := strings.Join(params, ", "); !ok || got != want {
			t.Errorf("%s: got the arguments %q (there: %t), want %q", name, got, ok, want)
		}
		delete(functions, name)
	}
	for name := range functions {
		t.Errorf("%s is in the stubs and not bound", name)
	}
	for class, want := range map[string][]string{
		"Event": append(slices.Clone(eventFields), "raw", "state"), "EventChat": chatFields, "EventMessage": messageFields,
		"EventHandle": handleFields, "EventPart": partFields, "EventAction": members("ev.action"), "EventSignal": signalFields,
	} {
		if got := classes[class]; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("class %s has %q, the event has %q", class, got, want)
		}
		delete(classes, class)
	}
	for class := range classes {
		t.Errorf("class %s belongs to nothing", class)
	}
}

// stubsHaveKeys checks the class of a table argument and takes it out of the
// classes; Where and BusinessTime belong to several functions.
func stubsHaveKeys(t *testing.T, classes map[string][]string, it *Symbol, p Param) {
	t.Helper()
	if len(p.Keys) == 0 {
		return
	}
	var want []string
	for _, k := range p.Keys {
		want = append(want, k.Name)
		stubsHaveKeys(t, classes, it, k)
	}
	class := keysClass(it, p)
	got, ok := classes[class]
	switch {
	case !ok && (class == where.Type || class == "BusinessTime"): // taken out already
	case !slices.Equal(got, want):
		t.Errorf("%s: class %s has %q, want %q", it.Name, class, got, want)
	}
	delete(classes, class)
}

// Every type that the stubs mention is one of Lua's or a class of theirs.
func TestStubsKnowTheirTypes(t *testing.T) {
	t.Parallel()
	classes, _ := readStubs(t)
	known := append(slices.Collect(maps.Keys(classes)), "string", "number", "boolean", "table", "any", "nil", "fun", "ev", "key", "value", "repl")
	typed := regexp.MustCompile(`(?m)^---@(?:param|field|return|type|overload) (?:(?:\w+|\[1\])\?? )?(\S+)`)
	word := regexp.MustCompile(`[A-Za-z]\w*`)
	for _, m := range typed.FindAllStringSubmatch(Stubs(), -1) {
		for _, name := range word.FindAllString(regexp.MustCompile(`"[^"]*"|\w+:`).ReplaceAllString(m[1], ""), -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s: there is no type %s", m[0], name)
			}
		}
	}
}

func TestAbsent(t *testing.T) {
	t.Parallel()
	absent := AbsentGlobals()
	for _, name := range []string{"coroutine", "debug", "dofile", "io", "load", "loadstring", "os", "package"} {
		if !slices.Contains(absent, name) {
			t.Errorf("%s is not among the absent: %q", name, absent)
		}
	}
	for name := range standard().globals {
		if slices.Contains(absent, name) {
			t.Errorf("%s is there, and among the absent", name)
		}
	}
}

// The stubs are Lua that an editor can parse.
func TestStubsAreLua(t *testing.T) {
	t.Parallel()
	if _, err := Compile("chert.lua", []byte(Stubs())); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"---@overload fun(type: string|string[], fn: fun(ev: Event))\nfunction chert.on(type, where, fn) end\n",
		"---@param options? ChertMarkReadOptions\nfunction chert.mark_read(chat_id, options) end\n",
		"---@field from string? The sender's phone number, short code or email address.\n",
		"---@field after? number|string|BusinessTime Delay of the read: \"30s\", or business time.\n",
		"---@return number\nfunction chert.now() end\n",
	} {
		if !strings.Contains(Stubs(), want) {
			t.Errorf("the stubs lack:\n%s", want)
		}
	}
}
