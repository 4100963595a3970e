package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Stubs is the surface as LuaCATS annotations (https://luals.github.io/wiki/annotations/),
// which the Lua language server reads: with it an editor completes what rules
// see, and checks how they call it. It is never run.
func Stubs() string {
	w := &stubWriter{classes: map[string]bool{}}
	w.line("---@meta")
	w.line("-- What rules of chertd see, for editors. Generated: `chertd new --stubs` writes it")
	w.line("-- anew. It is not a rule, and nothing runs it.")
	w.line("")
	w.class(eventClass, "What happened, as a handler gets it.", membersOf("ev"))
	for i := range surface {
		it := &surface[i]
		if class := classOf(it); class != "" {
			w.class(class, it.Doc, membersOf(memberPrefix(it)))
		}
	}
	w.line("---The pack's settings: the defaults of pack.yaml, with the operator's values over them.")
	w.line("---@type table<string, any>")
	w.line("config = {}")
	w.line("")
	for _, module := range Modules() {
		w.line("%s = {}", module)
		w.line("")
		for i := range surface {
			if it := &surface[i]; it.Func && strings.HasPrefix(it.Name, module+".") {
				w.function(it)
			}
		}
	}
	return strings.TrimSuffix(w.b.String(), "\n")
}

// Modules are the tables of functions that rules see besides Lua's own, in the
// order of the surface; config is none.
func Modules() []string {
	var modules []string
	for i := range surface {
		module, _, _ := strings.Cut(surface[i].Name, ".")
		if surface[i].Func && !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
	}
	return modules
}

// Standard are the globals of Lua 5.1 that rules have, sorted.
func Standard() []string { return slices.Sorted(maps.Keys(standard().globals)) }

// Absent are the globals of Lua 5.1 that rules don't have, sorted.
func Absent() []string {
	var absent []string
	for _, name := range []string{
		"collectgarbage", "coroutine", "debug", "dofile", "error", "gcinfo", "getfenv", "getmetatable", "io", "ipairs",
		"load", "loadfile", "loadstring", "math", "module", "newproxy", "next", "os", "package", "pairs", "pcall", "print",
		"rawequal", "rawget", "rawset", "require", "select", "setfenv", "setmetatable", "string", "table", "tonumber",
		"tostring", "type", "unpack", "xpcall",
	} {
		if _, ok := standard().globals[name]; !ok {
			absent = append(absent, name)
		}
	}
	return absent
}

// eventClass is what the surface calls the handler's argument.
const eventClass = "Event"

// stubField is a field of a class.
type stubField struct {
	name, typ, doc string
	optional       bool
}

type stubWriter struct {
	b       strings.Builder
	classes map[string]bool // written already
}

func (w *stubWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// class writes a class, once.
func (w *stubWriter) class(name, doc string, fields []stubField) {
	if w.classes[name] {
		return
	}
	w.classes[name] = true
	if doc != "" {
		w.line("---%s", doc)
	}
	w.line("---@class (exact) %s", name)
	for _, f := range fields {
		mark := ""
		if f.optional {
			mark = "?"
		}
		w.line("---@field %s", strings.TrimSpace(f.name+mark+" "+f.typ+" "+f.doc))
	}
	w.line("")
}

// function writes a function, after the classes of its table arguments.
func (w *stubWriter) function(it *Item) {
	for _, p := range it.Params {
		w.keys(it, p)
	}
	w.line("---%s", it.Doc)
	if note := stubNote(it); note != "" {
		w.line("---")
		w.line("---%s", note)
	}
	names := make([]string, len(it.Params))
	for i, p := range it.Params {
		names[i] = p.Name
		mark := ""
		if p.Optional && !middle(it, i) {
			mark = "?"
		}
		w.line("---@param %s", strings.TrimSpace(p.Name+mark+" "+stubType(it, p)+" "+p.Doc))
	}
	if it.Type != "" {
		w.line("---@return %s", it.Type)
	}
	if short := overload(it); short != "" {
		w.line("---@overload %s", short)
	}
	w.line("function %s(%s) end", it.Name, strings.Join(names, ", "))
	w.line("")
}

// keys writes the classes of a table argument, innermost first.
func (w *stubWriter) keys(it *Item, p Param) {
	if len(p.Keys) == 0 {
		return
	}
	fields := make([]stubField, len(p.Keys))
	for i, k := range p.Keys {
		w.keys(it, k)
		fields[i] = stubField{k.Name, stubType(it, k), k.Doc, k.Optional}
	}
	w.class(stubType(it, p), "", fields)
}

// middle reports whether an optional argument has one behind it that must be
// given: chert.on(type, [where,] fn).
func middle(it *Item, i int) bool {
	return it.Params[i].Optional && slices.ContainsFunc(it.Params[i:], func(p Param) bool { return !p.Optional })
}

// overload is the function without the arguments that may be left out of the
// middle; "" if there are none.
func overload(it *Item) string {
	var params []string
	for i, p := range it.Params {
		if !middle(it, i) {
			params = append(params, p.Name+": "+stubType(it, p))
		}
	}
	if len(params) == len(it.Params) {
		return ""
	}
	return "fun(" + strings.Join(params, ", ") + ")"
}

// stubType is the type of an argument: a table of known keys has a class of its
// own, named for its function: ChertMarkReadOptions.
func stubType(it *Item, p Param) string {
	if p.Type != "table" || len(p.Keys) == 0 {
		return p.Type
	}
	words := strings.FieldsFunc(it.Name, func(r rune) bool { return r == '.' || r == '_' })
	if words[len(words)-1] != p.Name {
		words = append(words, p.Name)
	}
	var name strings.Builder
	for _, word := range words {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

// stubNote says when a function may be called.
func stubNote(it *Item) string {
	var notes []string
	switch it.When {
	case Loading:
		notes = append(notes, "At the top of a file only, not in a handler.")
	case Handling:
		notes = append(notes, "In a handler only.")
	}
	if it.Grant != "" {
		notes = append(notes, fmt.Sprintf("Needs `permissions: [%s]` in pack.yaml, and the operator's grant in chertd.yaml.", it.Grant))
	}
	return strings.Join(notes, " ")
}

// classOf is the class of a field that has fields itself, "" if it has none:
// ev.chat is an "EventChat?", ev.message.parts are "EventPart[]".
func classOf(it *Item) string {
	if it.Func || len(members(memberPrefix(it))) == 0 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(it.Type, "?"), "[]")
}

// memberPrefix is what the names of an item's own fields begin with.
func memberPrefix(it *Item) string {
	if strings.HasSuffix(strings.TrimSuffix(it.Type, "?"), "[]") {
		return it.Name + "[]"
	}
	return it.Name
}

// membersOf are the fields directly under a table.
func membersOf(table string) []stubField {
	var fields []stubField
	for _, name := range members(table) {
		it := item(table + "." + name)
		fields = append(fields, stubField{name: name, typ: it.Type, doc: it.Doc})
	}
	return fields
}
