package rules

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"chertd/luabind"
)

// A setting in chertd.yaml that does not fit the version that is live must not end it:
// the version goes on with the settings that it had, also across a restart. They are
// kept with what is remembered of the pack.

// settingsJSON are the pack's settings, its defaults included, as they are kept; "" if
// they have no JSON.
func (p *Pack) settingsJSON() string {
	text, err := json.Marshal(p.config.Settings)
	if err != nil {
		return "" // a number that is none
	}
	return string(text)
}

// keepSettings keeps those of the live version. If that fails it is tried again at the
// next turn.
func (g *Generations) keepSettings(s *standing) {
	if s.live == nil || s.live.Version != s.state.Live {
		return
	}
	state := s.state
	if state.Settings = s.live.settingsJSON(); state == s.state {
		return
	}
	if err := g.c.Keeper.SetPackState(context.Background(), state); err != nil {
		g.c.Log.Warn("the settings of a pack can't be kept: should those in chertd.yaml not fit it at the next start, it is not live", "pack", state.Pack, "err", err)
		return
	}
	s.state = state
}

// withEarlier builds a version again that does not load, with the settings with which
// it was live last; nil if these are not known, or if it does not load with them.
func (g *Generations) withEarlier(s *standing, b *builder) *builder {
	if b.pack.Version != s.state.Live || s.state.Settings == "" || len(b.lacks) > 0 {
		return nil
	}
	var settings map[string]any
	if json.Unmarshal([]byte(s.state.Settings), &settings) != nil {
		return nil
	}
	options, mine := g.options, g.options.Packs[b.pack.Name]
	mine.Config = settings
	options.Packs = map[string]PackOptions{}
	maps.Copy(options.Packs, g.options.Packs)
	options.Packs[b.pack.Name] = mine
	earlier := build(b.src, options)
	if s.live == nil || s.live.built != earlier.pack.built || earlier.diags.Errors() {
		earlier.compile()
	}
	if earlier.diags.Errors() {
		return nil
	}
	return earlier
}

// takeEarlier makes a version live, or lets it be, that was built with the settings
// that it had, and says what does not fit it in those of now.
func (g *Generations) takeEarlier(s *standing, b *builder, since time.Time, unfit luabind.Diagnostics) {
	unfit = errorsOf(unfit)
	news := s.earlier.Error() != unfit.Error()
	if s.live != nil && s.live.built == b.pack.built {
		s.word, s.lost = g.word, ""
	} else {
		said, notLive := s.said, s.notLive
		g.take(s, &verdict{pack: b.pack, diags: s.diags})
		s.since, s.warnings, s.said, s.notLive = since, nil, said, notLive
	}
	if s.earlier = unfit; news {
		g.c.Log.Error("a version stays live with the settings that it had: those in chertd.yaml do not fit it", "pack", s.state.Pack, "version", s.live.ShortVersion(), "err", unfit)
	}
}
