package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	moderncsqlite "modernc.org/sqlite"
)

// conn is one connection with its prepared statements, used by one goroutine
// at a time. It calls the driver without database/sql: that pool's locks,
// conversions and per-call statements cost more than the statements themselves, and
// the store decides itself which goroutine may use which connection.
type conn struct {
	c     driver.Conn
	stmts map[*statement]*stmt
	// faults, if not nil, is set by a test.
	faults faults
}

// faults are errors that a test injects: before may fail a statement, which is not
// run then; after may change the error of a statement that ran.
type faults interface {
	before(*statement) error
	after(*statement, error) error
}

// stmt is a prepared statement with room for its arguments.
type stmt struct {
	s interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	args []driver.NamedValue
}

// connect opens the database at an absolute path. settings are PRAGMAs.
func connect(ctx context.Context, path, mode string, settings ...string) (*conn, error) {
	return connectURI(ctx, uri(path, url.Values{"mode": {mode}}, settings...))
}

// uri returns the URI of a database at an absolute path, with parameters as in
// https://sqlite.org/uri.html. settings are PRAGMAs.
func uri(path string, parameters url.Values, settings ...string) string {
	parameters.Set("_error_rc", "1")
	parameters.Set("_dqs", "0")
	for _, s := range settings {
		parameters.Add("_pragma", s)
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/Users is file:///C:/Users
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	return u.String()
}

func connectURI(ctx context.Context, uri string) (*conn, error) {
	connector, err := moderncsqlite.NewConnector(uri)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, stmts: map[*statement]*stmt{}}, nil
}

func (c *conn) prepare(what *statement) (*stmt, error) {
	if s := c.stmts[what]; s != nil {
		return s, nil
	}
	p, err := c.c.Prepare(what.sql)
	if err != nil {
		return nil, fmt.Errorf("%w in: %s", err, what.sql)
	}
	s := &stmt{}
	var ok bool
	if s.s, ok = p.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		p.Close()
		return nil, fmt.Errorf("the sqlite driver's statements are %T, which can't be run with a context", p)
	}
	c.stmts[what] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(what *statement, args ...driver.Value) (int64, error) {
	s, err := c.prepare(what)
	if err != nil {
		return 0, err
	}
	if c.faults != nil {
		if err := c.faults.before(what); err != nil {
			return 0, err
		}
	}
	res, err := s.s.ExecContext(context.Background(), s.bind(args))
	if c.faults != nil {
		err = c.faults.after(what, err)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// script runs SQL of several statements once.
func (c *conn) script(sql string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	return err
}

// query calls each for every row. It reuses the row's slice for the next row; the
// caller may keep the strings and bytes in it. The end of ctx interrupts it.
func (c *conn) query(ctx context.Context, what *statement, each func(row []driver.Value) error, args ...driver.Value) (err error) {
	s, err := c.prepare(what)
	if err != nil {
		return err
	}
	if c.faults != nil {
		if err := c.faults.before(what); err != nil {
			return err
		}
	}
	rows, err := s.s.QueryContext(ctx, s.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// one returns the first column of the first row; nil if there is none.
func (c *conn) one(ctx context.Context, what *statement, args ...driver.Value) (v driver.Value, err error) {
	err = c.query(ctx, what, func(row []driver.Value) error {
		v = row[0]
		return nil
	}, args...)
	return v, err
}

// list runs a query and returns of's result for each row.
func list[T any](ctx context.Context, c *conn, what *statement, of func(row []driver.Value) (T, error), args ...driver.Value) (all []T, err error) {
	err = c.query(ctx, what, func(row []driver.Value) error {
		one, err := of(row)
		all = append(all, one)
		return err
	}, args...)
	return all, err
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

func (s *stmt) bind(args []driver.Value) []driver.NamedValue {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.args
}
