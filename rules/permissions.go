package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Codes of docs/checks.md that loading adds itself: what is found at a call has the same
// code, whether loading or lint finds it.
const (
	codeNotRequested = "CH050"
	codeNotGranted   = "CH056"
	codeGrantsVain   = "CH057"
)

// Permissions returns the permissions for a pack that requests these, sorted.
func Permissions(requested []string) []string { return sortedSet(slices.Clone(requested)) }

// NotRequested returns the error that a pack calls a function whose permission it does not
// request. d has the place; requested are the permissions that the pack requests.
func NotRequested(pack, packPath string, folder bool, d diag.Diagnostic, it *luabind.Symbol, requested []string) diag.Diagnostic {
	all := sortedSet(append(slices.Clone(requested), it.Grant))
	d.Severity, d.Code = diag.SeverityError, codeNotRequested
	if folder {
		d.Message = fmt.Sprintf("%s needs the permission %q, which pack.yaml does not request", it.Name, it.Grant)
		d.Hint = fmt.Sprintf("write `permissions: [%s]` in pack.yaml, and grant it in chertd.yaml: %s", strings.Join(all, ", "), GrantLine(pack, all))
		return d
	}
	d.Message = fmt.Sprintf("%s needs the permission %q, and a single-file pack cannot request it", it.Name, it.Grant)
	d.Hint = fmt.Sprintf("move the file to %s/%s, write %s/pack.yaml with `permissions: [%s]`, and grant it in chertd.yaml: %s",
		pack, filepath.Base(packPath), pack, strings.Join(all, ", "), GrantLine(pack, all))
	return d
}

// GrantLine returns the configuration that grants a pack permissions.
func GrantLine(pack string, permissions []string) string {
	return fmt.Sprintf("rules: {packs: {%s: {grant: [%s]}}}", yamlKey(pack), strings.Join(permissions, ", "))
}

// yamlKey returns a pack's name as a YAML key. Names may have blanks and dots, or look
// like numbers.
func yamlKey(name string) string {
	if identifier.MatchString(name) || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == "" {
		return name
	}
	return fmt.Sprintf("%q", name)
}

// permit settles the pack's permissions: those that it requests and the operator grants.
// A grant that it does not request has no effect.
func (b *builder) permit() {
	p := b.pack
	requested := sortedSet(slices.Clone(p.Manifest.Permissions))
	p.Grants = nil
	for _, need := range requested {
		if b.opts.grantNeeds || slices.Contains(b.mine.Grant, need) {
			p.Grants = append(p.Grants, need)
		}
	}
	for _, vain := range b.grantsInVain() {
		hint := fmt.Sprintf("write `permissions: [%s]` in pack.yaml, or remove it from rules.packs.%s.grant", strings.Join(sortedSet(append(slices.Clone(requested), vain)), ", "), p.Name)
		if !b.src.folder {
			hint = fmt.Sprintf("a single-file pack cannot request it: remove it from rules.packs.%s.grant, or move the file to %s/%s and write %s/pack.yaml with `permissions: [%s]`",
				p.Name, p.Name, filepath.Base(b.src.path), p.Name, vain)
		}
		at := b.mine.place(fmt.Sprintf("grant[%d]", slices.Index(b.mine.Grant, vain)))
		b.diags = append(b.diags, diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: diag.SeverityWarning, Code: codeGrantsVain,
			Message: fmt.Sprintf("chertd.yaml grants %q to pack %q, which does not request it: the grant has no effect", vain, p.Name), Hint: hint})
	}
}

// grantsInVain returns the grants of chertd.yaml that the pack does not request. A grant
// that is not a permission is an error of the configuration, and may be a secret.
func (b *builder) grantsInVain() (vain []string) {
	for _, g := range sortedSet(slices.Clone(b.mine.Grant)) {
		if slices.Contains(capabilities(), g) && !slices.Contains(b.pack.Manifest.Permissions, g) {
			vain = append(vain, g)
		}
	}
	return vain
}

// checkPermissions compares the permissions that the code uses with those that the pack
// has, and records what it lacks. Each permission is reported once, at its first use.
func (b *builder) checkPermissions(programs []*luabind.Program) {
	p := b.pack
	requested := sortedSet(slices.Clone(p.Manifest.Permissions))
	used := map[string]bool{}
	for _, prog := range programs {
		for _, use := range prog.Granted {
			grant := use.Symbol.Grant
			if used[grant] {
				continue
			}
			used[grant] = true
			at := diag.Diagnostic{File: prog.File, Line: use.Line, Col: use.Col}
			switch {
			case slices.Contains(p.Grants, grant):
				continue
			case slices.Contains(requested, grant):
				at.Severity, at.Code = diag.SeverityError, codeNotGranted
				at.Message = fmt.Sprintf("%s needs the permission %q, which chertd.yaml does not grant to pack %q", use.Symbol.Name, grant, p.Name)
				at.Hint = "add to chertd.yaml: " + GrantLine(p.Name, requested)
			default:
				at = NotRequested(p.Name, b.src.path, b.src.folder, at, use.Symbol, requested)
			}
			b.diags = append(b.diags, at)
			b.lacks = append(b.lacks, grant)
		}
	}
	for _, need := range requested {
		if used[need] || slices.Contains(p.Grants, need) {
			continue
		}
		line, col := PermissionPlace(b.src.files, need)
		b.diags = append(b.diags, diag.Diagnostic{File: b.manifestPath(), Line: line, Col: col, Severity: diag.SeverityError, Code: codeNotGranted,
			Message: fmt.Sprintf("pack %q requests the permission %q, which chertd.yaml does not grant", p.Name, need), Hint: "add to chertd.yaml: " + GrantLine(p.Name, requested)})
		b.lacks = append(b.lacks, need)
	}
}

// PermissionPlace returns where the pack.yaml among files requests a permission; 0, 0 if
// it does not.
func PermissionPlace(files []File, permission string) (line, col int) {
	var doc struct {
		Permissions yaml.Node `yaml:"permissions"`
	}
	for _, f := range files {
		if f.Kind != ManifestFile || yaml.Unmarshal(f.Bytes, &doc) != nil {
			continue
		}
		for _, n := range doc.Permissions.Content {
			if n.Value == permission {
				return n.Line, n.Column
			}
		}
	}
	return 0, 0
}
