package engine

import (
	"context"

	"chertd/engine/metrics"
	"chertd/engine/store/sqlite"
)

// Extra implements metrics.Source.
func (m *manager) Extra(ctx context.Context) metrics.Extra {
	readings := m.gens.Readings()
	extra := metrics.Extra{
		DiskFree: -1, Reloads: readings.Live, FailedReloads: readings.NotLive, LastReload: readings.Last,
		StoreFails: m.failing() != nil, ReloadTook: readings.Took, RulesUnread: readings.Unread,
		Kept: map[string]int64{},
	}
	if m.traces != nil {
		counts := m.traces.Counts()
		extra.Traces = &counts
	}
	if m.settingsInUse != nil {
		if s, err := m.settingsInUse(ctx); err == nil {
			extra.Settings = &s
		}
	}
	if m.storePath != "" {
		extra.DiskFree = sqlite.FreeSpace(m.storePath)
	}
	if set := m.eng.Rules(); set != nil {
		for _, p := range set.Packs() {
			extra.Kept[p.Name] = p.KeptMemory()
		}
	}
	if through := m.eng.handledThrough(); through < m.store.LastSeq() {
		reading, cancel := withStoreTimeout(ctx)
		defer cancel()
		if oldest, ok, err := m.store.EventBySeq(reading, through+1); err == nil && ok && oldest.Decision == nil {
			extra.OldestPending = oldest.Received
		}
	}
	return extra
}
