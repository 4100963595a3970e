package rules

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"chertd/luabind"
)

// Pack is one version of a pack. It is immutable, apart from its VMs, one for each shard.
// While one version replaces another, both exist.
type Pack struct {
	Name     string
	Path     string // of its file or folder, as given
	Version  string // hash of the content of all files but specs, 32 hex digits
	Files    []File
	Manifest Manifest
	Rules    []*Rule // in the order of their subscriptions
	// CanVeto is set if the reads of an event are blocked when a handler of the pack
	// fails on it.
	CanVeto bool
	// CanHold is set if the code may hold chats or postpone their reads: then a
	// failure also blocks newer reads of the chat.
	CanHold bool
	// onlyVetoes is set if the code requests vetoes and no reads.
	onlyVetoes bool
	// Grants are the permissions that the pack requests and the operator granted.
	Grants []string
	// Targets are the targets of chert.notify; nil: all are accepted.
	Targets []string
	// Notifies are the targets that the code names, in order.
	Notifies []string
	// NotifiesOthers is set if the code may name others.
	NotifiesOthers bool

	id      *identity
	suspend SuspendPolicy
	share   *SharePolicy // nil: without end

	config  luabind.Config
	country string                 // of phone numbers without +
	lists   map[string]ListOptions // that the configuration declares; nil: any
	built   string                 // its fingerprint
	vms     []*luabind.VM          // by shard; a slot belongs to its shard's goroutine
	spare   chan *luabind.VM       // the VM the pack was checked with, until a shard takes it
	words   *wordRuns              // of its code, made when first needed
	spelled *spelled               // its code in lower case, made when first needed
	// settings are those of the operator's settings that fit the pack.
	settings map[string]any
	// digests are hashes of the code of its Lua files, by name.
	digests map[string]string
}

// ShortDigits is the number of digits of a version that commands and logs show.
const ShortDigits = 8

// ShortVersion returns the version as commands and logs show it, and commands accept it.
func (p *Pack) ShortVersion() string { return p.Version[:ShortDigits] }

// RuleNames returns the names of the rules, in their order.
func (p *Pack) RuleNames() []string {
	names := make([]string, len(p.Rules))
	for i, r := range p.Rules {
		names[i] = r.Name
	}
	return names
}

// vm returns the shard's VM. It makes one if there is none, and returns the VM steps that
// took.
func (p *Pack) vm(shard int) (vm *luabind.VM, steps int64, err error) {
	if vm := p.vms[shard]; vm != nil {
		return vm, 0, nil
	}
	select {
	case vm := <-p.spare:
		p.vms[shard] = vm
		return vm, 0, nil
	default:
	}
	reg := &counting{}
	vm, err = luabind.Load(p.config, reg)
	if err != nil {
		return nil, 0, err
	}
	if !slices.Equal(reg.seen, p.subscriptions()) {
		// Loading depends on something that has changed, and the rules' indexes would
		// lead to other handlers.
		return nil, vm.Steps(), errors.New("the files subscribe to other events than when they were checked; subscriptions must not depend on anything outside the pack")
	}
	p.vms[shard] = vm
	return vm, vm.Steps(), nil
}

// WithFiles returns the pack with these files, which are of the same version and differ
// at most in specs. It shares the VMs.
func (p *Pack) WithFiles(files []File) *Pack {
	if contentOf([]source{{files: p.Files}}, nil) == contentOf([]source{{files: files}}, nil) {
		return p
	}
	q := *p
	q.Files = files
	return &q
}

// Country returns the country whose numbers need no +, or "".
func (p *Pack) Country() string { return p.country }

// drop discards the shard's VM. The next event makes a new one.
func (p *Pack) drop(shard int) {
	if vm := p.vms[shard]; vm != nil {
		vm.Discard()
	}
	p.vms[shard] = nil
}

// subscriptions returns the places of the pack's rules, in order.
func (p *Pack) subscriptions() []subscriptionPlace {
	places := make([]subscriptionPlace, len(p.Rules))
	for i, r := range p.Rules {
		places[i] = subscriptionPlace{r.File, r.Line}
	}
	return places
}

// counting records where a VM's files subscribe. Their subscriptions were checked when
// the pack was loaded.
type counting struct{ seen []subscriptionPlace }

type subscriptionPlace struct {
	file string
	line int
}

// Subscribe implements luabind.Registrar.
func (c *counting) Subscribe(s luabind.Subscription) error {
	c.seen = append(c.seen, subscriptionPlace{s.File, s.Line})
	return nil
}

// ShortOf returns the first ShortDigits digits of a version.
func ShortOf(version string) string { return version[:min(len(version), ShortDigits)] }

// KeptMemory returns how many bytes the pack retains between events: its data, and what its VMs have
// in globals and upvalues.
func (p *Pack) KeptMemory() int64 { return p.config.Budget.Kept() }

// Built returns a hash of all that the pack's VMs are made of. Packs with the same hash
// behave alike.
func (p *Pack) Built() string { return p.built }

// SettingsJSON returns the settings that chertd.yaml gives the pack, without defaults, as
// the store keeps them; "" if they have no JSON.
func (p *Pack) SettingsJSON() string {
	text, err := json.Marshal(p.settings)
	if err != nil {
		return "" // a number that is none
	}
	return string(text)
}

// Blocks returns why reads are blocked although the version is live; "" if they are not.
func (p *Pack) Blocks(mode Mode, suspended []RuleSuspension) string { return p.blocks(mode, suspended) }

// LosesRules reports whether another version lacks a rule of the pack.
func (p *Pack) LosesRules(to *Pack) bool {
	return slices.ContainsFunc(p.Rules, func(r *Rule) bool {
		return !slices.ContainsFunc(to.Rules, func(other *Rule) bool { return other.Name == r.Name })
	})
}

// Settings returns the pack's settings with the operator's values, by name. The caller
// must not change them.
func (p *Pack) Settings() map[string]any { return p.config.Settings }

// Zone returns the time zone of hours, schedules and dates that name none.
func (p *Pack) Zone() *time.Location { return cmp.Or(p.config.Zone, time.UTC) }

// Data returns what data.load returns for a name. The caller must not change it.
func (p *Pack) Data(name string) (any, bool) {
	if p.config.Data == nil {
		return nil, false
	}
	v, err := p.config.Data(name)
	return v, err == nil
}

// DataNames returns the names that data.load accepts in the pack, sorted.
func (p *Pack) DataNames() []string {
	var names []string
	for _, f := range p.Files {
		if f.Kind == DataFile {
			names = append(names, dataName(f.Name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
