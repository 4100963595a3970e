package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
)

const (
	selectPacks = `SELECT pack, live, state, pending_kept, rules_deleted FROM packs ORDER BY pack`
	upsertPack  = `INSERT INTO packs AS p (pack, revision, live, state) VALUES ($1, 1, $2, $3)
		ON CONFLICT (pack) DO UPDATE SET revision = p.revision + 1, live = excluded.live, state = excluded.state`
	// Neither adds a row for an unknown pack only to set false.
	setPackPendingKept = `INSERT INTO packs AS p (pack, revision, state, pending_kept) SELECT $1::text, 1, '{}', $2::boolean
		WHERE $2 OR EXISTS (SELECT 1 FROM packs WHERE pack = $1)
		ON CONFLICT (pack) DO UPDATE SET revision = p.revision + 1, pending_kept = excluded.pending_kept`
	setRulesDeleted = `INSERT INTO packs AS p (pack, revision, state, rules_deleted) SELECT $1::text, 1, '{}', $2::boolean
		WHERE $2 OR EXISTS (SELECT 1 FROM packs WHERE pack = $1)
		ON CONFLICT (pack) DO UPDATE SET revision = p.revision + 1, rules_deleted = excluded.rules_deleted`
	deletePack = `DELETE FROM packs WHERE pack = $1`
)

// packState is the JSON of packs.state: what of live.PackState has no column. Its strings are as
// text encodes them, because JSON keeps no invalid UTF-8.
type packState struct {
	Mode               rules.Mode  `json:"mode,omitempty"`
	Why                string      `json:"why,omitempty"`
	Author             live.Author `json:"author,omitzero"`
	Until              time.Time   `json:"until,omitzero"`
	Under              live.Under  `json:"under,omitzero"`
	RuleModes          string      `json:"rule_modes,omitempty"` // JSON of live.ParseRuleModes
	Share              rules.Share `json:"share,omitempty"`
	Candidate          string      `json:"candidate,omitempty"`
	Limit              rules.Rate  `json:"limit,omitzero"`
	Pinned             string      `json:"pinned,omitempty"`
	PinnedOver         string      `json:"pinned_over,omitempty"`
	PinStays           bool        `json:"pin_stays,omitempty"`
	PinnedWithoutFiles bool        `json:"pinned_without_files,omitempty"`
	Promoted           bool        `json:"promoted,omitempty"`
	Settings           string      `json:"settings,omitempty"`
}

func packStateOf(p *store.PackState) packState {
	return packState{
		Mode: p.Mode, Why: p.Why, Author: p.Author, Until: p.Until, Under: p.Under, RuleModes: string(p.RuleModes), Share: p.Share, Candidate: p.Candidate, Limit: p.Limit,
		Pinned: p.Pinned, PinnedOver: p.PinnedOver, PinStays: p.PinStays, PinnedWithoutFiles: p.PinnedWithoutFiles, Promoted: p.Promoted, Settings: p.Settings,
	}.each(text)
}

// each returns the state with every string replaced.
func (p packState) each(f func(string) string) packState {
	for _, author := range []*live.Author{&p.Author, &p.Under.Author} {
		author.By, author.Reason = f(author.By), f(author.Reason)
	}
	for _, s := range []*string{&p.Why, &p.Under.Why, &p.Under.Candidate, &p.RuleModes, &p.Candidate, &p.Pinned, &p.PinnedOver, &p.Settings} {
		*s = f(*s)
	}
	p.Mode, p.Under.Mode = rules.Mode(f(string(p.Mode))), rules.Mode(f(string(p.Under.Mode)))
	return p
}

// PackStates implements store.Packs.
func (s *Store) PackStates(ctx context.Context) ([]store.PackState, error) {
	return selectRows(ctx, s, "read the states of packs", readPackState, selectPacks)
}

func readPackState(row pgx.CollectableRow) (p store.PackState, err error) {
	var version *string
	var state []byte
	if err = row.Scan(&p.Pack, &version, &state, &p.PendingKept, &p.RulesDeleted); err != nil {
		return p, err
	}
	p.Pack, p.Live = untext(p.Pack), stringOf(version)
	var j packState
	if err = json.Unmarshal(state, &j); err == nil {
		j = j.each(untext)
		p.RuleModes, err = live.ParseRuleModes(j.RuleModes)
	}
	if err != nil {
		return p, fmt.Errorf("pack %q: what commands set of it can't be read: %w", p.Pack, err)
	}
	p.Mode, p.Why, p.Author, p.Until, p.Under, p.Share, p.Candidate, p.Limit = j.Mode, j.Why, j.Author, j.Until, j.Under, j.Share, j.Candidate, j.Limit
	p.Pinned, p.PinnedOver, p.PinStays, p.PinnedWithoutFiles, p.Promoted, p.Settings = j.Pinned, j.PinnedOver, j.PinStays, j.PinnedWithoutFiles, j.Promoted, j.Settings
	return p, nil
}

// SetPackState implements store.Packs.
func (s *Store) SetPackState(ctx context.Context, p store.PackState) error {
	doing := "store the state of pack " + p.Pack
	state, err := json.Marshal(packStateOf(&p))
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	pack, stay := text(p.Pack), texts([]string{p.Live, p.Pinned, p.Candidate})
	return s.write(ctx, doing, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(upsertPack, pack, optional(p.Live), string(state))
		b.Queue(pruneVersions, pack, stay, store.KeptVersions)
		b.Queue(pruneVersionFiles, pack)
		b.Queue(pruneCompared, pack)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// ForgetPack implements store.Packs.
func (s *Store) ForgetPack(ctx context.Context, pack string) error {
	_, err := s.change(ctx, "forget pack "+pack, deletePack, text(pack))
	return err
}

// SetRulesDeleted implements store.Packs.
func (s *Store) SetRulesDeleted(ctx context.Context, pack string, deleted bool) error {
	_, err := s.change(ctx, "store the deleted rules of pack "+pack, setRulesDeleted, text(pack), deleted)
	return err
}
