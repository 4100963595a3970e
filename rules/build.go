package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// builder makes one version of a pack of what was read from disk.
type builder struct {
	src   source
	opts  Options
	mine  PackOptions // the operator's word about this pack
	pack  *Pack
	diags diag.List

	manifestBroken bool // pack.yaml says what it must not, or nothing that can be understood
	empty          bool // it loads, and has no rules

	lacks []string // permissions that its code or its pack.yaml needs and that it does not have
}

// packName is what a pack may be called: it stands in records and commands, and
// a slash ends it in a rule's key.
var packName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_. -]*$`)

const maxPackName = 64

// ValidPackName reports whether a pack may be called so.
func ValidPackName(name string) bool {
	return packName.MatchString(name) && utf8.RuneCountInString(name) <= maxPackName
}

// build reads a source's manifest and says what the pack is called and of what
// it would be made. compile does the rest, if it is not the same as before.
func build(src source, o Options) *builder {
	b := &builder{src: src, opts: o, pack: &Pack{Name: src.name, Path: src.path, Files: src.files, words: &wordRuns{}}}
	b.diags = slices.Clone(src.broken)
	p := b.pack
	for _, f := range src.files {
		if f.Kind == ManifestFile {
			m, diags := parseManifest(f)
			p.Manifest = m
			b.diags = append(b.diags, diags...)
			b.manifestBroken = diags.Errors()
			p.Name = cmp.Or(m.Name, p.Name)
		}
	}
	if !ValidPackName(p.Name) {
		b.fail(src.path, "letters, digits, _, -, dots and spaces, at most 64 of them", "%q can't be the name of a pack", p.Name)
	}
	if src.folder && !slices.ContainsFunc(src.files, func(f File) bool { return f.Kind == RuleFile }) && len(b.diags) == 0 {
		b.fail(src.path, "rules are in *.lua files directly in the pack's folder", "pack %q has no rule files", p.Name)
	}
	p.Version = versionOf(src.files)
	p.country = o.Country
	b.mine = o.Packs[p.Name]
	b.settle()
	if src.broken.Errors() {
		b.code() // what can't be read is not compiled
	}
	return b
}

// settle works out what the operator has a say in: settings, grants, limits.
func (b *builder) settle() {
	p := b.pack
	b.permit()
	p.config = luabind.Config{
		Settings: b.settings(),
		Zone:     b.opts.Zone,
		Grants:   map[string]bool{},
	}
	b.limit()
	for _, g := range p.Grants {
		p.config.Grants[g] = true
	}
	p.vms = make([]*luabind.VM, b.opts.shards())
	p.suspend = b.opts.Suspend.withDefaults()
	share := b.opts.Share
	p.id, p.share = &identity{}, &share
	p.built = b.fingerprint()
}

// settings are the pack's defaults with the operator's values over them. A
// pack without a pack.yaml has no defaults to check these against.
func (b *builder) settings() map[string]any {
	m := &b.pack.Manifest
	b.pack.settings = map[string]any{}
	settings := maps.Clone(m.Config)
	if settings == nil {
		settings = map[string]any{}
	}
	known := slices.Sorted(maps.Keys(m.Config))
	for _, key := range slices.Sorted(maps.Keys(b.mine.Config)) {
		v, err := plainValue(b.mine.Config[key], 0)
		if err != nil {
			b.unfit(diag.SeverityError, key, "", "setting %s of pack %q: %s", key, b.pack.Name, err)
			continue
		}
		def, ok := m.Config[key]
		switch {
		case !ok && b.hasManifest():
			hint := didYouMean(diag.Suggest(key, known))
			if hint == "" && len(known) > 0 {
				hint = "it has " + strings.Join(known, ", ")
			}
			if hint == "" {
				hint = "declare it with its default in " + b.manifestPath() + ": config: {" + shownKey(key) + ": …}"
			}
			b.unfit(diag.SeverityError, key, hint, "pack %q has no setting %s", b.pack.Name, ShownName(key))
		case ok && typeName(def) != typeName(v):
			b.unfit(diag.SeverityError, key, "its default in "+b.manifestPath()+" says of which type it is", "setting %s of pack %q: expected %s, got %s",
				key, b.pack.Name, typeName(def), typeName(v))
		default:
			settings[key], b.pack.settings[key] = v, v
		}
	}
	return settings
}

// checkRead warns of settings that the operator gives a pack without a pack.yaml
// and that its code never reads.
func (b *builder) checkRead() {
	if b.hasManifest() || len(b.mine.Config) == 0 {
		return
	}
	read, others := b.pack.settingsRead()
	if others {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(b.mine.Config)) {
		if slices.Contains(read, key) {
			continue
		}
		b.unfit(diag.SeverityWarning, key, neverReadHint(key, read), "pack %q never reads the setting %s", b.pack.Name, ShownName(key))
	}
}

// settingsRead are the names that the pack's code reads as config.NAME; others says that
// it may read others.
func (p *Pack) settingsRead() (read []string, others bool) {
	for _, prog := range p.Programs() {
		others = others || prog.AnySetting
		read = append(read, prog.Settings...)
	}
	return sortedSet(read), others
}

// neverReadHint is the fix for a setting that a pack never reads.
func neverReadHint(key string, read []string) string {
	if hint := didYouMean(diag.Suggest(key, read)); hint != "" {
		return hint
	}
	if len(read) > 0 {
		return "it reads " + strings.Join(read, ", ")
	}
	return "it reads no settings: delete it, or read it as config." + shownKey(key)
}

// unfit says that the operator gives the pack a setting that it does not take,
// where that stands. An error keeps the pack from loading, unless such settings are
// to be left out.
func (b *builder) unfit(severity diag.Severity, key, hint, format string, args ...any) {
	_, has := b.pack.Manifest.Config[key]
	if b.opts.leave == leaveUnfit || b.opts.leave == leaveUnknown && b.hasManifest() && !has {
		severity = diag.SeverityWarning
	}
	at := b.mine.place("config." + key)
	b.diags = append(b.diags, diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: severity, Code: CodeNoSetting,
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

// fingerprint hashes all that the VMs are made of: a pack of the same
// fingerprint can stay as it is.
func (b *builder) fingerprint() string {
	h := sha256.New()
	p := b.pack
	settings, _ := json.Marshal(p.config.Settings)
	zone := "UTC"
	if p.config.Zone != nil {
		zone = p.config.Zone.String()
	}
	fmt.Fprintf(h, "%q %q %s %s %s %q %v %+v %v %d %d", p.Name, p.Path, p.Version, settings, zone, p.country, p.Grants, p.config.Limits, p.Manifest.Reads, p.Manifest.KV, len(p.vms))
	return hex.EncodeToString(h.Sum(nil))
}

// compile compiles and loads the pack, and checks what it subscribes to.
func (b *builder) compile() {
	b.load()
	b.code()
}

// code gives what was said so far the codes of Options.Coded.
func (b *builder) code() {
	b.diags = b.opts.coded(&PackReport{Name: b.pack.Name, Path: b.src.path, Tried: b.pack, Empty: b.empty}, b.diags)
}

func (b *builder) load() {
	p := b.pack
	data := &dataFiles{pack: p}
	p.config.Data = loadData(b.parseData(data))
	p.config.Lib = map[string]*luabind.Program{}
	reads := false
	var programs []*luabind.Program
	for _, f := range p.Files {
		if f.Kind != RuleFile && f.Kind != LibFile {
			continue
		}
		prog, err := luabind.Compile(f.Path, f.Bytes)
		if err != nil {
			b.add(f.Path, err)
			continue
		}
		if p.digests == nil {
			p.digests = map[string]string{}
		}
		p.digests[f.Name] = prog.Digest()
		programs = append(programs, prog)
		p.CanVeto, p.CanHold = p.CanVeto || prog.UsesVeto, p.CanHold || prog.UsesHold
		p.onlyVetoes, reads = p.onlyVetoes || prog.UsesVeto, reads || prog.UsesRead
		if f.Kind == RuleFile {
			p.config.Files = append(p.config.Files, prog)
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(f.Name, "lib/"), ".lua")
		p.config.Lib[strings.ReplaceAll(name, "/", ".")] = prog
	}
	p.onlyVetoes = p.onlyVetoes && !reads
	switch p.Manifest.FailurePolicy {
	case FailClosed:
		p.CanVeto = true
	case FailOpen:
		p.CanVeto, p.CanHold = false, false
	}
	b.checkPermissions(programs)
	if b.diags.Errors() {
		return
	}
	reg := &registrar{pack: p.Name, onlyVetoes: p.onlyVetoes, canVeto: p.CanVeto, zone: b.opts.Zone, country: p.country, data: data, perFile: map[string]int{}, byName: map[string]*Rule{}}
	config := p.config
	if b.opts.Print != nil {
		config.Print = func(level, msg string, fields map[string]any) { b.opts.Print(p.Name, level, msg, fields) }
	}
	vm, err := luabind.Load(config, reg)
	b.diags = append(b.diags, reg.warnings...)
	if err != nil {
		b.add(b.src.path, err)
	}
	b.diags = append(b.diags, data.unsaid()...)
	if err != nil {
		return
	}
	b.checkRead()
	p.Rules = reg.rules
	p.spare = make(chan *luabind.VM, 1)
	p.spare <- vm
	if len(p.Rules) == 0 {
		b.empty = true
		b.fail(b.src.path, "to switch it off: "+diag.PackCommand("mode", p.Name, "off"), "pack %q has no rules: it subscribes to nothing", p.Name)
	}
}

// add takes over what luabind says about a file.
func (b *builder) add(file string, err error) {
	var ds diag.List
	if errors.As(err, &ds) {
		b.diags = append(b.diags, ds...)
		return
	}
	b.fail(file, "", "%s", err)
}

func (b *builder) fail(file, hint, format string, args ...any) {
	b.diags = append(b.diags, diag.Diagnostic{File: file, Severity: diag.SeverityError, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// named reports whether the pack's name is known: it may stand in a pack.yaml
// that can't be read.
func (b *builder) named() bool {
	return b.pack.Manifest.Name != "" || !b.manifestBroken && !b.src.broken.Errors()
}

func (b *builder) hasManifest() bool {
	return slices.ContainsFunc(b.src.files, func(f File) bool { return f.Kind == ManifestFile })
}

func (b *builder) manifestPath() string {
	for _, f := range b.src.files {
		if f.Kind == ManifestFile {
			return f.Path
		}
	}
	return b.src.path
}

// nameTaken notes that another pack has the same name.
func (b *builder) nameTaken(other *builder) {
	file, line, col := b.namePlace()
	at, otherLine, _ := other.namePlace()
	hint := "rename one of the two, or delete it if it is a copy"
	if otherLine > 0 {
		at = fmt.Sprintf("%s:%d", at, otherLine)
	}
	if line > 0 {
		hint = "if it is a copy, delete it; if it is meant, write another name in this line"
	}
	b.diags = append(b.diags, diag.Diagnostic{File: file, Line: line, Col: col, Severity: diag.SeverityError,
		Message: fmt.Sprintf("the name %q is taken by %s: two packs can't have the same, because their state is kept under it", b.pack.Name, at), Hint: hint})
}

// namePlace is where a pack's name stands: in its pack.yaml, or that of its file
// or folder, which has no line.
func (b *builder) namePlace() (file string, line, col int) {
	if m := &b.pack.Manifest; m.Name != "" {
		return b.manifestPath(), m.nameLine, m.nameCol
	}
	return b.src.path, 0, 0
}

// typeName is the kind of a setting, as its default fixes it.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	}
	return "a table with keys"
}
