package luabind

import (
	"errors"
	"fmt"
)

// FormError is what is wrong with a text that a rule has written, and how to
// write it.
type FormError struct{ Message, Hint string }

func (e *FormError) Error() string { return e.Message }

// HintOf is the hint of the FormError in an error; "" if it has none.
func HintOf(err error) string {
	var e *FormError
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// misformed is a FormError.
func misformed(hint, format string, args ...any) error {
	return &FormError{Message: fmt.Sprintf(format, args...), Hint: hint}
}
