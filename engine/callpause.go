package engine

import (
	"context"
	"time"

	"chertd/engine/dispatch"
)

// keepTime is how long the writing of a pause may take: it is done by who has
// just made a call, and must not hold the next one up for as long as a disk hangs.
const keepTime = 5 * time.Second

// keepPause keeps a pause across restarts.
func (e *Engine) keepPause(p dispatch.Pause) {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := e.c.Store.SetCallPause(ctx, e.c.Credential, p); err != nil {
		e.c.Log.Error("the time that Chert asked to wait can't be kept: after a restart, calls may go out before it is over",
			"until", p.Until.UTC().Format(time.RFC3339), keyError, err)
	}
}

// restorePause takes up a pause of an earlier process.
func (e *Engine) restorePause(ctx context.Context) error {
	p, err := e.c.Store.CallPause(ctx, e.c.Credential)
	if err != nil {
		return err
	}
	e.gov.Restore(p)
	e.callHealth.restored(e.gov.Pause(), e.c.Now())
	return nil
}
