package luabind

import (
	"fmt"
	"regexp"
	"strings"
)

// luaClass matches a class of Lua's patterns where one is likely meant: repeated, in a
// set, or next to another. It does not match "100%sure".
var luaClass = regexp.MustCompile(`%[adlpsuwxADLSUWX](?:[+*?{]|%[adlpsuwxADLSUWX])|\[\^?%[adlpsuwxADLSUWX]`)

// inRE2 maps classes of Lua's patterns to RE2.
var inRE2 = map[byte]string{
	'a': "[A-Za-z]", 'd': `\d`, 'l': "[a-z]", 'p': "[[:punct:]]", 's': `\s`, 'u': "[A-Z]", 'w': "[A-Za-z0-9]", 'x': "[0-9A-Fa-f]",
	'A': "[^A-Za-z]", 'D': `\D`, 'L': "[^a-z]", 'S': `\S`, 'U': "[^A-Z]", 'W': "[^A-Za-z0-9]", 'X': "[^0-9A-Fa-f]",
}

// CheckLuaClass returns a warning about an RE2 pattern that contains a class of Lua's
// patterns, such as %d, and its hint; empty if it contains none. In RE2, %d is a % and a
// letter.
func CheckLuaClass(pattern string) (message, hint string) {
	found := luaClass.FindString(pattern)
	if found == "" {
		return "", ""
	}
	at := strings.IndexByte(found, '%')
	class := found[at : at+2]
	return fmt.Sprintf("%s is a class of Lua's patterns: in RE2 it is the two characters", class),
		fmt.Sprintf("write %s in place of %s", inRE2[class[1]], class)
}
