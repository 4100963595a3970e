package luabind

import (
	"fmt"
	"regexp"
	"strings"
)

// luaClass matches a class of Lua's patterns where one is meant: repeated, in a set,
// or one behind another. "100%sure" has none.
var luaClass = regexp.MustCompile(`%[adlpsuwxADLSUWX](?:[+*?{]|%[adlpsuwxADLSUWX])|\[\^?%[adlpsuwxADLSUWX]`)

// inRE2 is what RE2 has for a class of Lua's patterns.
var inRE2 = map[byte]string{
	'a': "[A-Za-z]", 'd': `\d`, 'l': "[a-z]", 'p': "[[:punct:]]", 's': `\s`, 'u': "[A-Z]", 'w': "[A-Za-z0-9]", 'x': "[0-9A-Fa-f]",
	'A': "[^A-Za-z]", 'D': `\D`, 'L': "[^a-z]", 'S': `\S`, 'U': "[^A-Z]", 'W': "[^A-Za-z0-9]", 'X': "[^0-9A-Fa-f]",
}

// CheckLuaClass says where an RE2 pattern has a class of Lua's patterns, such as %d,
// which means a % and a letter in RE2; empty if it has none.
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
