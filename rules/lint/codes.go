package lint

import "chertd/rules"

// The codes of findings. A number never changes; docs/checks.md has a section on each.
const (
	codeSyntax       = "CH001"           // a file that is not Lua
	codeLoading      = "CH002"           // a file that fails while it loads
	codeRule         = "CH003"           // a rule that is not declared correctly
	codeManifest     = "CH004"           // an invalid pack.yaml
	codeData         = "CH005"           // a data file that can't be read
	codeFile         = "CH006"           // a file or folder that is not a pack
	codeNoRules      = "CH007"           // a pack without rules
	codeIgnored      = "CH008"           // a file that is ignored because of its name
	codeGlobal       = "CH010"           // an undefined global
	codeField        = "CH011"           // a function or field that does not exist
	codeSetting      = "CH012"           // a setting that pack.yaml does not declare
	codeArgument     = "CH013"           // an argument that can't be right
	codeCount        = "CH014"           // too few or too many arguments
	codeKey          = "CH015"           // an unknown option
	codePhase        = "CH016"           // a function called at the wrong time
	codeColon        = "CH017"           // a colon where a dot belongs, or a dot where a colon does
	codeMissing      = "CH018"           // a module, data file or key that does not exist
	codeReadOnly     = "CH019"           // an assignment to something read-only
	codeDead         = "CH020"           // unreachable code
	codeNever        = "CH021"           // a rule that can never run
	codeType         = "CH022"           // an event type that Chert does not send
	codeTimer        = "CH023"           // a timer that nothing sets, or nothing handles
	codeAnswer       = "CH024"           // a handler for call results, in a pack that makes no calls
	codeEmpty        = "CH025"           // a handler that does nothing
	codeLetters      = rules.CodeLetters // a pattern that matches only the letters a to z
	codeWords        = rules.CodeWords   // words that match less or more than they seem to
	codeBytes        = "CH028"           // a Lua pattern that splits a letter
	codeCovered      = "CH029"           // a rule whose reads another rule always vetoes
	codeUnused       = "CH030"           // a local that is never used
	codeSender       = "CH031"           // a value that is not a sender
	codeEmptyList    = "CH032"           // a list that is empty
	codeCountry      = "CH033"           // a phone number without + and without a country
	codeDaysMeet     = "CH034"           // a schedule that restricts day of month and weekday
	codeCalendar     = "CH035"           // a calendar whose days are all past
	codeUneven       = "CH036"           // a schedule whose step does not divide its field
	codeAnyHour      = "CH037"           // a postponement to a time of day, at all hours
	codeSignal       = "CH038"           // a signal whose name is nearly that of another
	codeUnseen       = "CH039"           // a read on a signal in a pack that sees no messages
	codeSetGlobal    = "CH040"           // a global set in a handler
	codeForgotten    = "CH041"           // a handler that modifies a file-level variable
	codeNil          = "CH042"           // an event field that may be nil
	codeCompare      = "CH043"           // a comparison that is always true or always false
	codeUnnamed      = "CH044"           // a delayed read in a rule without a name
	codeNotRequested = "CH050"           // a function whose permission the pack does not request
	codeNotUsed      = "CH051"           // a permission that is requested but never used
	codeNoSpec       = "CH052"           // a pack without specs
	codeNotGranted   = "CH056"           // a permission that chertd.yaml does not grant
	codeVainGrant    = "CH057"           // a grant that the pack does not request
	codeNoTarget     = "CH058"           // a target of notifications that chertd.yaml lacks
	codeList         = "CH059"           // a list that chertd.yaml does not declare
	codeAllow        = "CH060"           // an unused allow comment
)

// codes lists all of them, in order.
var codes = []string{
	codeSyntax, codeLoading, codeRule, codeManifest, codeData, codeFile, codeNoRules, codeIgnored, codeGlobal, codeField, codeSetting, codeArgument,
	codeCount, codeKey, codePhase, codeColon, codeMissing, codeReadOnly, codeDead, codeNever, codeType, codeTimer, codeAnswer, codeEmpty, codeLetters,
	codeWords, codeBytes, codeCovered, codeUnused, codeSender, codeEmptyList, codeCountry, codeDaysMeet, codeCalendar, codeUneven, codeAnyHour, codeSignal, codeUnseen, codeSetGlobal,
	codeForgotten, codeNil, codeCompare, codeUnnamed, codeNotRequested, codeNotUsed, codeNoSpec, codeNotGranted, codeVainGrant, codeNoTarget, codeList, codeAllow,
}

// specCodes are the codes of findings in specs, which `chertd test` reports (package
// spec): Check does not run specs.
var specCodes = []string{"CH053", "CH054", "CH055"}
