-- Schema, version 10. What chertd keeps for itself has tables and columns of its
-- own. It was in kv under the pack "", in flags under composed names, in meta, and
-- in the rows of a pack ".chertignore".

CREATE TABLE daemon (
  -- What chertd keeps about itself and this file. There is one row.
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  last_seq     INTEGER NOT NULL DEFAULT 0, -- highest seq that an event was ever given: none is given twice
  paused       INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)), -- 1: "chertd pause" stopped all calls
  clock_offset INTEGER NOT NULL DEFAULT 0, -- microseconds that the local clock is behind Chert's
  opened_at    INTEGER,                    -- when chertd last opened this file
  probed_at    INTEGER                     -- when chertd last tried to write after a failure
) STRICT;
INSERT INTO daemon SELECT 1,
  coalesce((SELECT value FROM meta WHERE key = 'last_seq'), 0),
  coalesce((SELECT is_set <> 0 FROM flags WHERE name = 'paused'), 0),
  coalesce((SELECT value FROM meta WHERE key = 'clock_offset'), 0),
  (SELECT value FROM meta WHERE key = 'opened_at'),
  (SELECT value FROM meta WHERE key = 'probed_at');
DROP TABLE meta;

ALTER TABLE counts RENAME TO old_counts;
CREATE TABLE counts (
  -- How many rows there are. There is one row; each transaction that adds or
  -- removes rows updates it, so that nobody has to count millions.
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  transactions    INTEGER NOT NULL, -- that were committed so far
  events          INTEGER NOT NULL,
  pending         INTEGER NOT NULL,
  quarantine      INTEGER NOT NULL,
  chats           INTEGER NOT NULL,
  actions_waiting INTEGER NOT NULL, -- actions with this status, and so on
  actions_sent    INTEGER NOT NULL,
  actions_done    INTEGER NOT NULL,
  actions_dropped INTEGER NOT NULL,
  actions_blocked INTEGER NOT NULL,
  actions_dead    INTEGER NOT NULL,
  actions_shadow  INTEGER NOT NULL
) STRICT;
INSERT INTO counts SELECT 1, total(n) FILTER (WHERE name = 'transactions'), total(n) FILTER (WHERE name = 'events'),
  total(n) FILTER (WHERE name = 'pending'), total(n) FILTER (WHERE name = 'quarantine'), total(n) FILTER (WHERE name = 'chats'),
  total(n) FILTER (WHERE name = 'actions.waiting'), total(n) FILTER (WHERE name = 'actions.sent'), total(n) FILTER (WHERE name = 'actions.done'),
  total(n) FILTER (WHERE name = 'actions.dropped'), total(n) FILTER (WHERE name = 'actions.blocked'), total(n) FILTER (WHERE name = 'actions.dead'),
  total(n) FILTER (WHERE name = 'actions.shadow') FROM old_counts;
DROP TABLE old_counts;

CREATE TABLE ignore_file (
  -- .chertignore as chertd last read it in full. There is one row, or none where
  -- the rules directory has no such file.
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  content BLOB NOT NULL
) STRICT;
INSERT INTO ignore_file SELECT 1, f.bytes FROM packs p JOIN pack_files f ON f.pack = p.pack AND f.version = p.live
  WHERE p.pack = '.chertignore' LIMIT 1;
DELETE FROM pack_files WHERE pack = '.chertignore';

