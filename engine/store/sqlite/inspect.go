package sqlite

import (
	"context"
	"errors"
	"fmt"
)

// quickCheck reads the whole database, and says what is wrong with it first.
var quickCheck = declare("PRAGMA quick_check(1)")

// check checks the files. If something has written into the database, it waits
// for the verdict of an inspection; the store refuses senders meanwhile. A
// database that is damaged ends the store.
func (w *writer) check() error {
	err := w.files.check()
	var touched *touchedError
	if !errors.As(err, &touched) {
		return err
	}
	w.health.inspects.Store(&err)
	defer w.health.inspects.Store(nil)
	w.health.wrote(err)
	found, err := w.inspect()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", touched, err)
	case found != "":
		err := &LostError{touched.Path, "something other than SQLite wrote into it, and damaged it: " + found}
		w.health.end(err)
		return err
	}
	w.files.accept(touched)
	w.health.wrote(nil)
	return w.files.check()
}

// inspect reads the database as the next start would, without what the store's
// connections remember of it, and returns what is wrong with it; "": nothing.
func (w *writer) inspect() (found string, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	defer func() { <-ended }()
	defer cancel()
	go func() {
		defer close(ended)
		select {
		case <-w.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := connect(ctx, w.files.path, "ro", busyTimeout, "query_only(1)", readerCache)
	if err == nil {
		defer c.close()
		var v any
		v, err = c.one(ctx, quickCheck)
		if s, _ := v.(string); err == nil && s != "ok" {
			return s, nil
		}
	}
	if damaged(err) {
		return err.Error(), nil
	}
	return "", err
}
