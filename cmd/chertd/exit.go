package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"chertd/engine/system"
	"chertd/luabind/diag"
)

// Exit codes; docs and service managers rely on them.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	// exitConfig is EX_CONFIG of sysexits.h: run can't start with this
	// configuration, and starting it again does not help.
	exitConfig = 78
)

// failure is an error with the exit code of the command, and perhaps a hint.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// errSilent ends a command that has already printed what is wrong.
var errSilent = errors.New("findings were printed")

// fail gives an error an exit code.
func fail(code int, err error) error {
	f := &failure{code: code, err: err}
	if had := (*failure)(nil); errors.As(err, &had) {
		f.hint = had.hint
	}
	return f
}

// hinted adds a hint to an error.
func hinted(err error, hint string) error {
	f := &failure{code: exitFailure, err: err, hint: hint}
	if had := (*failure)(nil); errors.As(err, &had) {
		f.code = had.code
	}
	return f
}

// tempHint is what to do if there can be no temporary file or folder.
const tempHint = "set " + system.TempVariable + " to a folder in which you can write, with room"

// usageError returns an error of exit code 2: the command was called incorrectly.
func usageError(format string, args ...any) error {
	return fail(exitUsage, fmt.Errorf(format, args...))
}

// report prints an error and returns the exit code. A hint may also be the last line of
// the error's text, after "hint: ". An error that is not a failure comes from the
// command line parser.
func report(stderr io.Writer, err error) int {
	f := &failure{code: exitUsage, err: err}
	errors.As(err, &f)
	if errors.Is(err, errSilent) {
		return f.code
	}
	var diags diag.List
	if errors.As(err, &diags) {
		fmt.Fprintln(stderr, diags.Error())
		fmt.Fprintf(stderr, "chertd: %s\n", tally(diags))
	} else {
		text, hint, _ := strings.Cut(err.Error(), "\nhint: ")
		fmt.Fprintf(stderr, "chertd: %s\n", diag.Visible(text))
		printHint(stderr, hint)
	}
	printHint(stderr, f.hint)
	return f.code
}

func printHint(w io.Writer, hint string) {
	if hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", strings.ReplaceAll(hint, "\n", "\n        "))
	}
}

// tally counts diagnostics in words: "2 errors, 1 warning".
func tally(diags diag.List) string {
	errs, warnings := 0, 0
	for _, d := range diags {
		if d.Severity == diag.SeverityError {
			errs++
		} else {
			warnings++
		}
	}
	return count(errs, "error") + ", " + count(warnings, "warning")
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