ALTER TABLE packs RENAME TO old_packs;
CREATE TABLE packs (
  -- What chertd remembers about each rule pack besides its versions.
  pack                 TEXT PRIMARY KEY,
  live                 TEXT, -- version that is live, or was when chertd last ran; NULL: none ever was
  mode                 TEXT CHECK (mode IN ('live', 'shadow', 'off')), -- as "chertd mode" or chertd itself set it; NULL: as the files say
  why                  TEXT, -- why chertd set the mode itself; NULL: an operator set it
  reached_reads        INTEGER, -- the limit that the pack had reached, if that is why: number of calls
  reached_per          INTEGER, -- and microseconds in which they were counted
  pinned               TEXT, -- version that a rollback made live; NULL: none
  pinned_over          TEXT, -- hash of the pack's files at the rollback: other files end it; NULL: see the next two columns
  pin_stays            INTEGER NOT NULL DEFAULT 0 CHECK (pin_stays IN (0, 1)), -- 1: no edit ends the rollback (rollback --pin)
  pinned_without_files INTEGER NOT NULL DEFAULT 0 CHECK (pinned_without_files IN (0, 1)), -- 1: the pack had no files at the rollback
  settings             TEXT, -- JSON: what chertd.yaml last set that fits the live version; NULL: not known
  pending_kept         INTEGER NOT NULL DEFAULT 0 CHECK (pending_kept IN (0, 1)), -- 1: it is not live, and its pending reads and timers stay (--keep-pending)
  rules_deleted        INTEGER NOT NULL DEFAULT 0 CHECK (rules_deleted IN (0, 1)) -- 1: pending reads of rules that were deleted from it are still to be dropped
) STRICT, WITHOUT ROWID;
INSERT INTO packs
  -- The limit stood in the words of "why": more than 300 reads in 10m, or in 1h30m0s.
  WITH days (pack, reads, per, d, rest) AS (
    SELECT pack, CAST(substr(why, 11) AS INTEGER), per, iif(instr(per, 'd') > 0, CAST(per AS INTEGER), 0), substr(per, instr(per, 'd') + 1)
    FROM (SELECT pack, why, substr(why, instr(why, ' reads in ') + 10) per FROM old_packs WHERE why GLOB 'more than [0-9]* reads in [0-9]*[0-9][smhd]' OR why GLOB 'more than [0-9]* reads in [0-9][smhd]')),
  hours (pack, reads, h, rest) AS (
    SELECT pack, reads, d * 24 + iif(instr(rest, 'h') > 0, CAST(rest AS INTEGER), 0), substr(rest, instr(rest, 'h') + 1) FROM days),
  minutes (pack, reads, m, rest) AS (
    SELECT pack, reads, h * 60 + iif(instr(rest, 'm') > 0, CAST(rest AS INTEGER), 0), substr(rest, instr(rest, 'm') + 1) FROM hours),
  reached (pack, reads, per) AS (
    SELECT pack, reads, m * 60000000 + CAST(round(CAST(rest AS REAL) * 1000000) AS INTEGER) FROM minutes)
  SELECT pack, live, mode, why, reached.reads, reached.per, pinned, CASE WHEN pinned_over NOT IN ('none', 'none, kept') THEN pinned_over END,
  pinned IS NOT NULL AND coalesce(pinned_over, 'none, kept') = 'none, kept',
  pinned IS NOT NULL AND coalesce(pinned_over, '') IN ('none', 'none, kept'),
  settings,
  coalesce((SELECT is_set <> 0 FROM flags WHERE name = 'pending kept/' || pack), 0),
  coalesce((SELECT is_set <> 0 FROM flags WHERE name = 'rules gone/' || pack), 0)
  FROM old_packs LEFT JOIN reached USING (pack) WHERE pack <> '.chertignore';
DROP TABLE old_packs;

ALTER TABLE pack_versions RENAME TO old_pack_versions;
CREATE TABLE pack_versions (
  -- Versions of packs that were live, the last ones of each pack. Rows stay
  -- small, because the counts of the live ones change all the time.
  pack           TEXT NOT NULL,
  version        TEXT NOT NULL,    -- hash of its files
  path           TEXT,             -- of its file or folder
  since_at       INTEGER,          -- when it was first live
  last_at        INTEGER,          -- when it was last made live
  events         INTEGER NOT NULL, -- that its rules ran on
  failures       INTEGER NOT NULL, -- events of these on which a rule of it failed or was suspended
  rolled_back_at INTEGER,          -- NULL: never, or it has been live since
  pending_kept   INTEGER NOT NULL DEFAULT 0 CHECK (pending_kept IN (0, 1)), -- 1: it was rolled back, and its pending reads and timers stay (--keep-pending)
  PRIMARY KEY (pack, version)
) STRICT, WITHOUT ROWID;
INSERT INTO pack_versions SELECT pack, version, path, since_at, last_at, events, failures, rolled_back_at,
  coalesce((SELECT is_set <> 0 FROM flags WHERE name = 'pending kept/' || pack || '/' || version), 0)
  FROM old_pack_versions WHERE pack <> '.chertignore';
DROP TABLE old_pack_versions;
DROP TABLE flags;

