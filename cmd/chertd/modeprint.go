package main

import (
	"fmt"

	"chertd/engine/control"
	"chertd/rules"
	"chertd/rules/chat"
)

// switchWords returns a mode that a command set, and of what. named names the pack, too.
func switchWords(w *control.Switch, named bool) string {
	subject := "the pack"
	switch {
	case w.Rule != "" && named:
		subject = fmt.Sprintf("rule %q", chat.Key(w.Pack, w.Rule))
	case w.Rule != "":
		subject = fmt.Sprintf("rule %q", w.Rule)
	case named:
		subject = "pack " + w.Pack
	}
	text := subject + ": " + w.Mode
	if w.Share != "" {
		text += " in " + w.Share + " of the chats"
	}
	if w.NoRule {
		text += " (no such rule now)"
	}
	return text
}

// endWords returns by whom a mode was set, until when it holds and why.
func endWords(w *control.Switch) string {
	text := "by command"
	if w.By != "" {
		text = "by " + w.By
	}
	if !w.Until.IsZero() {
		text += fmt.Sprintf(" until %s, then %s", minute(w.Until), w.Then)
	}
	if w.Reason != "" {
		text += ": " + w.Reason
	}
	return text
}

// packSwitch returns the mode that a command set of the pack itself; nil: none did.
func packSwitch(p *control.Pack) *control.Switch {
	for i := range p.Switches {
		if w := &p.Switches[i]; w.Rule == "" {
			return w
		}
	}
	return nil
}

// untilLine returns a line about the end of a pack's mode; "": it has none.
func untilLine(p *control.Pack) string {
	if w := packSwitch(p); w != nil && !w.Until.IsZero() {
		return fmt.Sprintf("until %s, then %s", minute(w.Until), w.Then)
	}
	return ""
}

// ruleModeLines returns the lines that describe how the mode of a rule was set.
func ruleModeLines(p *control.Changed, in *control.ModeRequest) []string {
	line := fmt.Sprintf("rule %s: as its pack, which is %s", chat.Key(p.Name, in.Rule), p.Mode)
	live := true
	for i := range p.Switches {
		if w := &p.Switches[i]; w.Rule == in.Rule {
			line = switchWords(w, true) + ", set " + endWords(w)
			if live = w.Mode == string(rules.Live); live && p.Mode != string(rules.Live) {
				line += fmt.Sprintf("; its pack is in mode %s, and the rule with it", p.Mode)
			}
		}
	}
	lines := []string{line, droppedLine(p.Dropped, live || in.KeepPending)}
	for _, warning := range p.Warnings {
		lines = append(lines, "warning: "+warning)
	}
	return lines
}
