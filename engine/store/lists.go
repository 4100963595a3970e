package store

import (
	"context"
	"time"

	"chertd/rules"
)

// Lists keeps the lists that operators change, and who has changed them. Their members are
// as handle.Member returns them. Times are kept to the microsecond.
type Lists interface {
	// Lists returns all lists that ever had a member, by name.
	Lists(ctx context.Context) ([]*rules.List, error)
	// ListMembers returns members in the order of their names, those included whose time is
	// over.
	ListMembers(ctx context.Context, q MemberQuery) ([]ListMember, error)
	// ChangeList makes a change durable. If ctx ends before it is being written, nothing is
	// kept; after that, ChangeList waits for the result.
	ChangeList(ctx context.Context, c ListChange) error
	// ListHistory returns what has changed in a list, the newest version first, and within
	// it the members in descending order: at most limit.
	ListHistory(ctx context.Context, list string, limit int) ([]ListChanged, error)
	// PruneListHistory removes changes that were made before a time, the oldest of each
	// list first: at most limit of each. It returns how many.
	PruneListHistory(ctx context.Context, before time.Time, limit int) (int, error)
	// ListMentions counts the rows that EraseListMember would remove.
	ListMentions(ctx context.Context, member string) (int, error)
	// EraseListMember removes a member from all lists and from their history. Each list that
	// it was on gets the next version. It returns how many rows it has removed.
	EraseListMember(ctx context.Context, member string, at time.Time) (int, error)
}

// MemberQuery chooses members of a list.
type MemberQuery struct {
	List   string
	Member string // only this one; "": all
	After  string // only those that come after this one
	Limit  int
}

// ListMember is a member of a list.
type ListMember struct {
	Member  string
	AddedAt time.Time
	By      string // the operator who added it
	Reason  string
	Until   time.Time // zero: always
}

// ListAction is what became of a member.
type ListAction string

// What becomes of members.
const (
	MemberAdded   ListAction = "added"
	MemberRemoved ListAction = "removed"
	MemberExpired ListAction = "expired" // its time was over
)

// ListChange is a change of one list.
type ListChange struct {
	List    string
	Version int64 // that it makes
	At      time.Time
	By      string
	Set     []MemberSet // added, or replaced
	Remove  []string
	// RemovedAs is what becomes of those in Remove: MemberRemoved or MemberExpired.
	RemovedAs ListAction
	Reason    string // of the removals
}

// MemberSet is a member that a change adds or replaces.
type MemberSet struct {
	Member string
	Reason string
	Until  time.Time // zero: always
}

// ListChanged is what a change did to one member.
type ListChanged struct {
	Version int64
	Member  string
	At      time.Time
	By      string
	Action  ListAction
	Reason  string
	Until   time.Time // of an added member; zero: always
}
