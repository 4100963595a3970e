package dispatch_test

import (
	"fmt"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
)

// A Governor paces calls below its ceiling, and pauses all of them when Chert
// answers 429.
func ExampleGovernor() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	governor := dispatch.NewGovernor(2, 1) // two calls per second, one at a time

	permit, _ := governor.Admit(now)
	governor.Answered(now, permit, "chat-1", nil)

	_, wait := governor.Admit(now)
	fmt.Println("the next call waits", wait)

	now = now.Add(wait)
	permit, _ = governor.Admit(now)
	governor.Answered(now, permit, "chat-2", &chert.Error{
		Status: 429, Code: chert.CodeRateLimited, Message: "rate limited", Retryable: true, RetryAfter: 7 * time.Second,
	})
	fmt.Println("after a 429 all calls wait", governor.Wait(now))

	// Output:
	// the next call waits 500ms
	// after a 429 all calls wait 7s
}

// After an error about the account, all calls stop apart from one probe at a time.
func ExampleGovernor_Stopped() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	governor := dispatch.NewGovernor(0, 0) // no ceiling

	permit, _ := governor.Admit(now)
	governor.Answered(now, permit, "chat-1", &chert.Error{
		Status: 401, Code: chert.CodeBadSignature, Message: "bad signature",
	})
	fmt.Println(governor.Stopped().Message)

	now = now.Add(governor.Wait(now))
	probe, _ := governor.Admit(now)
	governor.Answered(now, probe, "chat-1", nil)
	fmt.Println("stopped:", governor.Stopped() != nil)

	// Output:
	// bad signature
	// stopped: false
}
