// Package rules makes a set of rules from folders of Lua packs, finds the rules that an
// event may match, and runs them.
//
// Load reads and checks packs, and returns a Report with a Set of the packs that are to run
// together. Set.Run is a pure function of an event and of what is remembered: it returns
// outcomes, which are data. The engine keeps and carries them out; rules never do I/O.
// Package rules reads the files of packs and does no other I/O itself.
//
// A pack is a file NAME.lua, or a folder with *.lua files and optionally a pack.yaml (its
// Manifest), lib/, data/ and spec/. The way from files to rules is: files.go and reader.go
// read a folder, build.go makes a Pack of what was read, rule.go and where.go compile its
// subscriptions, index.go finds the candidates for an event.
package rules
