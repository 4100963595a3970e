package lint

import "chertd/luabind"

// Code is a kind of finding. Its number never changes, and has a section in
// docs/checks.md.
type Code struct {
	ID       string
	Title    string
	Severity luabind.Severity // of most of its findings
}

// The codes of what loading refuses, by what it looked at.
const (
	codeSyntax    = "CH001"
	codeLoading   = "CH002"
	codeRule      = "CH003"
	codeManifest  = "CH004"
	codeData      = "CH005"
	codeFile      = "CH006"
	codeNoRules   = "CH007"
	codeIgnored   = "CH008"
	codeGlobal    = "CH010"
	codeField     = "CH011"
	codeSetting   = "CH012"
	codeArgument  = "CH013"
	codeCount     = "CH014"
	codeKey       = "CH015"
	codePhase     = "CH016"
	codeColon     = "CH017"
	codeMissing   = "CH018"
	codeReadOnly  = "CH019"
	codeDead      = "CH020"
	codeNever     = "CH021"
	codeType      = "CH022"
	codeTimer     = "CH023"
	codeAnswer    = "CH024"
	codeEmpty     = "CH025"
	codeUnused    = "CH030"
	codeDaysMeet  = "CH034"
	codeCalendar  = "CH035"
	codeUneven    = "CH036"
	codeSetGlobal = "CH040"
	codeForgotten = "CH041"
	codeNil       = "CH042"
	codeCompare   = "CH043"
	codeUnnamed   = "CH044"
	codeNotAsked  = "CH050"
	codeNotUsed   = "CH051"
	codeNoSpec    = "CH052"
	codeAllow     = "CH060"
)

// Codes are all kinds of findings, in order.
func Codes() []Code {
	const e, w = luabind.SeverityError, luabind.SeverityWarning
	return []Code{
		{codeSyntax, "a file that is not Lua", e},
		{codeLoading, "a file that fails while it loads", e},
		{codeRule, "a rule that is declared wrongly", e},
		{codeManifest, "a pack.yaml that is wrong", e},
		{codeData, "a data file that can't be read", e},
		{codeFile, "a file or folder that is no pack", e},
		{codeNoRules, "a pack without rules", e},
		{codeIgnored, "a file that is ignored for its name", w},
		{codeGlobal, "a global that nobody defines", e},
		{codeField, "a function or field that does not exist", e},
		{codeSetting, "a setting that pack.yaml does not declare", e},
		{codeArgument, "an argument that can't be right", e},
		{codeCount, "too few or too many arguments", e},
		{codeKey, "an option that does not exist", e},
		{codePhase, "a function called at the wrong time", e},
		{codeColon, "a colon where a dot belongs, or a dot where a colon does", e},
		{codeMissing, "a module or data file that is not there", e},
		{codeReadOnly, "an assignment to what can't be changed", e},
		{codeDead, "code that nothing leads to", w},
		{codeNever, "a rule that can never run", w},
		{codeType, "a type of event that nobody sends", w},
		{codeTimer, "a timer that nobody sets, or nobody waits for", w},
		{codeAnswer, "answers of calls that the pack never asks for", w},
		{codeEmpty, "a handler that does nothing", w},
		{codeUnused, "a local that is never used", w},
		{codeDaysMeet, "a schedule that restricts day of month and weekday", w},
		{codeCalendar, "a calendar of which all days are over", w},
		{codeUneven, "a schedule whose step does not divide its field", w},
		{codeSetGlobal, "a global set in a handler", e},
		{codeForgotten, "a file's variable changed in a handler", w},
		{codeNil, "something of an event that may be nil", w},
		{codeCompare, "a comparison that can't come out otherwise", w},
		{codeUnnamed, "a delayed read in a rule without a name", e},
		{codeNotAsked, "a capability that is used and not declared", e},
		{codeNotUsed, "a capability that is declared and not used", w},
		{codeNoSpec, "a pack without specs", w},
		{codeAllow, "an allow that silences nothing", w},
	}
}
