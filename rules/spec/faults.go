package spec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
)

// Fault is the failure of a call. Its values are Chert's documented errors.
type Fault struct {
	Code       int // 0: no error envelope
	HTTP       int // 0: no answer
	Retryable  bool
	RetryAfter time.Duration // 0: not given
	Unknown    bool          // the call may have been carried out
	Message    string
}

// rateLimited is the code whose pause concerns every call of the credential.
const rateLimited = 1007

// Documented returns an error of Chert's by its code, with the retry_after that a World
// uses for it if Chert sends one.
func Documented(code int) (Fault, bool) {
	f, ok := documented[code]
	f.Code = code
	return f, ok
}

// noAnswer returns the fault of a call that was sent and never answered.
func noAnswer() Fault { return Fault{Unknown: true, Retryable: true, Message: "no answer came back"} }

var documented = map[int]Fault{
	1001: {HTTP: 400, Message: "a field is missing"},
	1002: {HTTP: 422, Message: "the chat has no resolvable recipient"},
	1004: {HTTP: 400, Message: "invalid JSON"},
	1007: {HTTP: 429, Retryable: true, RetryAfter: 2 * time.Second, Message: "rate limited"},
	2001: {HTTP: 404, Message: "tenant not found"},
	2002: {HTTP: 404, Message: "chat not found"},
	2003: {HTTP: 404, Message: "message not found"},
	2004: {HTTP: 401, Message: "bad signature or token"},
	2005: {HTTP: 403, Message: "tenant suspended"},
	2007: {HTTP: 403, Message: "email not verified"},
	2008: {HTTP: 402, Message: "account limit reached"},
	2010: {HTTP: 403, Message: "integration missing"},
	2011: {HTTP: 404, Message: "resource not found"},
	2012: {HTTP: 401, Message: "no credentials"},
	2013: {HTTP: 401, Message: "timestamp skew"},
	3001: {HTTP: 500, Retryable: true, Message: "internal error"},
	3002: {HTTP: 503, Retryable: true, Message: "delivery unavailable"},
	3003: {HTTP: 500, Message: "delivery service not configured"},
	3004: {HTTP: 502, Retryable: true, Message: "delivery service error"},
	4001: {HTTP: 502, Retryable: true, Message: "delivery failed"},
	4002: {HTTP: 503, Retryable: true, RetryAfter: 5 * time.Second, Message: "all lines saturated"},
	4098: {HTTP: 400, Message: "unknown effect"},
	4099: {HTTP: 501, Message: "not supported on this line"},
}

// account are the codes with which every other call would fail too, those of a wrong
// clock included. Neither the daemon nor a World drops a call because of them.
var account = map[int]bool{2001: true, 2004: true, 2005: true, 2007: true, 2008: true, 2012: true, 2013: true}

// Words returns the fault in words: "1007 rate limited".
func (f *Fault) Words() string {
	if f.Code == 0 {
		return f.Message
	}
	return fmt.Sprintf("%d %s", f.Code, f.Message)
}

// failNext is fail_next(code [, times]).
func (t *trial) failNext(u *luabind.HostCall) []lua.LValue {
	var f Fault
	switch v := u.Arg(1).(type) {
	case lua.LNumber:
		var ok bool
		if f, ok = Documented(int(v)); !ok || lua.LNumber(int(v)) != v {
			u.Raise("it is "+codeList()+`, or "timeout"`, "fail_next: Chert has no error code %s", v.String())
		}
	case lua.LString:
		if f = noAnswer(); v != "timeout" {
			u.Raise(`fail_next(4001), or fail_next("timeout")`, "fail_next: expected a code, got %s", u.Described(v))
		}
	default:
		u.Raise("fail_next(4001)", "fail_next: expected a code of Chert's, got %s", u.Described(v))
	}
	times := 1
	if v := u.Arg(2); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok || n < 1 || n > 1000 || n != lua.LNumber(int(n)) {
			u.Raise("fail_next(4001, 3)", "fail_next: the count must be a whole number from 1 to 1000, got %s", u.Described(v))
		}
		times = int(n)
	}
	for range times {
		if t.world == nil {
			t.faults = append(t.faults, f)
		} else {
			t.world.FailNext(f, 1)
		}
	}
	return nil
}

// codeList returns a list of Chert's codes for hints.
func codeList() string {
	var codes []string
	for _, c := range slices.Sorted(maps.Keys(documented)) {
		codes = append(codes, strconv.Itoa(c))
	}
	return "one of " + strings.Join(codes, ", ")
}
