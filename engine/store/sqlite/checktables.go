package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// tableCheck is a rule that the rows of tables must keep.
type tableCheck struct {
	rows  *statement // those that break it, each as a string
	where string
	what  string // is wrong with them, and what follows
	fix   string
}

const (
	// fixRestore is what helps where what is kept is wrong.
	fixRestore = "restore a backup (chertd store restore BACKUP); if there is none, chertd still runs, and what is listed may be wrong or missing"
	fixFollows = "nothing that was acknowledged is lost: chertd runs. Restore a backup (chertd store restore BACKUP) if it matters, and report it with this output"
)

// tableChecks are what can be asked in SQL.
var tableChecks = []tableCheck{
	{
		onlyChecked(`SELECT name FROM (SELECT 'table daemon' AS name WHERE NOT EXISTS (SELECT 1 FROM daemon)
			UNION ALL SELECT 'table counts' WHERE NOT EXISTS (SELECT 1 FROM counts))`),
		inTables, "the row of a table is missing, so that a pause of all calls is forgotten, or what chertd status counts is wrong", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || d.seq FROM decisions d WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = d.seq)`),
		"events", "events that were handled are not in the journal", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || p.seq FROM pending p WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = p.seq)`),
		"pending", "events that wait to be handled are not in the journal", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || p.seq FROM pending p WHERE EXISTS (SELECT 1 FROM decisions d WHERE d.seq = p.seq)`),
		"pending", "events that are handled wait to be handled, and may be handled twice", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || e.seq FROM events e WHERE e.seq <= (SELECT late_seq FROM daemon)
			AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = e.seq) AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.seq = e.seq)`),
		"events", "events were neither handled nor wait to be", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || p.seq FROM pending p JOIN events e ON e.seq = p.seq WHERE p.slot <> e.slot`),
		"pending", "events wait in another shard than that of their chat, and may be handled in a wrong order", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || e.seq FROM events e WHERE e.seq <= (SELECT late_seq FROM daemon)
			AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.id = e.id AND s.seq = e.seq)`),
		"seen", "ids of events are not known, so that they would be handled again if they came again", fixRestore,
	},
	{
		// Rows of a group that is being written are in seen before late_seq has their events.
		onlyChecked(`SELECT 'event ' || e.seq FROM events e WHERE e.seq > (SELECT late_seq FROM daemon)
			AND EXISTS (SELECT 1 FROM seen s WHERE s.id = e.id AND s.seq <> e.seq)`),
		"seen", "events are in the journal twice", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || late_seq FROM daemon WHERE late_seq > max(last_seq, (SELECT ifnull(max(seq), 0) FROM events))`),
		"daemon", "late_seq is beyond the journal, so that new events would not be handled", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || t.event_seq || ', timer ' || json_quote(t.name) FROM timers t WHERE NOT json_valid(ifnull(t.payload, '0'))`),
		"timers", "payloads of timers are not JSON", fixRestore,
	},
	{
		onlyChecked(`SELECT 'pack ' || json_quote(pack) || ', chat ' || json_quote(chat_id) FROM states WHERE NOT json_valid(value)`),
		"states", "what packs keep of chats is not JSON", fixRestore,
	},
	{
		onlyChecked(`SELECT 'pack ' || json_quote(pack) || ', key ' || json_quote(key) FROM kv WHERE value IS NOT NULL AND NOT json_valid(value)`),
		"kv", "values are not JSON", fixRestore,
	},
	{
		onlyChecked(`SELECT 'pack ' || json_quote(pack) FROM (
			SELECT pack, sum(octet_length(key) + octet_length(value)) AS bytes FROM kv WHERE value IS NOT NULL GROUP BY pack
			UNION ALL SELECT pack, -bytes FROM kv_usage) GROUP BY pack HAVING sum(bytes) <> 0`),
		"kv_usage", "the size of a pack's kv is counted wrong, so that its quota ends too early or too late", fixFollows,
	},
	{
		onlyChecked(`SELECT 'pack ' || json_quote(p.pack) || ', version ' || json_quote(p.live) FROM packs p WHERE p.live IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM pack_versions v WHERE v.pack = p.pack AND v.version = p.live)`),
		"packs", "the live version of packs is not kept, so that a start with broken files can't continue with it", "let the pack load: fix its files, then run chertd reload",
	},
	{
		onlyChecked(`SELECT 'pack ' || json_quote(pack) FROM packs WHERE NOT json_valid(ifnull(mode_under, '{}')) OR NOT json_valid(ifnull(rule_modes, '[]'))`),
		"packs", "what commands set of packs is not JSON, so that chertd does not start", fixRestore,
	},
	{
		onlyChecked(`SELECT 'event ' || m.seq || ', pack ' || json_quote(m.pack) FROM missed m WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = m.seq)`),
		"missed", "events that packs have missed are not in the journal", fixRestore,
	},
	{
		onlyChecked(`SELECT 'list ' || json_quote(list) FROM (SELECT DISTINCT list FROM list_members) WHERE list NOT IN (SELECT name FROM lists)`),
		"list_members", "members are on a list that does not exist: rules do not see them", "add them again: chertd list NAME add MEMBER",
	},
	{
		onlyChecked(`SELECT 'list ' || json_quote(l.name) FROM lists l
			WHERE EXISTS (SELECT 1 FROM list_changes c WHERE c.list = l.name AND c.version > l.version)`),
		"lists", "the version of lists is older than their changes, so that decisions name a wrong one", fixFollows,
	},
	{
		onlyChecked(`SELECT 'hold ' || id FROM selection_holds
			WHERE max(began_seq, through_seq) > (SELECT max(last_seq, 1, ifnull((SELECT max(seq) FROM events), 0)) FROM daemon)`),
		"selection_holds", "holds of selections began or ended after the end of the journal, so that reads of events to come are dropped", "release them: chertd hold --list shows them, chertd release --id ID ends one; " + fixRestore,
	},
}

// table checks a rule of tableChecks.
func (k *checking) table(ctx context.Context, t *tableCheck) error {
	var f flaws
	err := k.query(ctx, t.rows, func(row []driver.Value) error {
		f.add("%s", stringOf(row[0]))
		return nil
	})
	k.found(&f, t.where, t.what, t.fix)
	if err != nil {
		return fmt.Errorf("check the table %s: %w", t.where, err)
	}
	return nil
}
