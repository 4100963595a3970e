package sqlite

import (
	"context"
	"errors"
	"fmt"
)

// quickCheck reads the whole database and returns the first damage.
var quickCheck = declare("PRAGMA quick_check(1)")

// check checks the files. If something else has written into the database it
// inspects that, while the store refuses senders. A damaged database ends the store.
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

// inspect reads the database as the next start would, without the caches of the
// store's connections, and returns the damage; "" if there is none.
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
