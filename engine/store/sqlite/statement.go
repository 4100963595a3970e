package sqlite

// statement is SQL that the store runs. Connections accept nothing else, each is
// declared as a package variable, and a test checks the plan of each: one bad plan
// stops all calls once many events wait.
type statement struct {
	sql string
	// costly is why the statement may scan a table or sort rows; "": it must not.
	costly string
}

// statements are all that were declared.
var statements []*statement

// declare declares a statement whose cost does not grow with the store.
func declare(sql string) *statement {
	s := &statement{sql: sql}
	statements = append(statements, s)
	return s
}

// declareCostly declares a statement whose cost grows with a table, or which sorts;
// why is the reason that makes it harmless.
func declareCostly(why, sql string) *statement {
	s := declare(sql)
	s.costly = why
	return s
}

var (
	begin      = declare("BEGIN")
	beginWrite = declare("BEGIN IMMEDIATE")
	commit     = declare("COMMIT")
	rollback   = declare("ROLLBACK")
)
