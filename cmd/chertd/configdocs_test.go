package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each code of the configuration has a row and a section in the document. What a
// section shows as wrong is refused as it says.
func TestConfigurationCodesAreDocumented(t *testing.T) {
	t.Parallel()
	const doc = "../../docs/configuration.md"
	b, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var ids []string
	for _, c := range configCodes() {
		ids = append(ids, c.ID)
		if row := fmt.Sprintf("| [%s](#%s) | %s |\n", c.ID, strings.ToLower(c.ID), c.Title); !strings.Contains(text, row) {
			t.Errorf("%s lacks this row of its table:\n%s", doc, row)
		}
		_, section, ok := strings.Cut(text, "\n### "+c.ID+"\n")
		if !ok {
			t.Errorf("%s has no section on %s, %s", doc, c.ID, c.Title)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		if !strings.Contains(section, "["+c.ID+"]\n  hint: ") {
			t.Errorf("the section on %s shows no message with its hint", c.ID)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (CF\d+)$`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(ids, m[1]) {
			t.Errorf("%s explains %s, and there is no such code", doc, m[1])
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("the codes are not in order: %v", ids)
	}
	all := snippets(t, doc)
	for i, s := range all {
		if s.lang != "yaml wrong" {
			continue
		}
		_, diags := parseConfig("chertd.yaml", []byte(s.text), environment, use{})
		if i+1 == len(all) || !strings.Contains(diags.Error()+"\n", all[i+1].text) {
			t.Errorf("%s: got\n%s\nand not what is shown", s.place, diags.Error())
		}
	}
}

// configCode is a kind of finding about a configuration.
type configCode struct {
	ID    string
	Title string
}

// configCodes returns all kinds of findings about a configuration, in order.
func configCodes() []configCode {
	return []configCode{
		{codeSyntax, "a configuration that is not YAML"},
		{codeUnknown, "an unknown or duplicate key"},
		{codeValue, "a value of the wrong type or out of range"},
		{codeEnv, "an environment variable that is not set, or not written as `${NAME}`"},
		{codeSecret, "a secret that is empty, malformed or can't be read"},
		{codeMissing, "a missing value that has no default"},
		{codeNotYet, "a feature that this build does not have"},
		{codeNoPack, "an entry of rules.packs for a pack that does not exist"},
		{codeNoSetting, "a setting that the pack does not declare"},
		{codeConfigFile, "a configuration file that can't be read"},
		{codeAddress, "an address that can't be listened on"},
		{codeSocket, "a control socket that can't be opened"},
		{codeStore, "a store that can't be opened"},
		{codeTLS, "a certificate that can't be used"},
		{codeExposed, "a token that would be sent unencrypted"},
		{codeNoRule, "a list that no rule uses"},
	}
}
