package rules

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/luabind"
)

var (
	manifestKey   = regexp.MustCompile("(?m)^\\| \\[`([a-z._]+)`\\]\\(#([a-z_-]+)\\) \\| ([^|]+) \\| ([^|]+) \\|")
	manifestError = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\|$")
)

// TestManifestIsDocumented: docs/pack-yaml.md has each key that a pack.yaml may have and no other,
// with its default and the values that it takes.
func TestManifestIsDocumented(t *testing.T) {
	t.Parallel()
	page := manifestPage(t)
	keys := slices.DeleteFunc(knownKeys(t, "%s: 1"), func(key string) bool { return key == "limits" })
	for _, key := range knownKeys(t, "limits: {%s: 1}") {
		keys = append(keys, "limits."+key)
	}
	documented, defaults, types := []string{}, map[string]string{}, map[string]string{}
	for _, row := range manifestKey.FindAllStringSubmatch(page, -1) {
		documented = append(documented, row[1])
		types[row[1]], defaults[row[1]] = row[3], strings.Trim(row[4], "`")
	}
	slices.Sort(keys)
	slices.Sort(documented)
	if !slices.Equal(documented, keys) || len(keys) < 11 {
		t.Errorf("docs/pack-yaml.md has the keys\n%q\nand a pack.yaml\n%q", documented, keys)
	}
	quoted := func(values ...string) string { return "`" + strings.Join(values, "`, `") + "`" }
	for key, want := range map[string]string{
		"mode":           fmt.Sprintf("`%s`, `%s` or `%s`", Live, Shadow, Off),
		"permissions":    "list of " + quoted(capabilities()...),
		"failure_policy": fmt.Sprintf("`%s` or `%s`", FailClosed, FailOpen),
	} {
		if types[key] != want {
			t.Errorf("the type of %s is %s, want %s", key, types[key], want)
		}
	}
	for key, want := range map[string]string{
		"mode":         string(Live),
		"limits.steps": fmt.Sprint(luabind.DefaultSteps), "limits.memory": sizeOption(luabind.DefaultMemory), "limits.kv": sizeOption(DefaultKV),
	} {
		if defaults[key] != want {
			t.Errorf("the default of %s is %s, want %s", key, defaults[key], want)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("each take %s of memory", sizeText(manifestRoom)), fmt.Sprintf("at most %d characters", maxPackName),
		fmt.Sprintf("at\nleast `%s`", sizeOption(LeastMemory)), fmt.Sprintf("at most %d levels deep", maxYAMLDepth),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/pack-yaml.md does not have %q", want)
		}
	}
}

// TestManifestErrorsAreDocumented compares the errors of docs/pack-yaml.md with those of loading.
func TestManifestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	rows := manifestError.FindAllStringSubmatch(manifestPage(t), -1)
	if len(rows) < 10 {
		t.Fatalf("there are %d errors: the test proves nothing", len(rows))
	}
	for _, row := range rows {
		_, diags := parseManifest(File{Path: "pack.yaml", Bytes: []byte(row[1])})
		if len(diags) != 1 || diags[0].Message != row[2] {
			t.Errorf("%s: the errors are %v, want %q", row[1], diags, row[2])
		}
	}
}

// knownKeys returns the keys that a table of a pack.yaml may have, as the error for another key
// lists them.
func knownKeys(t *testing.T, table string) []string {
	t.Helper()
	_, diags := parseManifest(File{Path: "pack.yaml", Bytes: fmt.Appendf(nil, table, "qqqqqqqqqqqq")})
	if len(diags) != 1 {
		t.Fatalf("an unknown key has the errors %v", diags)
	}
	list, ok := strings.CutPrefix(diags[0].Hint, "its keys are ")
	if !ok {
		t.Fatalf("the hint is %q", diags[0].Hint)
	}
	return strings.Split(list, ", ")
}

func manifestPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/pack-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
