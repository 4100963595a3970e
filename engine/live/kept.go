package live

import (
	"context"
	"errors"
	"fmt"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Kept is the part of a Keeper that LivePacks reads.
type Kept interface {
	Version(ctx context.Context, pack, version string) (v KeptVersion, ok bool, err error)
	PackStates(ctx context.Context) ([]PackState, error)
}

// KeptPack is a pack of which a version is live according to a Keeper.
type KeptPack struct {
	Name    string
	Path    string // of the version's file or folder; "": not known
	Version string
	Command rules.Mode // by command; "": chertd.yaml and pack.yaml decide
	// Share is the share of the chats in which the pack, or its candidate, is live by command;
	// 0: it has none. Candidate is the version that runs beside the live one; "": none.
	Share     rules.Share
	Candidate string
	RuleModes map[string]rules.RuleMode // of single rules by command, by name
	Pack      *rules.Pack               // nil: it does not load, and Problems says why
	MayVeto   bool                      // if Pack is nil: as far as can be seen
	// Problems are errors if Pack is nil; else settings in chertd.yaml that do not fit, so
	// that it runs with those that it had.
	Problems diag.List
}

// LivePacks returns the packs that are live according to a Keeper, by name, loaded under
// a configuration as a Manager loads them at its start. An error is the Keeper's.
func LivePacks(ctx context.Context, k Kept, o rules.Options) ([]KeptPack, error) {
	states, err := k.PackStates(ctx)
	if err != nil {
		return nil, err
	}
	var packs []KeptPack
	for _, s := range states {
		if s.Live == "" {
			continue
		}
		p := KeptPack{Name: s.Pack, Version: s.Live, Command: s.Mode, Share: s.Share, Candidate: s.Candidate, RuleModes: s.RuleModes.forRules()}
		v, ok, err := k.Version(ctx, s.Pack, s.Live)
		if err != nil {
			return nil, err
		}
		if !ok {
			p.MayVeto = true
			p.Problems = diag.List{{File: s.Pack, Severity: diag.SeverityError,
				Message: fmt.Sprintf("version %s of pack %q is live, and its files are not in the store", rules.ShortOf(s.Live), s.Pack)}}
		} else {
			p.load(&v, s.Settings, o)
		}
		packs = append(packs, p)
	}
	return packs, nil
}

// load loads a kept version.
func (p *KeptPack) load(v *KeptVersion, settings string, o rules.Options) {
	p.Path = v.Path
	b, err := keptCandidate(v, o)
	if damaged := (*LoadError)(nil); errors.As(err, &damaged) {
		p.Problems, p.MayVeto = damaged.Diagnostics, true
		return
	}
	b.Compile()
	if f, ok := fit(settings, b); ok {
		p.Pack, p.Problems = f.Version.Pack, f.Unfit
		return
	}
	p.Problems, p.MayVeto = errorsOf(b.Diagnostics()), b.MayVeto()
}
