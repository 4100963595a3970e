package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chertd/luabind/diag"
)

// tried is what a key of the configuration is tried with, beside what its type
// is: values that it takes, and values that it must refuse. A value is YAML.
type tried struct {
	good []string
	bad  []string
}

// triedKeys has every key. TestEveryKeyIsTried fails where one is missing.
var triedKeys = map[string]tried{
	"chert.base_url": {[]string{"https://console.trychert.com/api/v1", "http://127.0.0.1:8790/api/v1", `"http://[::1]:80/x"`},
		[]string{"console", "ftp://host/x", "http://chat.example.com/x", "https://u:p@host/x", "https://host:99999/x", "https://host/x?a=b", "https:///x", `""`, "'https://ho st/x'"}},
	"chert.tenant":         {[]string{"acme-7a3f", "0123"}, []string{`"acme 7a3f"`, `"acme-7a3f "`, "ümlaut", `"a\tb"`, `""`}},
	"chert.auth":           {[]string{"hmac", "bearer", `"hmac"`}, []string{"hmca", "HMAC", "basic", `""`, `"hmac "`}},
	"chert.signing_secret": {[]string{"0123456789abcdef0123456789ABCDEF", `"  0123456789abcdef0123456789abcdef  "`}, []string{"five5", "0123456789abcdef0123456789abcde", "x123456789abcdef0123456789abcdef"}},
	"chert.timeout":        {[]string{"10s", "500ms", "30", "10m"}, []string{"0s", "11m", "1h", "50ms"}},
	"chert.concurrency":    {[]string{"1", "1000"}, []string{"0", "1001"}},
	"chert.rate.limit":     {[]string{"0.5", "10", "10000"}, []string{"0", "10001", ".nan", ".inf", "NaN", "1e99"}},
	"chert.rate.burst":     {[]string{"1", "10000"}, []string{"0", "10001"}},
	"chert.rate.adaptive":  {[]string{"true", "false"}, nil},

	"sources.webhook.listen": {[]string{"127.0.0.1:8787", `":8787"`, `"[::1]:8787"`, "localhost:0", "host.example.com:80"},
		[]string{"8787", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:http", "127.0.0.1:08787", "http://127.0.0.1:8787", "::1:8787", "'*:8787'", `"127.0.0.1:8787 "`, `" 127.0.0.1:8787"`, "a/b:80"}},
	"sources.webhook.path":       {[]string{"/webhooks/chert", "/", "/a%20b", "/größe"}, []string{"webhooks", "/%zz", "/100%", "/a%2", "/a b", "'/a#b'", "/a?b", `""`, `"/a\tb"`, `"/a "`, "http://x/y"}},
	"sources.webhook.secrets":    {[]string{"[whsec_one]", `["whsec_one", two]`}, []string{"[]", "[[one]]", "[{a: b}]", "[one, '']", "[~]"}},
	"sources.webhook.tolerance":  {[]string{"5m", "1s", "1h"}, []string{"0s", "61m"}},
	"sources.webhook.max_body":   {[]string{"1MiB", "1KiB", "65536", "64MiB"}, []string{"1023", "65MiB", "0"}},
	"sources.webhook.max_header": {[]string{"64KiB", "4KiB", "1MiB"}, []string{"4095", "2MiB", "0"}},
	"sources.stream.enabled":     {[]string{"false"}, nil},
	"sources.catchup.enabled":    {[]string{"true", "false"}, nil},
	"sources.catchup.every":      {[]string{"1m", "1s"}, []string{"0s", "500ms"}},
	"sources.catchup.lookback":   {[]string{"0s", "1d"}, nil},
	"sources.catchup.wait":       {[]string{"0s", "5m"}, []string{"25h"}},

	"rules.dir":                   {[]string{"./rules", "/srv/rules", "${HOME_DIR}/rules"}, []string{`""`, secretish, hexSecret, "~/rules", `"./rules "`, "$HOME/rules", `"a\nb"`}},
	"rules.watch":                 {[]string{"true", "false"}, nil},
	"rules.timezone":              {[]string{"UTC", "America/New_York"}, []string{"Mars", "EST", "America/NewYork", "Local", `""`, `"UTC "`, "+02:00", "utc"}},
	"rules.country":               {[]string{"US", "NO", `""`}, []string{"us", "USA", "UK", "EU", "XX", "49", `"US "`}},
	"rules.gate.specs":            {[]string{"enforce", "warn", "off"}, []string{"gate", "on", "enforced", "Enforce", `""`}},
	"rules.gate.checks":           {[]string{"enforce", "warn", "off"}, []string{"gate", "on", "enforced", "Enforce", `""`}},
	"rules.packs":                 {[]string{"{codes: {mode: live}}", "{codes: }"}, []string{"[codes]", "codes", "{codes: live}", "{codes: [live]}", "{" + hexSecret + ": {mode: lvie}}", "{" + secretish + ": {mode: live}}"}},
	"rules.lists":                 {[]string{"{vips: {writable: true}}", "{vips: , a-b_9: {}}"}, []string{"[vips]", "vips", "{vips: true}", "{'two words': {}}", "{-x: {}}", "{" + hexSecret + "zz: {writable: maybe}}", "{" + secretish + ": {writable: x}}"}},
	"rules.lists.*.writable":      {[]string{"true", "false"}, nil},
	"rules.packs.*.mode":          {[]string{"live", "shadow", "off"}, []string{"on", "Live", "lvie", `""`, `"live "`}},
	"rules.packs.*.grant":         {[]string{"[typing]", "[typing, react, send, notify]", "[]"}, []string{"[sned]", "[typing, all]", "['']", "[[typing]]", "['*']"}},
	"rules.packs.*.config":        {[]string{"{min_digits: 6, words: [a], deep: {x: 1}, yes: true}"}, []string{"{a: }", "{a: [~]}", "{a: 1, a: 2}", "[a]", "six"}},
	"rules.packs.*.limits.steps":  {[]string{"1", "1000000", "1_000_000"}, []string{"0", "-1", "2000000000000"}},
	"rules.packs.*.limits.memory": {[]string{"1MiB", "32MiB"}, []string{"1023KiB", "0", "1KiB"}},
	"rules.packs.*.limits.kv":     {[]string{"1", "64MiB"}, []string{"0"}},
	"rules.packs.*.limits.reads":  {[]string{"300/10m", "1/1s"}, []string{"300", "0/1m", "-3/1m", "300/0s", "1.5/1m", "300/ten"}},

	"notify":          {[]string{"{oncall: {url: 'https://hooks.example.com/x'}}"}, []string{"[oncall]", "oncall", "{oncall: }", "{On Call: {url: 'https://h.example'}}", "{oncall: 'https://hooks.example.com/x'}"}},
	"notify.*.url":    {[]string{"https://hooks.example.com/services/T1/B2?x=y", "http://127.0.0.1:9000/in"}, []string{"http://hooks.example.com/x", "hooks.example.com", "ftp://h.example/x", `""`}},
	"notify.*.secret": {[]string{"open-sesame"}, []string{`""`}},

	"store.url":       {[]string{`"sqlite:./data/x.db"`, "sqlite:///var/lib/x.db"}, []string{"./data/x.db", `"sqlite:"`, "postgres://u:p@h/db", "mysql://h/db", `"sqlite::memory:"`, "sqlite:./data/", "sqlite:~/x.db", "sqlite:x.db?mode=ro", "sqlite:" + hexSecret, hexSecret, `""`}},
	"store.retention": {[]string{"30d", "1h"}, []string{"59m", "0s"}},
	"store.raw":       {[]string{"7d", "0s", "30d"}, []string{"31d"}},

	"control.socket":         {[]string{"./data/chertd.sock", `""`}, []string{"~/chertd.sock", secretish, hexSecret, `"./x.sock "`}},
	"control.listen":         {[]string{"127.0.0.1:9900", `""`}, []string{"9900", "127.0.0.1:99999", "127.0.0.1:8787", "http://127.0.0.1:9900"}},
	"control.token":          {[]string{"0123456789abcdef"}, nil},
	"control.insecure_token": {[]string{"true", "false"}, nil},
	"control.hosts":          {[]string{"[]", "[chertd.example.com]"}, []string{"['https://a.example']", "['a.example:80']", "['*.example']", "['']"}},
	"control.tls.cert":       {nil, []string{"~/c.pem", secretish, hexSecret, `"c.pem "`}},
	"control.tls.key":        {nil, []string{"~/k.pem", secretish, hexSecret, `"k.pem "`}},
	"tracing.url": {[]string{"http://127.0.0.1:4318/v1/traces", "http://otel.example.com:4318/v1/traces", "https://otel.example.com/v1/traces", `""`},
		[]string{"127.0.0.1:4318", "http://127.0.0.1:4318", "http://127.0.0.1:4318/", "grpc://127.0.0.1:4317/x", "http://u:p@127.0.0.1/v1/traces", "http://127.0.0.1:99999/v1/traces", "http://127.0.0.1:4318/v1/traces?x=y", secretish}},
	"tracing.sample":   {[]string{"0.1", "1", "0.0001"}, []string{"0", "1.01", "10", ".nan", ".inf"}},
	"tracing.timeout":  {[]string{"10s", "100ms", "1m"}, []string{"0s", "99ms", "61s"}},
	"tracing.token":    {nil, []string{"open-sesame"}},
	"tracing.header":   {[]string{`"Authorization: Bearer"`, `"x-api-key:"`}, []string{`""`, "Authorization", `": Bearer"`, `"X Y: z"`, `"Content-Type: x"`, `"Authorization: a\nb"`, secretish}},
	"log.level":        {[]string{"debug", "info", "warn", "error"}, []string{"loud", "INFO", "warning", "0", `""`}},
	"log.format":       {[]string{"text", "json"}, []string{"xml", "JSON", `""`}},
	"log.message_text": {[]string{"true", "false"}, nil},
}

// badByType returns values that no key of a type takes.
func badByType(v reflect.Type) []string {
	bad := []string{"", "~", "{a: b}", "'${NOT_SET}'", "'${'", "'${}'", "'${a b}'"}
	if secretField(reflect.New(v).Elem()) {
		if v.Kind() == reflect.Slice {
			return []string{"", "~", "{a: b}", "one", "['${NOT_SET}']", "['${']", "['$HOOK']", "['%HOOK%']", "['$(HOOK)']", "['a b']", `["a\tb"]`, `["a\nb"]`, "['\u201cabc\u201d']", `['"abc"']`, "['HOOK_SECRET=abc']", "['<your secret>']", "['a${NOT_SET}']", `["a\u200bb"]`}
		}
		for _, text := range []string{"a b", `"abc"`, "TOKEN_X=abc", "<token>", "a\u00a0b", "${EMPTY}", "$SIGNING", "$(SIGNING)", "%SIGNING%", "a${NOT_SET}", " ", "\ufeff"} {
			bad = append(bad, "'"+text+"'")
		}
		return append(bad, "[a]")
	}
	bad = append(bad, "'$SIGNING'", "'$(SIGNING)'", "'%SIGNING%'")
	switch v.String() {
	case "time.Duration":
		return append(bad, "[a]", "soon", "-5m", "5 minutes", "99999999999d", "1.5.5s", "5M", secretish)
	case "main.Size":
		return append(bad, "[a]", "big", "1MB", "-1", "1.5MiB", "999999999999GiB", "99999999999999999999", secretish)
	case "rules.Rate":
		return append(bad, "[a]", "often", secretish)
	}
	switch v.Kind() {
	case reflect.Bool:
		return append(bad, "[a]", "yes", "on", "1", "'true'", "True", secretish)
	case reflect.Int, reflect.Int64:
		return append(bad, "[a]", "many", "'8'", "1.5", "-1", "99999999999999999999", "0x10", secretish)
	case reflect.Float64:
		return append(bad, "[a]", "fast", "'8'", "-1", "1/s", secretish)
	case reflect.Slice:
		return []string{"", "~", "{a: b}", "a", "[[a]]", "[{a: b}]", "[~]", "['${NOT_SET}']", secretish}
	case reflect.Map:
		return []string{"a", "[a]", secretish}
	}
	return append(bad, "[a]")
}

// secretish is a secret under a key that it does not belong to.
const secretish = "whsec_c0ffee0123456789"

// hexSecret is one of another form.
const hexSecret = "c0ffee0123456789c0ffee0123456789"

// keyTypes returns the types of all keys by their paths; * is any pack.
func keyTypes(v reflect.Type, path string, all map[string]reflect.Type) {
	switch {
	case v.Kind() == reflect.Struct && v.String() != "rules.Rate":
		for i := range v.NumField() {
			if key := v.Field(i).Tag.Get("yaml"); key != "-" {
				keyTypes(v.Field(i).Type, join(path, key), all)
			}
		}
	case v.Kind() == reflect.Map && v.Elem().Kind() == reflect.Struct:
		all[path] = v
		keyTypes(v.Elem(), join(path, "*"), all)
	default:
		all[path] = v
	}
}

// sections returns the paths of all keys that have keys below them.
func sections(v reflect.Type, path string) (all []string) {
	for i := range v.NumField() {
		f := v.Field(i)
		if key := f.Tag.Get("yaml"); key != "-" && f.Type.Kind() == reflect.Struct && f.Type.String() != "rules.Rate" {
			all = append(append(all, join(path, key)), sections(f.Type, join(path, key))...)
		}
	}
	return all
}

// yamlWith returns a whole configuration with one more key, each key on a line of its
// own, and the line of that key.
func yamlWith(path, value string) (text string, line int) {
	values := map[string]string{
		"chert.tenant": "acme-7a3f", "chert.signing_secret": "0123456789abcdef0123456789abcdef", "sources.webhook.secrets": "[whsec_one]",
	}
	path = strings.ReplaceAll(path, "*", "codes")
	if strings.HasPrefix(path, "notify.") { // a target has a URL
		values["notify.codes.url"] = "https://hooks.example.com/x"
	}
	for given := range values {
		if strings.HasPrefix(given, path+".") || strings.TrimSuffix(path, "_file") == given {
			delete(values, given)
		}
	}
	values[path] = value
	var open []string
	lines := 0
	for _, at := range slices.Sorted(maps.Keys(values)) {
		keys := strings.Split(at, ".")
		same := 0
		for same < len(keys)-1 && same < len(open) && keys[same] == open[same] {
			same++
		}
		for i := same; i < len(keys); i++ {
			text += strings.Repeat("  ", i) + keys[i] + ":"
			if i == len(keys)-1 {
				text += " " + values[at]
			}
			text += "\n"
			lines++
		}
		if at == path {
			line = lines
		}
		open = keys[:len(keys)-1]
	}
	return text, line
}

func parseTried(text string) (*Config, diag.List) {
	return parseConfig("c.yaml", []byte(text), func(name string) (string, bool) {
		if name == "HOME_DIR" {
			return "/home/x", true
		}
		return environment(name)
	}, use{})
}

// refused reports what is not right about how a configuration is refused: it must
// be at the line, name the key, and have a code and a fix.
func refused(diags diag.List, path string, line int, value string) string {
	if !diags.Errors() {
		return "it is taken"
	}
	if strings.Contains(diags.Error(), secretish) || len(value) > 12 && strings.Contains(value, "c0ffee") && strings.Contains(diags.Error(), "c0ffee") {
		return "a secret is shown"
	}
	found := ""
	for _, d := range diags {
		if d.Severity != diag.SeverityError {
			continue
		}
		switch {
		case d.Line != line:
			found += fmt.Sprintf("not at line %d: %s\n", line, d)
		case d.Code == "":
			found += fmt.Sprintf("without a code: %s\n", d)
		case d.Hint == "":
			found += fmt.Sprintf("without a fix: %s\n", d)
		case d.Code == codeSyntax, d.Code == codeUnknown:
		case !strings.Contains(d.Message, path[strings.LastIndexByte(path, '.')+1:]):
			found += fmt.Sprintf("it does not name %s: %s\n", path, d)
		}
	}
	return found
}

// Every key refuses every value that it must not take, at its line, with a code
// and a fix, and without showing what may be a secret. A key that is added must be
// tried, too.
func TestEveryKeyIsTried(t *testing.T) {
	t.Parallel()
	types := map[string]reflect.Type{}
	keyTypes(reflect.TypeFor[Config](), "", types)
	for path := range triedKeys {
		if types[path] == nil {
			t.Errorf("%s is not a key", path)
		}
	}
	for path, typ := range types {
		tried, ok := triedKeys[path]
		if !ok {
			t.Errorf("%s is not in triedKeys: say which values it takes, and which it must refuse", path)
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, value := range tried.good {
				text, _ := yamlWith(path, value)
				if _, diags := parseTried(text); diags.Errors() {
					t.Errorf("%s is refused:\n%s", value, diags.Error())
				}
			}
			for _, value := range append(badByType(typ), tried.bad...) {
				if typ.Kind() == reflect.Map && path == "rules.packs.*.config" && (value == "" || value == "~") {
					continue // as if it had no entries
				}
				text, line := yamlWith(path, value)
				if _, diags := parseTried(text); true {
					if wrong := refused(diags, path, line, value); wrong != "" {
						t.Errorf("%s: %q: %s", path, value, wrong)
					}
				}
			}
		})
	}
}

// A misspelled or duplicate key is rejected at its line, and the hint has the intended
// key.
func TestMisspelledAndDuplicateKeysAreRejected(t *testing.T) {
	t.Parallel()
	types := map[string]reflect.Type{}
	keyTypes(reflect.TypeFor[Config](), "", types)
	for path := range types {
		if path == "rules.packs" || len(triedKeys[path].good) == 0 {
			continue
		}
		key := path[strings.LastIndexByte(path, '.')+1:]
		value := triedKeys[path].good[0]
		text, line := yamlWith(path, value)
		lines := strings.SplitAfter(text, "\n")
		twice := strings.Join(slices.Insert(slices.Clone(lines), line, lines[line-1]), "")
		if _, diags := parseTried(twice); !strings.Contains(diags.Error(), fmt.Sprintf("c.yaml:%d:", line+1)) || !strings.Contains(diags.Error(), fmt.Sprintf("is already defined on line %d [CF002]", line)) {
			t.Errorf("%s twice: %s", path, diags.Error())
		}
		for _, typo := range []string{key[:1] + key[2:] /* a letter missing */, key + "s", strings.ToUpper(key[:1]) + key[1:], strings.ReplaceAll(key, "_", "-")} {
			if typo == key || key == "key" || key == "url" || key == "raw" || key == "kv" || key == "dir" {
				continue
			}
			wrong := slices.Clone(lines)
			wrong[line-1] = strings.Replace(wrong[line-1], key+":", typo+":", 1)
			_, diags := parseTried(strings.Join(wrong, ""))
			want := fmt.Sprintf("c.yaml:%d:", line)
			if !strings.Contains(diags.Error(), want) || !strings.Contains(diags.Error(), "[CF002]\n  hint: did you mean "+key+"?") {
				t.Errorf("%s as %s: want %s and its name\n%s", path, typo, want, diags.Error())
			}
		}
		// A secret that stands where a key should is not shown.
		wrong := slices.Clone(lines)
		wrong[line-1] = strings.Replace(wrong[line-1], key+":", secretish+":", 1)
		if _, diags := parseTried(strings.Join(wrong, "")); !diags.Errors() || strings.Contains(diags.Error(), secretish) {
			t.Errorf("a secret for the key %s: %s", path, diags.Error())
		}
	}
}

// A section is keys and values, or empty.
func TestEverySectionIsTried(t *testing.T) {
	t.Parallel()
	for _, path := range sections(reflect.TypeFor[Config](), "") {
		for _, value := range []string{"a", "[a]", "[{a: b}]", "true", "8", secretish, "'${SIGNING}'"} {
			text, line := yamlWith(path, value)
			_, diags := parseTried(text)
			here := slices.DeleteFunc(diags, func(d diag.Diagnostic) bool { return d.Code == codeMissing && d.Line != line })
			if wrong := refused(here, path, line, value); wrong != "" {
				t.Errorf("%s: %q: %s", path, value, wrong)
			}
		}
		for _, value := range []string{"", "~", "{}"} {
			text, _ := yamlWith(path, value)
			_, diags := parseTried(text)
			for _, d := range diags {
				if d.Code != codeMissing {
					t.Errorf("%s: %q: %s", path, value, d)
				}
			}
		}
	}
}

// The form of the file does not matter: a byte order mark, line ends of other
// systems, spaces at the end of lines, comments. Tabs do.
func TestFileFormDoesNotMatterExceptTabs(t *testing.T) {
	t.Parallel()
	for path, tried := range triedKeys {
		if len(tried.good) == 0 {
			continue
		}
		text, line := yamlWith(path, tried.good[0])
		want, diags := parseTried(text)
		if diags.Errors() {
			t.Errorf("%s: %s", path, diags.Error())
			continue
		}
		for name, form := range map[string]string{
			"a byte order mark": "\ufeff" + text,
			"CRLF":              strings.ReplaceAll(text, "\n", "\r\n"),
			"CR":                strings.ReplaceAll(text, "\n", "\r"),
			"spaces":            strings.ReplaceAll(text, "\n", "  \t \n"),
			"comments":          strings.ReplaceAll(text, "\n", " # a comment: with a colon\n"),
			"no last line end":  strings.TrimSuffix(text, "\n"),
			"a document mark":   "---\n" + text + "...\n",
		} {
			got, diags := parseTried(form)
			if diags.Errors() {
				t.Errorf("%s with %s: %s", path, name, diags.Error())
			} else if changed := changedKeys(want, got); len(changed) > 0 {
				t.Errorf("%s with %s: %v is another", path, name, changed)
			}
		}
		lines := strings.SplitAfter(text, "\n")
		lines[line-1] = "\t" + strings.TrimLeft(lines[line-1], " ")
		if _, diags := parseTried(strings.Join(lines, "")); !diags.Errors() || !strings.Contains(diags.Error(), "[CF001]") || !strings.Contains(diags.Error(), "hint: indent with spaces") {
			t.Errorf("%s with a tab: %s", path, diags.Error())
		}
	}
}

// A secrets file may have a byte order mark and the line ends of any system. Errors are
// reported at the key, and never show a secret.
func TestEverySecretFileIsTried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const hex = "c0ffee0123456789c0ffee0123456789"
	good := map[string]string{
		"plain": hex, "line end": hex + "\n", "CRLF": hex + "\r\n", "CR": hex + "\r", "BOM": "\ufeff" + hex, "BOM and CRLF": "\ufeff\r\n  " + hex + " \r\n\r\n", "spaces": "\n\t " + hex + " \n",
	}
	bad := map[string]string{
		"empty": "", "blank": " \n\t\r\n", "BOM alone": "\ufeff", "UTF-16": "\xff\xfec\x000\x00", "binary": hex + "\x00", "not UTF-8": "\xc0ffee" + hex, "a space": "c0ffee c0ffee0123456789c0ffee0123",
		"quotes": `"` + hex + `"`, "an assignment": "CHERT_SECRET=" + hex, "an export": "export CHERT_SECRET=" + hex, "too large": strings.Repeat("c0ffee0123456789\n", 5000), "an invisible character": "c0ffee\u200bc0ffee",
		"a placeholder": "<c0ffee0123>",
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "_")+".txt")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, path := range []string{"chert.signing_secret", "sources.webhook.secrets", "control.token"} {
		for name, content := range good {
			text, _ := yamlWith(path+"_file", write(name, content))
			c, diags := parseTried(text)
			if diags.Errors() {
				t.Errorf("%s: %s: %s", path, name, diags.Error())
				continue
			}
			got := fmt.Sprint(c.Chert.SigningSecret.Reveal(), reveal(c.Sources.Webhook.Secrets), c.Control.Token.Reveal())
			if !strings.Contains(got, hex) {
				t.Errorf("%s: %s: read as %q", path, name, got)
			}
		}
		files := map[string]string{"a folder": dir, "missing": filepath.Join(dir, "missing.txt"), "missing, relative": "missing.txt", "empty path": `""`, "nothing": "~", "a list": "[a]", "unset": "'${NOT_SET}'", "the secret itself": hex, "bare": "$SIGNING/x"}
		for name, content := range bad {
			files[name] = write(name, content)
		}
		if path != "sources.webhook.secrets" {
			files["two lines"] = write("two lines", hex+"\n"+hex+"\n")
		}
		if path == "chert.signing_secret" {
			files["5 characters"] = write("5 characters", "five5\n")
			files["not hexadecimal"] = write("not hexadecimal", "x"+hex[1:])
		}
		for name, file := range files {
			text, line := yamlWith(path+"_file", file)
			_, diags := parseTried(text)
			if wrong := refused(diags, path, line, file); wrong != "" {
				t.Errorf("%s_file: %s: %s", path, name, wrong)
			}
			if strings.Contains(diags.Error(), "c0ffee") {
				t.Errorf("%s_file: %s: a secret is shown: %s", path, name, diags.Error())
			}
		}
	}
	// What a secret holds is not expanded again, and never shown.
	file := write("variable", "c0ffee${SIGNING}\n")
	text, _ := yamlWith("sources.webhook.secrets_file", file)
	if c, diags := parseTried(text); diags.Errors() || c.Sources.Webhook.Secrets[0].Reveal() != "c0ffee${SIGNING}" {
		t.Errorf("a secret with ${ in its file: %s", diags.Error())
	}
	text, _ = yamlWith("sources.webhook.secrets", "['${NESTED}']")
	c, diags := parseConfig("c.yaml", []byte(text), func(string) (string, bool) { return "c0ffee${HOOK}", true }, use{})
	if diags.Errors() || c.Sources.Webhook.Secrets[0].Reveal() != "c0ffee${HOOK}" {
		t.Errorf("a secret with ${ in its variable: %s", diags.Error())
	}
}

