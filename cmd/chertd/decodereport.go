package main

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
	"chertd/rules"
)

// fail reports an error of the value at path. If the value is missing, the position is
// that of the nearest key above it.
func (d *decoder) fail(path, code, hint, format string, args ...any) {
	d.report(diag.SeverityError, path, code, hint, format, args...)
}

func (d *decoder) warn(path, code, hint, format string, args ...any) {
	d.report(diag.SeverityWarning, path, code, hint, format, args...)
}

func (d *decoder) report(severity diag.Severity, path, code, hint, format string, args ...any) {
	at := d.at(path)
	d.diags = append(d.diags, diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: severity, Code: code, Hint: diag.Visible(hint),
		Message: d.shown(path + ": " + fmt.Sprintf(format, args...))})
}

// at returns the position of the value at path, or of the nearest key above it.
func (d *decoder) at(path string) rules.Position {
	for ; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
		if n := d.places[path]; n != nil {
			return rules.Position{File: d.file, Line: n.Line, Col: n.Column}
		}
	}
	return rules.Position{File: d.file}
}

func (d *decoder) failAt(n *yaml.Node, code, hint, format string, args ...any) {
	d.diags = append(d.diags, diag.Diagnostic{
		File: d.file, Line: n.Line, Col: n.Column, Severity: diag.SeverityError,
		Message: d.shown(fmt.Sprintf(format, args...)), Code: code, Hint: diag.Visible(hint),
	})
}

// given reports whether the file has a value at path.
func (d *decoder) given(path string) bool { return d.places[path] != nil }

// nearestKey returns the most likely intended key: one with a similar spelling, or one
// that contains a similar word ("secert" is signing_secret). It returns "" if there is
// none.
func nearestKey(name string, known []string) string {
	if near := diag.Suggest(name, known); near != "" {
		return near
	}
	for _, key := range known {
		if len(key) > 2 && strings.HasPrefix(name, key) {
			return key // "logging" is log
		}
		if words := strings.Split(key, "_"); slices.Contains(words, name) || diag.Suggest(name, words) != "" {
			return key
		}
	}
	return ""
}
