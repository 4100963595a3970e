package rules

import "time"

// ScheduleID names a schedule. One that is edited is another one.
type ScheduleID struct {
	Pack  string
	Rule  string
	Every string // as the rule has it: "15m", "0 9 * * MON-FRI"
}

// ScheduleRun says how far a schedule has come.
type ScheduleRun struct {
	ScheduleID
	Done    time.Time // runs that were due until then are done; zero: nothing is to be kept
	Expires time.Time // nothing is kept from then on; zero: it does not expire
}

// ReadCount is a count of a pack's read calls, which limits.reads bounds.
type ReadCount struct {
	Pack  string
	Count int64      // its number
	Limit Rate       // that it began under; zero: not known
	Calls []ReadCall // nil in a Transition
}

// ReadCall is a read call that counts for a pack.
type ReadCall struct {
	Pack  string
	Place Place     // in the pack's ReadMeter; a later call replaces it there
	Count int64     // the number of the count it belongs to
	At    time.Time // when it began or, if that is known, ended; zero: the place is free
}
