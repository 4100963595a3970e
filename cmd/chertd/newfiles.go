package main

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"chertd/luabind"
)

// sampleEvent is the pack's file for `chertd eval`; loading ignores it.
const sampleEvent = "event.json"

// newFile is a file that `chertd new` writes.
type newFile struct {
	name string // slashes, below the pack or the folder of the packs
	what string // for people
	text string
	ours bool // overwritten each time: people don't edit it
}

//go:embed newpack
var newPackFiles embed.FS

// packFiles returns the files of a new pack.
func packFiles(name string) []newFile {
	return []newFile{
		{name: "pack.yaml", what: "its settings", text: template("pack.yaml", name)},
		{name: name + ".lua", what: "its rule", text: template("rule.lua", name)},
		{name: "spec/" + name + "_spec.lua", what: "its spec (tests)", text: template("spec.lua", name)},
		{name: sampleEvent, what: "a sample event for chertd eval", text: template("event.json", name)},
	}
}

// sharedFiles returns the files that all packs of a directory share. Loading ignores
// them.
func sharedFiles() []newFile {
	return []newFile{
		{name: ".chertd/chert.lua", what: "API stubs for editors (rules)", text: luabind.Stubs(), ours: true},
		{name: ".chertd/spec.lua", what: "API stubs for editors (specs)", text: template("specstubs.lua", ""), ours: true},
		{name: ".luarc.json", what: "for the Lua language server", text: template("luarc.json", "")},
		{name: ".luacheckrc", what: "for luacheck", text: luacheckrc()},
		{name: "stylua.toml", what: "for StyLua", text: template("stylua.toml", "")},
	}
}

// template returns a file of newpack with the name of the pack.
func template(file, name string) string {
	text, err := newPackFiles.ReadFile("newpack/" + file)
	if err != nil {
		panic(err) // it is part of this binary
	}
	return strings.ReplaceAll(string(text), "NAME", name)
}

// luacheckrc returns the settings of luacheck: which globals chertd adds to Lua's, and
// which it removes.
func luacheckrc() string {
	var b strings.Builder
	fmt.Fprintln(&b, "-- What rules and specs of chertd may use.")
	fmt.Fprintln(&b, `std = "lua51"`)
	luaList(&b, "not_globals", luabind.AbsentGlobals())
	luaList(&b, "read_globals", append(luabind.Modules(), "config"))
	fmt.Fprintln(&b, `exclude_files = { ".chertd/**" }`)
	fmt.Fprintln(&b, `files["**/*_spec.lua"] = {`)
	luaList(&b, "  read_globals", specGlobals())
	fmt.Fprintln(&b, "}")
	return b.String()
}

// specGlobals returns the globals that the stubs of specs declare.
func specGlobals() []string {
	var names []string
	for _, m := range declared.FindAllStringSubmatch(template("specstubs.lua", ""), -1) {
		names = append(names, m[1]+m[2])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// declared matches a global function or table in a file of stubs.
var declared = regexp.MustCompile(`(?m)^(?:function (\w+)\(|(\w+) = )`)

// luaList writes a list of strings, a few per line.
func luaList(b *strings.Builder, name string, words []string) {
	indent := name[:len(name)-len(strings.TrimLeft(name, " "))]
	fmt.Fprintf(b, "%s = {\n", name)
	for line := range slices.Chunk(words, 6) {
		fmt.Fprintf(b, "%s  \"%s\",\n", indent, strings.Join(line, `", "`))
	}
	end := ""
	if indent != "" {
		end = ","
	}
	fmt.Fprintf(b, "%s}%s\n", indent, end)
}
