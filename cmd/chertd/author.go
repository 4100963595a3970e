package main

import (
	"cmp"
	"os/user"
)

// author returns the name under which a command is recorded: that of the flag --by, or the
// login name.
func author(flag string) string {
	if flag != "" {
		return flag
	}
	u, err := user.Current()
	if err != nil {
		return "operator"
	}
	return cmp.Or(u.Username, "operator")
}
