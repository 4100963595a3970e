package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// builder makes one version of a pack from the files that were read.
type builder struct {
	src   source
	opts  Options
	mine  PackOptions // the operator's configuration of this pack
	pack  *Pack
	diags diag.List

	manifestBroken bool // pack.yaml has errors
	empty          bool // it loads, but has no rules

	lacks []string // permissions that its code or its pack.yaml needs and that are not granted
}

// build reads a source's manifest and settles the pack's name, version and settings.
// compile does the rest; a pack with the fingerprint of the live one does not need it.
func build(src source, o Options) *builder {
	b := &builder{src: src, opts: o, pack: &Pack{Name: src.name, Path: src.path, Files: src.files, words: &wordRuns{}, spelled: &spelled{}}}
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
		b.fail(src.path, nameHint, "%q is not a valid pack name", p.Name)
	}
	if src.folder && !slices.ContainsFunc(src.files, func(f File) bool { return f.Kind == RuleFile }) && len(b.diags) == 0 {
		b.fail(src.path, "rules are in *.lua files directly in the pack's folder", "pack %q has no rule files", p.Name)
	}
	p.Version = VersionOf(src.files)
	p.country, p.lists = o.Country, o.Lists
	b.mine = o.Packs[p.Name]
	b.settle()
	if src.broken.Errors() {
		b.code() // a pack that can't be read is not compiled
	}
	return b
}

// settle applies the operator's settings, grants and limits.
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
	if p.config.Grants["notify"] {
		p.Targets = b.opts.Targets
	}
	p.vms = make([]*luabind.VM, b.opts.shards())
	p.suspend = b.opts.Suspend.withDefaults()
	share := b.opts.Share
	p.id, p.share = &identity{}, &share
	p.built = b.fingerprint()
}

// fingerprint hashes everything that the VMs are made of: a pack with the same
// fingerprint need not be compiled again.
func (b *builder) fingerprint() string {
	h := sha256.New()
	p := b.pack
	settings, _ := json.Marshal(p.config.Settings)
	zone := "UTC"
	if p.config.Zone != nil {
		zone = p.config.Zone.String()
	}
	lists := ""
	if p.mentionsList() {
		lists = strings.Join(b.opts.listNames(), " ")
	}
	fmt.Fprintf(h, "%q %q %s %s %s %q %q %v %+v %v %d %d %q", p.Name, p.Path, p.Version, settings, zone, p.country, p.Targets, p.Grants, p.config.Limits, p.Manifest.Reads, p.Manifest.KV, len(p.vms), lists)
	return hex.EncodeToString(h.Sum(nil))
}

// compile compiles and loads the pack, and checks its subscriptions.
func (b *builder) compile() {
	b.load()
	b.code()
}

// code adds the codes of Options.Coded to the diagnostics.
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
		p.config.Lib[f.Module()] = prog
	}
	p.onlyVetoes = p.onlyVetoes && !reads
	switch p.Manifest.FailurePolicy {
	case FailClosed:
		p.CanVeto = true
	case FailOpen:
		p.CanVeto, p.CanHold = false, false
	}
	b.checkPermissions(programs)
	b.checkTargets(programs)
	b.checkLists(programs)
	if b.diags.Errors() {
		return
	}
	reg := &registrar{pack: p.Name, onlyVetoes: p.onlyVetoes, canVeto: p.CanVeto, zone: b.opts.Zone, country: p.country, data: data, lists: b.opts.listNames(), perFile: map[string]int{}, byName: map[string]*Rule{}}
	reg.named, _ = p.ListsUsed()
	config := p.config
	if b.opts.Print != nil {
		config.Print = func(level, msg string, fields map[string]any) { b.opts.Print(p.Name, level, msg, fields) }
	}
	vm, err := luabind.Load(config, reg)
	b.diags = append(b.diags, reg.warnings...)
	if err != nil {
		b.add(b.src.path, err)
	}
	b.diags = append(b.diags, data.emptyLists()...)
	if err != nil {
		return
	}
	b.checkRead()
	p.Rules = reg.rules
	p.spare = make(chan *luabind.VM, 1)
	p.spare <- vm
	if len(p.Rules) == 0 {
		b.empty = true
		b.fail(b.src.path, "to switch it off: "+diag.PackCommand("mode", p.Name, "off"), "pack %q has no rules that subscribe to events, so it would never run", p.Name)
	}
}

// add adds an error of luabind about a file.
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
