package rules

import "strings"

// Role is how a rule runs on an event. What a pack remembers, its cooldowns and the counts of
// its rules are separate for each role, so that one does not change what another one does.
type Role uint8

const (
	RoleLive      Role = iota // its requests are carried out
	RoleShadow                // its pack is in shadow or not live in the chat, or the rule is in shadow
	RoleCandidate             // its version runs in shadow beside the live one
)

// Roles are all roles.
var Roles = []Role{RoleLive, RoleShadow, RoleCandidate}

// roleMarks follow the name of a pack where something of it is kept for a role. Stores have
// them in their keys. No pack can be called so.
var roleMarks = [...]string{RoleLive: "", RoleShadow: " (shadow)", RoleCandidate: " (candidate)"}

// RoleOf returns the role of a rule that runs in shadow or not, of a candidate in shadow or not.
func RoleOf(shadow, candidate bool) Role {
	switch {
	case candidate:
		return RoleCandidate
	case shadow:
		return RoleShadow
	}
	return RoleLive
}

// Key returns the name under which something of a pack is kept for the role.
func (r Role) Key(pack string) string { return pack + roleMarks[r] }

// ParseRoleKey reads what Role.Key returned.
func ParseRoleKey(key string) (pack string, r Role) {
	for _, r := range Roles[1:] {
		if pack, ok := strings.CutSuffix(key, roleMarks[r]); ok {
			return pack, r
		}
	}
	return key, RoleLive
}
