package live

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/rules"
)

// promises are what must hold of a pack whatever is done to it.
type promises struct {
	*life
	pin string // a rollback with --pin holds; "": none
	// set and rule are the modes of the pack and of its rule by command.
	set, rule switched
	tried
}

// switched is a mode as commands have set it: without an end, and over it for a time.
type switched struct {
	base, timed rules.Mode
	until       time.Time // zero: there is none for a time
}

// now returns the mode that counts.
func (m *switched) now() rules.Mode {
	if m.until.IsZero() {
		return m.base
	}
	return m.timed
}

// command sets a mode by a command such as "off for 1h", at a time.
func (m *switched) command(arg string, at time.Time) {
	mode, length, timed := strings.Cut(arg, " for ")
	mode = strings.TrimPrefix(mode, "reset")
	if d, err := time.ParseDuration(length); timed && err == nil {
		m.timed, m.until = rules.Mode(mode), at.Add(d)
		return
	}
	*m = switched{base: rules.Mode(mode)}
}

// pass ends the mode for a time whose time is up.
func (m *switched) pass(now time.Time) {
	if !m.until.After(now) {
		m.timed, m.until = "", time.Time{}
	}
}

// check says what does not hold after something was done; "": all holds. live is the
// version that was live before.
func (p *promises) check(did, live string) string {
	s := &p.s
	mode, _ := s.modeNow()
	veto := s.Live != "" && canVeto(s.Live) || p.files != "" && !p.unread && canVeto(p.files)
	down := did == "restart" || strings.HasPrefix(did, "down ") || strings.HasSuffix(did, "-while-down")
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
	case s.Mode != p.set.now() || s.Until.IsZero() != p.set.until.IsZero():
		return "the mode is not the one that was set: " + string(p.set.now())
	case s.RuleModes.Of("r").Mode != p.rule.now():
		return "the mode of the rule is not the one that was set: " + string(p.rule.now())
	case !s.ends().IsZero() && !p.now.Before(s.ends()):
		return "a mode for a time holds after its end"
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
	case !before.inSet() && p.gone && (verb == "mode" || verb == "limit" || verb == "rule"): // there is no such pack
	case verb == "pin" && rolled && disk:
		p.pin = p.s.Pinned
	case verb == "rollback" && rolled, verb == "undo" && rolled:
		p.pin = ""
	case verb == "share" && p.s.PackState != before.PackState:
		_, length, timed := strings.Cut(arg, " for ")
		if arg = "live"; timed {
			arg += " for " + length
		}
		p.set.command(arg, p.s.At)
	case verb == "rollback" && before.Candidate == "" && before.shareNow() != 0 && p.s.Share == 0:
		p.set = switched{base: rules.Shadow}
	case verb == "candidate-limit" && before.beside() != nil && before.Share != 0 && disk:
		p.set = switched{base: p.set.base}
	case verb == "mode" && p.s.PackState != before.PackState:
		p.set.command(arg, p.s.At)
	case verb == "rule" && disk:
		if p.rule.command(arg, p.s.RuleModes.Of("r").At); p.rule.base == rules.Live && p.rule.until.IsZero() {
			p.rule.base = ""
		}
	case verb == "limit" && p.s.Until.IsZero():
		p.set = switched{base: p.s.Mode}
	}
	p.set.pass(p.now)
	p.rule.pass(p.now)
	if !p.s.inSet() || p.s.Promoted {
		p.pin = ""
	}
	if strings.HasPrefix(what, "remove") && before.Gone {
		p.set, p.rule, p.pin = switched{}, switched{}, ""
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
		verb := rapid.SampledFrom([]string{"edit", "gate", "wait 1s", "wait 3s", "rollback", "restart", "pin", "undo", "mode", "rule", "limit", "wait 1h", "down 1h", "delete", "trial-fails",
			"edit-while-down", "delete-while-down", "clash", "empty", "trial-passes", "alone", "alone no longer", "unread", "unread no longer", "revoke", "grant", "disk-full", "remove", "try", "try", "share", "share", "end-candidate", "candidate-limit"}).Draw(t, "verb")
		switch verb {
		case "share":
			return verb + " " + rapid.SampledFrom([]string{"10%", "50%", "10% for 1h", "50% for 2s"}).Draw(t, "share")
		case "edit", "edit-while-down", "try":
			return verb + " " + rapid.SampledFrom(versions).Draw(t, "version")
		case "rollback", "pin":
			return strings.TrimSpace(verb + " " + rapid.SampledFrom(append(versions, "")).Draw(t, "version"))
		case "mode", "rule":
			mode := rapid.SampledFrom([]string{"live", "shadow", "off", "reset"}).Draw(t, "mode")
			if mode == "reset" {
				return verb + " " + mode
			}
			return verb + " " + mode + rapid.SampledFrom([]string{"", " for 2s", " for 1h", " for 3h"}).Draw(t, "time")
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
