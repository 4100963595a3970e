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
	codeNoRule     = rules.CodeNoRule // CF016
)
