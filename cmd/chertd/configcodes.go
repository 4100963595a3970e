package main

import "chertd/rules"

// Codes of errors in a configuration. A number never changes, and docs/configuration.md
// has a section on each.
const (
	codeSyntax     = "CF001"
	codeUnknown    = "CF002"
	codeValue      = "CF003"
	codeEnv        = "CF004"
	codeSecret     = "CF005"
	codeMissing    = "CF006"
	codeNotYet     = "CF007"
	codeNoPack     = rules.CodeNoPack    // CF008
	codeNoSetting  = rules.CodeNoSetting // CF009
	codeConfigFile = "CF010"
	codeAddress    = "CF011"
	codeSocket     = "CF012"
	codeStore      = "CF013"
	codeTLS        = "CF014"
	codeExposed    = "CF015"
)

// configCode is a kind of finding about a configuration.
type configCode struct {
	ID    string
	Title string
}

// configCodes are all kinds of findings about a configuration, in order.
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
	}
}
