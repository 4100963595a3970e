package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind/diag"
)

// settings returns the defaults of pack.yaml with the operator's values over them.
// Without a pack.yaml, the operator's values are not checked.
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
			hint := "declare it with its default in " + b.manifestPath() + ": config: {" + shownKey(key) + ": …}"
			if len(known) > 0 {
				hint = "its settings are " + strings.Join(known, ", ")
			}
			b.unfit(diag.SeverityError, key, cmp.Or(diag.DidYouMeanString("", key, known), hint), "pack %q has no setting %s", b.pack.Name, ShownName(key))
		case ok && typeName(def) != typeName(v):
			b.unfit(diag.SeverityError, key, "its default in "+b.manifestPath()+" determines the type", "setting %s of pack %q: expected %s, got %s",
				key, b.pack.Name, typeName(def), typeName(v))
		default:
			settings[key], b.pack.settings[key] = v, v
		}
	}
	return settings
}

// checkRead warns of settings that the operator gives a pack without a pack.yaml, and
// that its code never reads.
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

// settingsRead returns the names that the pack's code reads as config.NAME. others
// reports that it may read others as well.
func (p *Pack) settingsRead() (read []string, others bool) {
	for _, prog := range p.Programs() {
		others = others || prog.AnySetting
		read = append(read, prog.Settings...)
	}
	return sortedSet(read), others
}

// neverReadHint returns the fix for a setting that a pack never reads.
func neverReadHint(key string, read []string) string {
	if hint := diag.DidYouMeanString("", key, read); hint != "" {
		return hint
	}
	if len(read) > 0 {
		return "it reads " + strings.Join(read, ", ")
	}
	return "the pack reads no settings: delete this one, or read it as config." + shownKey(key)
}

// unfit adds a diagnostic, at its place in the operator's file, about a setting that does
// not fit the pack. It is an error unless Options.leave makes it a warning.
func (b *builder) unfit(severity diag.Severity, key, hint, format string, args ...any) {
	_, has := b.pack.Manifest.Config[key]
	if b.opts.leave == leaveUnfit || b.opts.leave == leaveUnknown && b.hasManifest() && !has {
		severity = diag.SeverityWarning
	}
	at := b.mine.place("config." + key)
	b.diags = append(b.diags, diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: severity, Code: CodeNoSetting,
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

// typeName names the type of a setting.
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