// What is not YAML is refused at its line, with a fix, and without showing it.
func TestSyntaxErrorsHaveTheirLine(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]int{
		"log: {}\nstore: {\n": 2, "log: {}\nstore: [1,\nrules: {}\n": 2, "log: {}\nstore: c0ffee: y\nrules: {}\n": 2, "log: {}\n\tstore: 1\n": 2, "log:\n  level: info\n\tformat: text\n": 3,
		"log: {}\nstore: @c0ffee\n": 2, "log: {}\nstore: 'c0ffee\nrules: 1\n": 2, "log: {}\n store: 2\n": 2, "log:\n  level: 1\n format: 2\n": 3, "log: {}\n- c0ffee\n": 2, "log: {}\nstore: \"\\q\"\n": 2,
		"log: {}\nstore: *c0ffee\n": 2, "log: {}\nc0ffee\nstore: {}\n": 2, "log: \x01\n": 1, "log: {}\nrules: {}\nstore: c0ffee\x01\n": 3, "log: {}\nstore: %c0ffee\n": 2, "log: {}\nstore: `c0ffee`\n": 2,
		"log: {}\nstore: ]\n": 2, "log: !<c0ffee\nstore: 1\n": 1, "log: &\nstore: 1\n": 1, "log: |x\nstore: 1": 1, "store: {\n": 1, "\tlog: 1\n": 1, "log: {}\nstore: {c0ffee: 1]\n": 2, "log: {level: info\nstore: 2\n": 2,
		"log: \"c0ffee\nstore: 2\n": 1, "log: {}\nstore: c0ffee\xff\n": 2, "log: {}\n---\nlog: {}\n": 2, "- log\n": 1, "c0ffee": 1,
	} {
		for _, end := range []string{"\n", "\r\n"} {
			c, diags := parseTried(strings.ReplaceAll(text, "\n", end))
			if c != nil || len(diags) != 1 || diags[0].Line != line || diags[0].Code != codeSyntax || diags[0].Hint == "" || strings.Contains(diags.Error(), "c0ffee") {
				t.Errorf("%q: want line %d, got %s", text, line, diags.Error())
			}
		}
	}
}
