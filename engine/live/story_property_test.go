package live

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chertd/rules"
)

// promises are what must hold of a pack whatever is done to it.
type promises struct {
	*life
	pin string // a rollback with --pin holds; "": none
	set rules.Mode
	tried
}

// check says what does not hold after something was done; "": all holds. live is the
// version that was live before.
func (p *promises) check(did, live string) string {
	s := &p.s
	mode, _ := s.modeNow()
	veto := s.Live != "" && canVeto(s.Live) || p.files != "" && !p.unread && canVeto(p.files)
	down := did == "restart" || strings.HasSuffix(did, "-while-down")
	switch {
	case p.wrong != "":
		return p.wrong
	case veto && mode == rules.Live && s.inSet() && !s.Version.Runs() && !s.blocks():
		return "a version that can veto is neither live nor are reads blocked"
	case s.Version.Runs() && s.unloaded():
		return "a version is live, and the pack counts as not loaded"
	case s.Version.Runs() && s.Version.Hash != p.row.Live && s.InsteadOf == "":
		return "live is not what the store keeps as live: " + p.row.Live
	case down && live != "" && s.Version.Hash != live && (p.gate || p.files == live || p.files == ""):
		return "it was live before the process ended, and is not after: " + live
	case s.Version.Runs() && s.Back[s.Version.Hash]:
		return "what the live version asks for is not carried out"
	case p.pin != "" && s.inSet() && s.Version.Hash != p.pin && s.Lost.Version == "" && s.InsteadOf == "":
		return "the pack is pinned to another version: " + p.pin
	case s.Mode != p.set:
		return "the mode is not the one that was set: " + string(p.set)
	case strings.HasPrefix(s.Version.Hash, "b"), p.gate && strings.HasPrefix(s.Version.Hash, "unfit"):
		return "a version is live that must not be"
	}
	return p.tried.check(p)
}

// do does something, and remembers what it promises.
func (p *promises) do(t *rapid.T, what string) {
	before, disk := p.s, p.diskOK
	p.act(t, what)
	pin := func(s PackState) PackState {
		return PackState{Pinned: s.Pinned, PinnedOver: s.PinnedOver, PinStays: s.PinStays, PinnedWithoutFiles: s.PinnedWithoutFiles}
	}
	rolled := pin(p.s.PackState) != pin(before.PackState)
	switch verb, arg, _ := strings.Cut(what, " "); {
	case !before.inSet() && p.gone && (verb == "mode" || verb == "limit"): // there is no such pack
	case verb == "pin" && rolled && disk:
		p.pin = p.s.Pinned
	case verb == "rollback" && rolled, verb == "undo" && rolled:
		p.pin = ""
	case verb == "share" && p.s.PackState != before.PackState:
		p.set = rules.Live
	case verb == "rollback" && before.Candidate == "" && before.shareNow() != 0 && p.s.Share == 0:
		p.set = rules.Shadow
	case verb == "mode" && disk:
		p.set = rules.Mode(strings.TrimPrefix(arg, "reset"))
	case verb == "limit":
		p.set = p.s.Mode
	}
	if !p.s.inSet() || p.s.Promoted {
		p.pin = ""
	}
	if strings.HasPrefix(what, "remove") && before.Gone {
		p.set, p.pin = "", ""
	}
	verb, arg, _ := strings.Cut(what, " ")
	p.follow(p, verb, arg, &before)
}

// A version that can veto is never neither live nor blocked; nothing goes live ungated
// but by a rollback, and at a restart what was live; what was live before a crash is
// live after it; --pin holds until the next rollback or undo; a mode outlives edits; what
// the live version asks for is carried out.
// A failing story is printed line by line.
func TestStoriesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	versions := []string{"v1", "v2", "v2~", "veto1", "veto2", "send1", "vsend1", "unfit1", "broken1", "bveto1"}
	line := rapid.Custom(func(t *rapid.T) string {
		verb := rapid.SampledFrom([]string{"edit", "gate", "wait 1s", "wait 3s", "rollback", "restart", "pin", "undo", "mode", "limit", "delete", "trial-fails",
			"edit-while-down", "delete-while-down", "clash", "empty", "trial-passes", "alone", "alone no longer", "unread", "unread no longer", "revoke", "grant", "disk-full", "remove", "try", "try", "share", "share", "end-candidate", "candidate-limit"}).Draw(t, "verb")
		switch verb {
		case "share":
			return verb + " " + rapid.SampledFrom([]string{"10%", "50%"}).Draw(t, "share")
		case "edit", "edit-while-down", "try":
			return verb + " " + rapid.SampledFrom(versions).Draw(t, "version")
		case "rollback", "pin":
			return strings.TrimSpace(verb + " " + rapid.SampledFrom(append(versions, "")).Draw(t, "version"))
		case "mode":
			return verb + " " + rapid.SampledFrom([]string{"live", "shadow", "off", "reset"}).Draw(t, "mode")
		}
		return verb
	})
	// A hundred stories find little, and a thousand take a tenth of a second.
	for range 20 {
		rapid.Check(t, func(t *rapid.T) { playStory(t, line) })
	}
}

// playStory plays one story and checks it after each line.
func playStory(t *rapid.T, line *rapid.Generator[string]) {
	p := &promises{life: newLife(rapid.Bool().Draw(t, "gate"))}
	var story []string
	for _, do := range rapid.SliceOfN(line, 1, 40).Draw(t, "story") {
		live := p.s.Version.Hash
		p.do(t, do)
		wrong := p.check(do, live)
		story = append(story, do+": "+p.stands())
		if wrong != "" {
			t.Fatalf("%s\n  %s", wrong, strings.Join(story, "\n  "))
		}
	}
}
