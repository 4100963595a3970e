package lint

import (
	"chertd/luabind/diag"
	"chertd/rules"
)

// Code is a kind of finding. Its number never changes, and has a section in
// docs/checks.md.
type Code struct {
	ID       string
	Title    string
	Severity diag.Severity // of most of its findings
}

// The codes of what loading refuses, by what it looked at.
const (
	codeSyntax     = "CH001"
	codeLoading    = "CH002"
	codeRule       = "CH003"
	codeManifest   = "CH004"
	codeData       = "CH005"
	codeFile       = "CH006"
	codeNoRules    = "CH007"
	codeIgnored    = "CH008"
	codeGlobal     = "CH010"
	codeField      = "CH011"
	codeSetting    = "CH012"
	codeArgument   = "CH013"
	codeCount      = "CH014"
	codeKey        = "CH015"
	codePhase      = "CH016"
	codeColon      = "CH017"
	codeMissing    = "CH018"
	codeReadOnly   = "CH019"
	codeDead       = "CH020"
	codeNever      = "CH021"
	codeType       = "CH022"
	codeTimer      = "CH023"
	codeAnswer     = "CH024"
	codeEmpty      = "CH025"
	codeLetters    = rules.CodeLetters
	codeWords      = rules.CodeWords
	codeBytes      = "CH028"
	codeUnused     = "CH030"
	codeSender     = "CH031"
	codeEmptyList  = "CH032"
	codeCountry    = "CH033"
	codeDaysMeet   = "CH034"
	codeCalendar   = "CH035"
	codeUneven     = "CH036"
	codeAnyHour    = "CH037"
	codeSetGlobal  = "CH040"
	codeForgotten  = "CH041"
	codeNil        = "CH042"
	codeCompare    = "CH043"
	codeUnnamed    = "CH044"
	codeNotAsked   = "CH050"
	codeNotUsed    = "CH051"
	codeNoSpec     = "CH052"
	codeNotGranted = "CH056"
	codeGrantsVain = "CH057"
	codeAllow      = "CH060"
)

// specCodes are what `chertd test` says of specs that it ran (package spec): check
// does not run them.
var specCodes = []string{"CH053", "CH054", "CH055"}

// Codes are all kinds of findings, in order.
func Codes() []Code {
	const e, w = diag.SeverityError, diag.SeverityWarning
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
		{codeMissing, "a module, a data file or a key of one that is not there", e},
		{codeReadOnly, "an assignment to what can't be changed", e},
		{codeDead, "code that nothing leads to", w},
		{codeNever, "a rule that can never run", w},
		{codeType, "a type of event that nobody sends", w},
		{codeTimer, "a timer that nobody sets, or nobody waits for", w},
		{codeAnswer, "answers of calls that the pack never asks for", w},
		{codeEmpty, "a handler that does nothing", w},
		{codeLetters, "a pattern that knows only the letters a to z", w},
		{codeWords, "words that find less or more than they seem to", w},
		{codeBytes, "a Lua pattern that takes a letter apart", w},
		{codeUnused, "a local that is never used", w},
		{codeSender, "a sender that can be none", e},
		{codeEmptyList, "a list that is empty", w},
		{codeCountry, "a phone number without + and without a country", w},
		{codeDaysMeet, "a schedule that restricts day of month and weekday", w},
		{codeCalendar, "a calendar of which all days are over", w},
		{codeUneven, "a schedule whose step does not divide its field", w},
		{codeAnyHour, "a postponement to a time of day, at all hours", w},
		{codeSetGlobal, "a global set in a handler", e},
		{codeForgotten, "a file's variable changed in a handler", w},
		{codeNil, "something of an event that may be nil", w},
		{codeCompare, "a comparison that can't come out otherwise", w},
		{codeUnnamed, "a delayed read in a rule without a name", e},
		{codeNotAsked, "a function whose permission the pack does not ask for", e},
		{codeNotUsed, "a permission that is asked for and never used", w},
		{codeNoSpec, "a pack without specs", w},
		{codeNotGranted, "a permission that chertd.yaml does not grant", e},
		{codeGrantsVain, "a grant for which the pack does not ask", w},
		{codeAllow, "an allow that silences nothing", w},
	}
}
