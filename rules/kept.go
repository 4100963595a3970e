package rules

import "time"

// ScheduleID identifies a schedule (chert.every). An edited schedule is another one.
type ScheduleID struct {
	Pack  string
	Rule  string
	Every string // as the rule has it: "15m", "0 9 * * MON-FRI"
}

// ScheduleRun is the progress of a schedule.
type ScheduleRun struct {
	ScheduleID
	Done    time.Time // runs that were due until then are done; zero: the schedule is forgotten
	Expires time.Time // when it is forgotten; zero: never
}

// ReadCount is a count of a pack's read calls, which limits.reads bounds. Counts
// are numbered: a new one starts when the limit is raised and when an operator
// makes the pack live again.
type ReadCount struct {
	Pack  string
	Count int64      // its number
	Limit Rate       // when it started; zero: not known
	Calls []ReadCall // that a store has; it keeps them one by one
}

// ReadCall is a read call that counts towards a pack's limits.reads.
type ReadCall struct {
	Pack  string
	Place Place     // in the pack's ReadMeter; a later call replaces it there
	Count int64     // the number of the count it belongs to
	At    time.Time // when it began or, if that is known, ended; zero: the place is free
}