CREATE TABLE schedules (
  -- Progress of each schedule (chert.every). An edited schedule is another one.
  pack       TEXT NOT NULL,
  rule       TEXT NOT NULL,
  every      TEXT NOT NULL,    -- as the rule has it: 15m, 0 9 * * MON-FRI
  done_until INTEGER NOT NULL, -- runs that were due until then are journaled, or skipped as the rule says
  expires_at INTEGER,          -- when the schedule is forgotten; NULL: never
  PRIMARY KEY (pack, rule, every)
) STRICT, WITHOUT ROWID;
-- The key was schedule/PACK/RULE/EVERY, and a rule's name and a cron expression may
-- have slashes, too. Of several possible readings all are kept: only the right one
-- is ever looked up.
INSERT OR IGNORE INTO schedules
  WITH RECURSIVE old (pack, rest, at, expires_at) AS (
    SELECT substr(key, 10, instr(substr(key, 10), '/') - 1), substr(key, 10 + instr(substr(key, 10), '/')), value ->> '$', expires_at
    FROM kv WHERE pack = '' AND key GLOB 'schedule/*/*/*' AND value IS NOT NULL),
  split (pack, rule, every, at, expires_at) AS (
    SELECT pack, substr(rest, 1, instr(rest, '/') - 1), substr(rest, instr(rest, '/') + 1), at, expires_at FROM old
    UNION ALL
    SELECT pack, rule || '/' || substr(every, 1, instr(every, '/') - 1), substr(every, instr(every, '/') + 1), at, expires_at
    FROM split WHERE instr(every, '/') > 0)
  SELECT pack, rule, every,
    unixepoch(substr(at, 1, 19)) * 1000000 + CAST(substr(rtrim(substr(at, 21), 'Z') || '000000', 1, 6) AS INTEGER), expires_at
  FROM split WHERE unixepoch(substr(at, 1, 19)) IS NOT NULL
    AND iif(instr(every, ' ') > 0, length(every) - length(replace(every, ' ', '')) >= 4 AND rule NOT GLOB '*/[*]', every <> '' AND instr(every, '/') = 0);

CREATE TABLE read_counts (
  -- The current count of each pack's read calls (limits.reads). A new one starts
  -- when the limit is raised and when an operator makes the pack live again.
  pack  TEXT PRIMARY KEY,
  count INTEGER NOT NULL, -- its number
  reads INTEGER,          -- the limit when it started: number of calls; NULL: not known
  per   INTEGER           -- and microseconds in which they are counted; NULL: not known
) STRICT, WITHOUT ROWID;
CREATE TABLE read_calls (
  -- Calls that count towards limits.reads of a pack, each in a numbered place. A
  -- place is used again once its call no longer counts.
  pack  TEXT NOT NULL,
  place INTEGER NOT NULL CHECK (place >= 0),
  count INTEGER NOT NULL, -- the number of its count: the current one, or an earlier one
  at    INTEGER NOT NULL, -- when the call began or, if that is known, ended
  PRIMARY KEY (pack, place)
) STRICT, WITHOUT ROWID;
INSERT INTO read_counts
  WITH old (pack, count, reads, per) AS (
    SELECT substr(key, 7), value ->> 'count', value ->> 'n', value ->> 'per'
    FROM kv WHERE pack = '' AND key GLOB 'reads/*' AND key NOT GLOB 'reads/*/*' AND value IS NOT NULL),
  -- Go writes a duration as 1h30m0s, 10m0s or 1.5s; below a second the unit is another.
  hours (pack, count, reads, per, h, rest) AS (
    SELECT pack, count, reads, per, iif(instr(per, 'h') > 0, CAST(per AS INTEGER), 0), substr(per, instr(per, 'h') + 1) FROM old),
  minutes (pack, count, reads, per, h, m, rest) AS (
    SELECT pack, count, reads, per, h, iif(instr(rest, 'm') > 0, CAST(rest AS INTEGER), 0), substr(rest, instr(rest, 'm') + 1) FROM hours)
  SELECT pack, count, reads, iif(per GLOB '*[0-9]s', (h * 60 + m) * 60000000 + CAST(round(CAST(rest AS REAL) * 1000000) AS INTEGER), NULL) FROM minutes;
INSERT INTO read_calls
  SELECT substr(key, 7, instr(substr(key, 7), '/') - 1), CAST(substr(key, 7 + instr(substr(key, 7), '/')) AS INTEGER), value ->> 'count',
    unixepoch(substr(value ->> 'at', 1, 19)) * 1000000 + CAST(substr(rtrim(substr(value ->> 'at', 21), 'Z') || '000000', 1, 6) AS INTEGER)
  FROM kv WHERE pack = '' AND key GLOB 'reads/*/[0-9]*' AND value IS NOT NULL AND unixepoch(substr(value ->> 'at', 1, 19)) IS NOT NULL;
DELETE FROM kv WHERE pack = '';
DELETE FROM kv_usage WHERE pack = '';

-- A request that is forwarded to another chat was called a wish.
UPDATE events SET
  type = iif(type = 'wish', 'request', type),
  forward = json_remove(json_set(forward, '$.request', forward -> '$.wish'), '$.wish')
WHERE forward IS NOT NULL AND forward -> '$.wish' IS NOT NULL;
