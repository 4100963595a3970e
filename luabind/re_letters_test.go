package luabind

import (
	"regexp"
	"strings"
	"testing"
)

func TestCheckLetters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, want string }{ // want: the beginning of the message; "" where there is none
		{`\bкод\b`, `\b next to "к"`},
		{`(?i)\bкод`, `\b next to "к"`},
		{`код\b`, `\b next to "д"`},
		{`\bcafé\b`, `\b next to "é"`},
		{`\b(?:code|код)\b`, `\b next to "к"`},
		{`(\b|_)код`, `\b next to "к"`},
		{`\b(код)`, `\b next to "к"`},
		{`\bк?од`, `\b next to "к"`},
		{`\B код|\Bкод`, `\B next to "к"`},
		{`\b\pL+\b`, `\b next to letters like "ª"`},
		{`\b[а-я]+`, `\b next to letters like "а"`},
		{`\bрег\s+\d`, `\b next to "р"`},
		{`\w*код`, `\w next to "к"`},
		{`код\w*`, `\w next to "д"`},
		{`код[a-z]*`, `[a-z] next to "д"`},
		{`(?i)ü[a-z]`, `[A-Za-z`},
		{`(?:^|\W)код(?:\W|$)`, `\W next to "к"`},
		{`[^a-zA-Z]код`, `[^a-z] next to "к"`},
		{`(?i)straße`, `(?i) does not match "ß" as "SS"`},
		{`(?i)ışık`, `(?i) treats I as the capital of i`},
		{`(?i)diyarbakır`, `(?i) treats I as`},
		{`(?i)şifre`, `(?i) treats I as`},
		{`رمز\s*\d+`, `\d next to "ر"`},
		{`कोड \d+`, `\d next to "क"`},
		{`验证码\D*\d+`, `\d next to "验"`},

		{`\bcode\b`, ""},
		{`\w+ [a-z]+ \d+`, ""},
		{`(?i)\bcode\b`, ""},
		{`(?:^|[^\pL\pM\pN])код(?:[^\pL\pM\pN]|$)`, ""},
		{`(?:^|\PL)код(?:\PL|$)`, ""},
		{`(?i)код`, ""},
		{`(?i)σας`, ""},
		{`код: (\w+)`, ""},
		{`код\s+\d{6}\b`, ""},
		{`код [A-Z0-9]{6}`, ""},
		{`[\pL\pM]*код`, ""},
		{`.*код.*`, ""},
		{`[^"]код`, ""},
		{`"код"\b`, ""},
		{`straße`, ""},
		{`(?i)stra(?:ß|ss)e`, ""},
		{`رمز\s*[0-9]+`, ""},
		{`رمز\s*\p{Nd}+`, ""},
		{`[a-zäöüß]+ schön`, ""},
		{`\\дата`, ""},
		{`رمز\\d`, ""},
		{`\b👍`, ""},
		{`(`, ""},
		{`é(`, ""},
		{``, ""},
	} {
		message, hint := CheckLetters(tt.pattern)
		if tt.want == "" && message != "" || tt.want != "" && !strings.HasPrefix(message, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.pattern, message, tt.want)
		}
		if (message == "") != (hint == "") {
			t.Errorf("%s: message %q, hint %q", tt.pattern, message, hint)
		}
	}
}

// What hints say to write finds what was not found, and is not warned of.
func TestHintsOfLettersMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ wrong, right, text string }{
		{`\bкод\b`, `(?:^|[^\pL\pM\pN])код(?:[^\pL\pM\pN]|$)`, "ваш код: 1"},
		{`^код\w+$`, `^код[\pL\pM\pN_]+$`, "кодом"},
		{`^код[a-z]+$`, `^код[\pL\pM]+$`, "кодом"},
		{`(?i)straße`, `(?i)stra(?:ß|ss)e`, "STRASSE"},
		{`(?i)ışık`, `(?i)[Iıİi]ş[Iıİi]k`, "IŞIK"},
		{`رمز \d+`, `رمز \p{Nd}+`, "رمز ٤٥"},
	} {
		if message, _ := CheckLetters(tt.wrong); message == "" {
			t.Errorf("%s causes no warning", tt.wrong)
		}
		if message, _ := CheckLetters(tt.right); message != "" {
			t.Errorf("%s: %s", tt.right, message)
		}
		if regexp.MustCompile(tt.wrong).MatchString(tt.text) || !regexp.MustCompile(tt.right).MatchString(tt.text) {
			t.Errorf("%s is not better than %s on %q", tt.right, tt.wrong, tt.text)
		}
	}
}

func TestConditionFor(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`\bкод\b`: `words = "код"`, `(?i)\bкод\b`: `words = "код"`, `(?i)straße`: `text = "straße"`, `\bкод\.\b`: `words = "код."`,
		`\bкод`: "", `код\b`: "", `\bкод.\b`: "", `\bк|од\b`: "", `(`: "",
	} {
		if got := ConditionFor(pattern); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}
