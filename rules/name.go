package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const nameHint = "letters, digits, _, -, dots and spaces, at most 64 of them"

// CheckName says what is wrong with a name for a new pack's folder, and how to
// mend it; nothing if it is fine. It is stricter than loading: a folder that is
// loaded as no pack, or that makes its neighbours part of one, is no good start.
func CheckName(name string) (wrong, hint string) {
	switch {
	case strings.HasSuffix(name, ".lua"):
		return fmt.Sprintf("%q is the name of a file: a new pack is a folder", name), fmt.Sprintf("omit .lua: %s", strings.TrimSuffix(name, ".lua"))
	case strings.ContainsAny(name, `/\`):
		return fmt.Sprintf("%q is a path, not a pack name", name), ""
	case noise(name):
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
