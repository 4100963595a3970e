package rules

import (
	"slices"
	"strings"
	"testing"
)

// What a pack may do is what it asks for and the operator grants. Whatever it
// calls beyond that keeps it from loading, at the first call.
func TestPermissions(t *testing.T) {
	t.Parallel()
	const call = "local function say(ev)\n  chert.send(ev.chat.id, \"x\")\nend\nchert.on(\"message.received\", say)\n"
	for _, test := range []struct {
		name     string
		lua      string
		manifest string // "": a pack of one file
		operator bool   // there is a configuration
		grant    []string
		may      []string
		says     []string
	}{
		{"asked and granted", call, "permissions: [send]", true, []string{"send"}, []string{"send"}, nil},
		{"asked, and nobody to grant", call, "permissions: [send]", false, nil, []string{"send"}, nil},
		{"asked and not granted", call, "permissions: [typing, send]", true, []string{"typing"}, nil, []string{
			`r.lua:2:3: error: chert.send needs the permission "send", which chertd.yaml does not grant to pack "p" [CH056]`,
			`hint: add to chertd.yaml: rules: {packs: {p: {grant: [send, typing]}}}`}},
		{"asked, not granted and never called", version("1"), "permissions: [typing]", true, nil, nil, []string{
			`pack.yaml:1:15: error: pack "p" requests the permission "typing", which chertd.yaml does not grant [CH056]`}},
		{"not asked", call, "mode: live", false, nil, nil, []string{
			`r.lua:2:3: error: chert.send needs the permission "send", which pack.yaml does not request [CH050]`,
			"hint: write `permissions: [send]` in pack.yaml, and grant it in chertd.yaml: rules: {packs: {p: {grant: [send]}}}"}},
		{"not asked, and granted", call, "mode: live", true, []string{"send"}, nil, []string{"[CH050]", `chertd.yaml grants "send" to pack "p", which does not request it: the grant has no effect [CH057]`}},
		{"granted and not asked, and not called", version("1"), "mode: live", true, []string{"send"}, []string{}, []string{"[CH057]"}},
		{"an unknown permission that may be a secret", version("1"), "mode: live", true, []string{"whsec_9a8b7c6d5e4f"}, []string{}, nil},
		{"one file", call, "", false, nil, nil, []string{`p.lua:2:3: error: chert.send needs the permission "send", and a single-file pack cannot request it [CH050]`, "hint: move the file to p/p.lua"}},
		{"one file, and granted", call, "", true, []string{"send"}, nil, []string{"[CH050]", "[CH057]", "hint: a single-file pack cannot request it: remove it from rules.packs.p.grant, or move the file to p/p.lua"}},
		{"by another way of writing", "chert.on(\"message.received\", function(ev) chert [ \"react\" ](ev.message.id, \"love\") end)\n", "mode: live", false, nil, nil, []string{":1:43: error: chert.react needs"}},
		{"as a value", "local say = chert.typing\nchert.on(\"message.received\", function(ev) say(ev.chat.id, \"typing\") end)\n", "mode: live", false, nil, nil, []string{":1:13: error: chert.typing needs"}},
		{"in comments and strings", "-- chert.send(x)\nlocal s = \"chert.send\"\nchert.on(\"message.received\", function(ev) log.info(s) end)\n", "mode: live", false, nil, []string{}, nil},
		{"of something else", "local o = { chert = { send = print } }\nchert.on(\"message.received\", function(ev) o.chert.send(ev.text) end)\n", "mode: live", false, nil, []string{}, nil},
		{"in lib", version("1"), "mode: live", false, nil, nil, nil}, // the file is written below
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"p/r.lua": test.lua, "p/pack.yaml": test.manifest}
			if test.manifest == "" {
				files = map[string]string{"p.lua": test.lua}
			}
			if test.name == "in lib" {
				files["p/lib/say.lua"] = "return function(id) chert.send(id, \"x\") end\n"
				test.says = []string{"say.lua:1:21: error: chert.send needs"}
			}
			o := Options{}
			dir := tree(t, files)
			if test.operator {
				o.Packs = map[string]PackOptions{"p": {Grant: test.grant}}
			}
			set, diags := Load([]string{dir}, o).Set()
			for _, want := range test.says {
				if !strings.Contains(diags.Error(), want) {
					t.Errorf("loading says\n%s\nwithout\n%s", diags.Error(), want)
				}
			}
			if len(test.says) == 0 && len(diags) > 0 {
				t.Errorf("loading says\n%s", diags.Error())
			}
			if (set != nil) != (test.may != nil) {
				t.Fatalf("it loads: %t, want %t\n%s", set != nil, test.may != nil, diags.Error())
			}
			if set != nil && !slices.Equal(set.Pack("p").Grants, test.may) {
				t.Errorf("it may %v, want %v", set.Pack("p").Grants, test.may)
			}
		})
	}
}

// A grant that no pack requests is reported at its line of the operator's file.
func TestUnusedGrantIsReportedAtItsLine(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"vip/r.lua": version("v1"), "vip/pack.yaml": "permissions: [typing]", "single.lua": version("v1")})
	o := Options{Packs: map[string]PackOptions{
		"vip":    {Grant: []string{"typing", "send"}, Places: map[string]Position{"": {"c.yaml", 2, 5}, "grant": {"c.yaml", 3, 7}, "grant[0]": {"c.yaml", 3, 15}, "grant[1]": {"c.yaml", 4, 15}}},
		"single": {Grant: []string{"typing"}, Places: map[string]Position{"": {"c.yaml", 5, 5}, "grant": {"c.yaml", 6, 7}}},
	}}
	_, diags := loadDir(dir, o)
	for _, want := range []string{
		"c.yaml:4:15: warning: chertd.yaml grants \"send\" to pack \"vip\", which does not request it: the grant has no effect [CH057]\n  hint: write `permissions: [send, typing]` in pack.yaml, or remove it from rules.packs.vip.grant",
		"c.yaml:6:7: warning: chertd.yaml grants \"typing\" to pack \"single\", which does not request it: the grant has no effect [CH057]\n  hint: a single-file pack cannot request it: remove it from rules.packs.single.grant, or move the file to single/single.lua",
	} {
		if !strings.Contains(diags.Error(), want) {
			t.Errorf("loading says\n%s\nwithout\n%s", diags.Error(), want)
		}
	}
}
