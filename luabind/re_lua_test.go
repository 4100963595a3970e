package luabind

import (
	"regexp"
	"testing"
)

func TestCheckLuaClass(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"%d+": `write \d in place of %d`, "code: %d%d%d": `write \d in place of %d`, "[%w_]+": "write [A-Za-z0-9] in place of %w", "(%a*)": "write [A-Za-z] in place of %a",
		"%s*x": `write \s in place of %s`, "[^%s]": `write \s in place of %s`, "%D?": `write \D in place of %D`,
		"100%sure": "", `\d+%`: "", "50%": "", "%": "", "100% discount": "", "a%20b": "",
	} {
		if _, hint := CheckLuaClass(pattern); hint != want {
			t.Errorf("%s: %q, want %q", pattern, hint, want)
		}
	}
	for class, re2 := range inRE2 {
		if _, err := regexp.Compile(re2); err != nil {
			t.Errorf("%%%c: %v", class, err)
		}
	}
}
