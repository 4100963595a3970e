package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"chertd/luabind"
)

// Pack is one version of one pack. It is immutable but for its VMs, of which
// each shard has its own; versions live side by side while one replaces another.
type Pack struct {
	Name     string
	Path     string // of its file or folder, as given
	Version  string // hash of the content of all files but specs, 32 hex digits
	Files    []File
	Manifest Manifest
	Rules    []*Rule // in the order of their subscriptions
	// CanVeto says that reads of an event are blocked if a handler of the pack
	// fails at it.
	CanVeto bool
	// CanHold says that its code may hold chats or postpone their reads: then newer reads of the chat are
	// blocked, too.
	CanHold bool
	// onlyVetoes says that its code asks for vetoes and for no reads.
	onlyVetoes bool
	// Grants are the capabilities beyond reading that the operator has given.
	Grants []string

	id      *identity
	suspend SuspendPolicy
	share   *SharePolicy // nil: without end

	config  luabind.Config
	country string           // of phone numbers without +
	built   string           // hash of all that the VMs are made of
	vms     []*luabind.VM    // by shard; a slot belongs to its shard's goroutine
	spare   chan *luabind.VM // the VM the pack was checked with, until a shard takes it
	words   *wordRuns        // of its code, once they are asked for
	// settings are those that were given over its defaults, and it takes.
	settings map[string]any
	// digests are hashes of what its Lua files do, by name.
	digests map[string]string
}

// shortVersion is how many digits of a version people are shown.
const shortVersion = 8

// ShortVersion is the version as people are shown it, and may write it.
func (p *Pack) ShortVersion() string { return p.Version[:shortVersion] }

// versionOf hashes the files a version is made of. Specs are not among them:
// they say nothing about what the pack does.
func versionOf(files []File) string {
	h := sha256.New()
	for _, f := range files {
		if f.Kind != SpecFile {
			fmt.Fprintf(h, "%q %s %d\n", f.Name, f.Kind, len(f.Bytes))
			h.Write(f.Bytes)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// vm is the shard's VM, made if there is none, and the steps that took.
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
		// Loading looked at something that was not the same the other time, and
		// indexes would lead to other handlers.
		return nil, vm.Steps(), errors.New("the files subscribed to other events than when they were checked: what they subscribe to must not depend on anything outside them")
	}
	p.vms[shard] = vm
	return vm, vm.Steps(), nil
}

// withFiles is the pack with these files, of the same version: it shares the
// VMs, and differs at most in its specs.
func (p *Pack) withFiles(files []File) *Pack {
	if contentOf([]source{{files: p.Files}}, nil) == contentOf([]source{{files: files}}, nil) {
		return p
	}
	q := *p
	q.Files = files
	return &q
}

// drop throws the shard's VM away; the next call makes a new one.
func (p *Pack) drop(shard int) {
	if vm := p.vms[shard]; vm != nil {
		vm.Discard()
	}
	p.vms[shard] = nil
}

// subscriptions are the places of the pack's rules, in order.
func (p *Pack) subscriptions() []subscriptionPlace {
	places := make([]subscriptionPlace, len(p.Rules))
	for i, r := range p.Rules {
		places[i] = subscriptionPlace{r.File, r.Line}
	}
	return places
}

// counting notes where a VM's files subscribe; what they subscribe to was
// checked when the pack was loaded.
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
