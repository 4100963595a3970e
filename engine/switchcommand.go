package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// timeAndAuthor returns how long a mode is to hold (0: it has no end), and who sets it and why.
func timeAndAuthor(pack string, in *control.ModeRequest) (length time.Duration, by live.Author, err error) {
	example := diag.PackCommand("mode", pack, "off", "--for=1h")
	refuse := func(what, hint string) (time.Duration, live.Author, error) {
		return 0, live.Author{}, &control.UserError{Message: what, Hint: hint}
	}
	if in.For != "" {
		if in.Mode == "" {
			return refuse("for: a reset has no end", diag.PackCommand("mode", pack, "--reset"))
		}
		d, err := luabind.ParseDuration(in.For)
		if err == nil && d <= 0 {
			err = fmt.Errorf("the duration of a mode must be greater than 0, got %s", in.For)
		}
		if err != nil {
			return refuse("for: "+err.Error(), example)
		}
		length = d
	}
	if err := checkAuthor(in.By, in.Reason); err != nil {
		return 0, live.Author{}, err
	}
	return length, live.Author{By: in.By, Reason: in.Reason}, nil
}

// setRuleMode sets the mode of a single rule.
func (m *manager) setRuleMode(ctx context.Context, pack string, set live.SetMode, in *control.ModeRequest) (control.Changed, error) {
	if set.Share != 0 {
		return control.Changed{}, &control.UserError{Message: "share: only a pack has one", Hint: diag.PackCommand("mode", pack, "live", "--share="+in.Share)}
	}
	s, err := m.gens.SetRuleMode(ctx, pack, live.SetRuleMode{Rule: in.Rule, Mode: set.Mode, For: set.For, KeepPending: set.KeepPending, Author: set.Author}, in.Force)
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	c := m.changed(ctx, s)
	if w := (live.Switch{Rule: in.Rule}); set.Mode != "" && w.MovesWith() {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s is the place of a rule in its file, and another rule's once the file is edited: give the rule a name (name = …)", in.Rule))
	}
	return c, nil
}

// shownNames is how many names of rules a hint lists.
const shownNames = 12

// someNames returns the first of some names.
func someNames(names []string) string {
	if more := len(names) - shownNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shownNames], ", "), more)
	}
	return strings.Join(names, ", ")
}

// switches returns the modes that commands set of a pack and its rules.
func switches(s *live.PackStanding) (all []control.Switch) {
	for i := range s.Switches {
		w := &s.Switches[i]
		one := control.Switch{
			Pack: s.Name, Rule: w.Rule, Mode: string(w.Mode), Since: w.At, Until: w.Until, Then: string(w.Then), By: w.By, Reason: w.Reason, NoRule: w.Gone,
		}
		if w.Share != 0 {
			one.Share = w.Share.String()
		}
		all = append(all, one)
	}
	return all
}

// offNow returns by which command a pack was off when an event was handled, if it still is;
// "": it is not known.
func offNow(s *live.PackStanding, handled time.Time) string {
	for i := range s.Switches {
		if w := &s.Switches[i]; w.Rule == "" && w.Mode == rules.Off && !w.At.IsZero() && !w.At.After(handled) {
			return "its pack was off " + w.Words()
		}
	}
	return ""
}
