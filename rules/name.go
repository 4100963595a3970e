package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"chertd/luabind/diag"
)

// packName matches valid names of packs. They appear in records and commands, and a slash
// ends them in a rule's key.
var packName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_. -]*$`)

const maxPackName = 64

const nameHint = "use letters, digits, _, -, dots and spaces, at most 64 characters"

// ValidPackName reports whether a pack may have this name.
func ValidPackName(name string) bool {
	return packName.MatchString(name) && utf8.RuneCountInString(name) <= maxPackName
}

// CheckName returns what is wrong with a name for a new pack's folder, and the fix; "" if
// nothing is. It is stricter than loading: it also refuses names under which the folder
// would be ignored, or its neighbours become part of a pack.
func CheckName(name string) (wrong, hint string) {
	switch {
	case strings.HasSuffix(name, ".lua"):
		return fmt.Sprintf("%q is the name of a file: a new pack is a folder", name), fmt.Sprintf("omit .lua: %s", strings.TrimSuffix(name, ".lua"))
	case strings.ContainsAny(name, `/\`):
		return fmt.Sprintf("%q is a path, not a pack name", name), ""
	case Noise(name):
		return fmt.Sprintf("a folder named %q looks like a hidden or temporary folder and is ignored", name), "choose another name"
	case copyOf(name, true, func(string) bool { return false }) != "":
		return fmt.Sprintf("a folder named %q looks like a copy and is ignored", name), "choose another name"
	case isSpec(name + ".lua"):
		hint = "choose another name"
		if pack := strings.TrimSuffix(name, "_spec"); pack != "" {
			hint = fmt.Sprintf("`chertd new %s` makes a pack and its spec", pack)
		}
		return fmt.Sprintf("%q is named like a spec, and a spec is never a pack", name), hint
	case slices.Contains([]string{"lib", "data", "spec"}, name):
		return fmt.Sprintf("%q is reserved for a folder inside a pack", name), "choose another name"
	case !packName.MatchString(name) || utf8.RuneCountInString(name) > maxPackName || strings.TrimRight(name, " .") != name:
		return fmt.Sprintf("%q is not a valid pack name", name), nameHint
	}
	return "", ""
}

// nameTaken adds the error that another pack has the same name.
func (b *builder) nameTaken(other *builder) {
	file, line, col := b.namePlace()
	at, otherLine, _ := other.namePlace()
	hint := "rename one of the two, or delete it if it is a copy"
	if otherLine > 0 {
		at = fmt.Sprintf("%s:%d", at, otherLine)
	}
	if line > 0 {
		hint = "delete this pack if it is a copy; otherwise choose another name in this line"
	}
	b.diags = append(b.diags, diag.Diagnostic{File: file, Line: line, Col: col, Severity: diag.SeverityError,
		Message: fmt.Sprintf("the name %q is already used by %s; pack names must be unique, because state is stored under them", b.pack.Name, at), Hint: hint})
}

// namePlace returns where the pack's name is defined: a line of pack.yaml, or the pack's
// file or folder.
func (b *builder) namePlace() (file string, line, col int) {
	if m := &b.pack.Manifest; m.Name != "" {
		return b.manifestPath(), m.nameLine, m.nameCol
	}
	return b.src.path, 0, 0
}
