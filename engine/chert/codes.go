package chert

import (
	"maps"
	"slices"
)

// Codes of Chert's errors. They are the one set that chertd knows: the tables of
// the simulator and of specs are tested against it. Whether a call may be
// repeated is decided by Error.Retryable, not by the code.
const (
	CodeMissingField         = 1001
	CodeInvalidValue         = 1002 // mark-read: the chat has no resolvable recipient
	CodeInvalidJSON          = 1004
	CodeRateLimited          = 1007
	CodeTenantNotFound       = 2001
	CodeChatNotFound         = 2002
	CodeMessageNotFound      = 2003
	CodeBadSignature         = 2004
	CodeSuspended            = 2005 // or not permitted
	CodeEmailNotVerified     = 2007
	CodeAccountLimit         = 2008
	CodeIntegrationMissing   = 2010
	CodeNotFound             = 2011
	CodeNoCredentials        = 2012
	CodeClockSkew            = 2013
	CodeInternal             = 3001
	CodeDeliveryUnavailable  = 3002
	CodeDeliveryUnconfigured = 3003
	CodeDeliveryError        = 3004
	CodeDeliveryFailed       = 4001
	CodeLinesSaturated       = 4002
	CodeUnknownEffect        = 4098
	CodeNotSupported         = 4099
)

// Scope is what an error is about, and so which other calls would fail as well.
type Scope string

// Scopes of errors.
const (
	ScopeRequest Scope = "request" // this one call
	ScopeChat    Scope = "chat"    // every call for the chat
	ScopeLine    Scope = "line"    // every call of this kind on the phone line
	ScopeRate    Scope = "rate"    // every call of the credential, until retry_after is over
	ScopeAccount Scope = "account" // every call of the account, until somebody fixes it
	ScopeClock   Scope = "clock"   // every signed call, until the clock is right
	ScopeService Scope = "service" // Chert itself, or the delivery behind it
)

// Documented is what Chert documents about a code.
type Documented struct {
	Status     int  // the usual HTTP status; a route may answer with another
	Retryable  bool // the usual value; the field of the answer takes precedence
	RetryAfter bool // the answer has a time to wait
	Scope      Scope
}

// documented has every code above. Source: the table of errors in the API's
// documentation, and what it says about the cause of each.
var documented = map[int]Documented{
	CodeMissingField:         {Status: 400, Scope: ScopeRequest},
	CodeInvalidValue:         {Status: 400, Scope: ScopeChat},
	CodeInvalidJSON:          {Status: 400, Scope: ScopeRequest},
	CodeRateLimited:          {Status: 429, Retryable: true, RetryAfter: true, Scope: ScopeRate},
	CodeTenantNotFound:       {Status: 404, Scope: ScopeAccount},
	CodeChatNotFound:         {Status: 404, Scope: ScopeChat},
	CodeMessageNotFound:      {Status: 404, Scope: ScopeRequest},
	CodeBadSignature:         {Status: 401, Scope: ScopeAccount},
	CodeSuspended:            {Status: 403, Scope: ScopeAccount},
	CodeEmailNotVerified:     {Status: 403, Scope: ScopeAccount},
	CodeAccountLimit:         {Status: 402, Scope: ScopeAccount},
	CodeIntegrationMissing:   {Status: 403, Scope: ScopeRequest},
	CodeNotFound:             {Status: 404, Scope: ScopeRequest},
	CodeNoCredentials:        {Status: 401, Scope: ScopeAccount},
	CodeClockSkew:            {Status: 401, Scope: ScopeClock},
	CodeInternal:             {Status: 500, Retryable: true, Scope: ScopeService},
	CodeDeliveryUnavailable:  {Status: 503, Retryable: true, Scope: ScopeService},
	CodeDeliveryUnconfigured: {Status: 500, Scope: ScopeService},
	CodeDeliveryError:        {Status: 502, Retryable: true, Scope: ScopeService},
	CodeDeliveryFailed:       {Status: 502, Retryable: true, Scope: ScopeService},
	CodeLinesSaturated:       {Status: 503, Retryable: true, RetryAfter: true, Scope: ScopeChat},
	CodeUnknownEffect:        {Status: 400, Scope: ScopeRequest},
	CodeNotSupported:         {Status: 501, Scope: ScopeLine},
}

// Codes has every code in ascending order. The tables of dispatch, of the simulator and
// of specs are tested against it. Nobody may write to it.
var Codes = slices.Sorted(maps.Keys(documented))

// LookUp returns what Chert documents about a code; ok is false for a code that
// is not in the set.
func LookUp(code int) (d Documented, ok bool) {
	d, ok = documented[code]
	return d, ok
}
