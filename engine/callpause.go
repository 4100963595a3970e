package engine

import (
	"context"
	"time"

	"chertd/engine/dispatch"
	"chertd/luabind/diag"
)

// keepTime bounds how long it takes to store a pause or a clock offset. The goroutine
// that made a call does it, and a disk that hangs must not delay the next call.
const keepTime = 5 * time.Second

// keepPause stores a pause, so that it outlives a restart.
func (e *Engine) keepPause(p dispatch.Pause) {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := e.c.Store.SetCallPause(ctx, e.c.Credential, p); err != nil {
		e.c.Log.Error("could not store the pause of calls: after a restart, calls may go out before it ends",
			"until", p.Until.UTC().Format(time.RFC3339), keyError, err, "hint", diag.StoreHint)
	}
}

// restorePause continues a pause of an earlier process.
func (e *Engine) restorePause(ctx context.Context) error {
	p, err := e.c.Store.CallPause(ctx, e.c.Credential)
	if err != nil {
		return err
	}
	e.gov.Restore(p)
	e.callHealth.restored(e.gov.Pause(), e.c.Now())
	return nil
}
