package main

import (
	"cmp"
	"os/user"
)

// author returns the name under which a change is recorded: that of a flag, or else the
// login name.
func author(flag string) string {
	if u, err := user.Current(); err == nil {
		return cmp.Or(flag, u.Username, "operator")
	}
	return cmp.Or(flag, "operator")
}
