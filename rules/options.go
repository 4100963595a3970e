package rules

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Options is the operator's configuration for all packs. The zero value works.
type Options struct {
	Shards  int                    // how many goroutines may call Set.Run, one for each shard; default 1
	Zone    *time.Location         // of windows, schedules and dates; nil: UTC
	Country string                 // of phone numbers without +, two letters of ISO 3166; "": they match nothing
	Limits  luabind.Limits         // of packs that set none; zero fields mean luabind's defaults
	Suspend SuspendPolicy          // when rules that keep failing are suspended
	Share   SharePolicy            // of the processor, for each pack
	Packs   map[string]PackOptions // by name
	Targets []string               // of chert.notify, by name; nil: they are not known, and all are accepted
	// Lists are the lists that rules may use, by name; nil: there is no operator's
	// configuration, and they may use any.
	Lists map[string]ListOptions
	Now   time.Time // for checks whether calendars have ended; zero: the system clock
	// Print is called with what files print and log while their pack is loaded, once
	// for all shards; it may be nil. It must be safe for concurrent use.
	Print func(pack, level, msg string, fields map[string]any)
	// Coded adds the codes of docs/checks.md to diagnostics of loading (lint.Coded).
	// of is their pack; nil: they belong to none. If Coded is nil, they have no codes.
	Coded func(of *PackReport, found diag.List) diag.List

	// Folder is the rules folder, if it is known: a path in it selects a pack just as
	// loading the whole folder would. "": the paths alone decide.
	Folder string

	grantNeeds bool // packs are granted the permissions that they request
	leave      leave
}

// ModeOf returns the mode of a pack by chertd.yaml and its pack.yaml. A command may have set
// another one.
func (o *Options) ModeOf(p *Pack) Mode {
	return cmp.Or(o.Packs[p.Name].Mode, p.Manifest.Mode, Live)
}

// leave selects which settings that do not fit a pack are left out, with a warning.
type leave int

const (
	leaveNone    leave = iota
	leaveUnknown       // those that pack.yaml does not define
	leaveUnfit         // all
)

// PackOptions is the operator's configuration for one pack.
type PackOptions struct {
	Mode   Mode           // "": that of pack.yaml, or else Live
	Grant  []string       // capabilities granted: "typing", "react", "send", "notify"
	Config map[string]any // settings; they replace the defaults of pack.yaml
	Limits Limits         // they replace those of pack.yaml

	// Places are the places of keys in the operator's file: "" of the pack's entry,
	// "config.min_digits" of a setting. It may be nil.
	Places map[string]Position
}

// ListOptions is the operator's configuration for one list.
type ListOptions struct {
	Writable bool     // commands may change it
	Place    Position // of its entry in the operator's file
}

// Position is a place in the operator's file.
type Position struct {
	File      string
	Line, Col int
}

// listNames returns the names of Lists, sorted; nil: any.
func (o *Options) listNames() []string {
	if o.Lists == nil {
		return nil
	}
	return append([]string{}, slices.Sorted(maps.Keys(o.Lists))...)
}

// unusedLists returns warnings of lists that none of the packs uses. A pack that did not
// load is nil.
func (o *Options) unusedLists(packs []*Pack) (diags diag.List) {
	used := map[string]bool{}
	for _, p := range packs {
		if p == nil {
			return nil // its files have errors: they may use any
		}
		names, others := p.ListsUsed()
		if others {
			return nil // it may use any
		}
		for _, name := range names {
			used[name] = true
		}
	}
	for _, name := range o.listNames() {
		if at := o.Lists[name].Place; !used[name] {
			diags = append(diags, diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: diag.SeverityWarning, Code: CodeNoRule,
				Message: "no rule uses the list " + ShownName(name), Hint: fmt.Sprintf("use it in a rule: where = { from = chert.list(%q) }, or delete the entry", shownKey(name))})
		}
	}
	return diags
}

// Codes of entries in the operator's file that do not fit the packs.
const (
	CodeNoPack    = "CF008" // it names a pack that does not exist
	CodeNoSetting = "CF009" // it gives a pack a setting that does not fit the pack
	CodeNoRule    = "CF016" // it declares a list that no rule uses
)

// place returns where the operator's file has the key, or the nearest known key above it.
func (o *PackOptions) place(path string) Position {
	for {
		if at, ok := o.Places[path]; ok {
			return at
		}
		if path == "" {
			return Position{File: "chertd.yaml"}
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// noPack returns the warning for an entry of rules.packs without a pack.
func (o *Options) noPack(name string, packs []string) diag.Diagnostic {
	mine := o.Packs[name]
	at := mine.place("")
	shown, file := ShownName(name), shownKey(name)
	if file != name {
		shown = "a pack " + shown
	}
	return diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: diag.SeverityWarning, Code: CodeNoPack,
		Message: fmt.Sprintf("rules.packs names %s, but there is no such pack", shown),
		Hint:    cmp.Or(diag.DidYouMeanString("", name, packs), "delete the entry, or create the pack: a file "+file+".lua or a folder "+file+" in rules.dir")}
}

// unknownPack returns the diagnostic of noPack, with a better hint for a name that ends
// in .lua.
func (o *Options) unknownPack(name string, packs []string) diag.Diagnostic {
	d := o.noPack(name, packs)
	if plain, ok := strings.CutSuffix(strings.ToLower(name), ".lua"); ok {
		if plain = name[:len(plain)]; slices.Contains(packs, plain) {
			d.Hint = fmt.Sprintf("did you mean %q?", plain)
		} else {
			d.Hint = strings.ReplaceAll(d.Hint, name, plain)
		}
	}
	return d
}

// shownName matches names that are not secrets.
var shownName = regexp.MustCompile(`^[A-Za-z_.-]{1,32}[0-9]{0,2}$`)

// ShownName quotes a name from the operator's file for a message. If it may be a secret
// in the wrong place, it returns a description instead.
func ShownName(name string) string {
	n := utf8.RuneCountInString(name)
	if n <= 5 || shownName.MatchString(name) {
		return strconv.Quote(name)
	}
	return fmt.Sprintf("of %d characters", n)
}

// shownKey returns a name for a hint; NAME if it may be a secret.
func shownKey(name string) string {
	if ShownName(name) != strconv.Quote(name) {
		return "NAME"
	}
	return name
}

// GrantNeeds returns the options of commands that run packs without an operator's
// configuration: if Packs is nil, packs are granted the permissions that they request.
func (o Options) GrantNeeds() Options {
	o.grantNeeds = o.Packs == nil
	return o
}

func (o *Options) shards() int { return max(1, o.Shards) }

// coded applies Options.Coded.
func (o *Options) coded(of *PackReport, found diag.List) diag.List {
	if o.Coded == nil || len(found) == 0 {
		return found
	}
	return o.Coded(of, found)
}

// Granted reports whether chertd.yaml still grants the permissions that a pack was
// granted and those that it requests.
func (o *Options) Granted(p *Pack) bool {
	can := o.Packs[p.Name].Grant
	for _, c := range slices.Concat(p.Grants, p.Manifest.Permissions) {
		if !slices.Contains(can, c) {
			return false
		}
	}
	return true
}

// Unknown returns warnings of packs that chertd.yaml names and that are not among these,
// which must be sorted.
func (o *Options) Unknown(packs []string) (diags diag.List) {
	for _, name := range slices.Sorted(maps.Keys(o.Packs)) {
		if !slices.Contains(packs, name) {
			diags = append(diags, o.unknownPack(name, packs))
		}
	}
	return diags
}
