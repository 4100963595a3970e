package luabind

import (
	"errors"
	"fmt"
)

// HintOf returns the hint of an error that has one, such as the errors of
// ParseSchedule; "" for any other error.
func HintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// hintedError is an error with a hint how to write the rule.
type hintedError struct{ message, hint string }

func (e *hintedError) Error() string { return e.message }
func (e *hintedError) Hint() string  { return e.hint }

// misformed returns a hintedError.
func misformed(hint, format string, args ...any) error {
	return &hintedError{message: fmt.Sprintf(format, args...), hint: hint}
}
