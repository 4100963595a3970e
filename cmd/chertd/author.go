package main

import "os/user"

// author returns the name under which a command is recorded: that of its flag, or else the login
// name.
func author(flag string) string {
	if flag != "" {
		return flag
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}
