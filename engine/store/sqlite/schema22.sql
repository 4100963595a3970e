-- Schema, version 22: what rules did, over all versions of their packs.

ALTER TABLE daemon ADD COLUMN rules_since INTEGER /* from when rule_totals counts, in microseconds */;
ALTER TABLE daemon ADD COLUMN rules_after INTEGER NOT NULL DEFAULT 0 /* rule_totals counts events with a higher sequence */;
UPDATE daemon SET rules_after = max(last_seq, (SELECT ifnull(max(seq), 0) FROM events));

ALTER TABLE counts ADD COLUMN rules_late TEXT /* JSON of what is not in rule_totals and rule_vetoes yet */;

CREATE TABLE rule_totals (
  -- Counts of rules by name. Retention does not remove them. They are written late: those in
  -- counts.rules_late are to be added.
  pack         TEXT NOT NULL,
  rule         TEXT NOT NULL,
  shadow       INTEGER NOT NULL CHECK (shadow IN (0, 1)), -- 1: what it did in shadow, or as part of a candidate
  since_at     INTEGER,                    -- when a version with the rule was first stored, or its first event
  matched      INTEGER NOT NULL DEFAULT 0, -- events on which its where held
  ran          INTEGER NOT NULL DEFAULT 0, -- of matched: its handler was called
  failed       INTEGER NOT NULL DEFAULT 0, -- of ran: it failed, and has not succeeded since
  steps        INTEGER NOT NULL DEFAULT 0, -- VM steps
  took         INTEGER NOT NULL DEFAULT 0, -- its part of the time of its events' rules, in nanoseconds
  requests     INTEGER NOT NULL DEFAULT 0, -- of its handler, of every kind
  reads        INTEGER NOT NULL DEFAULT 0, -- reads that it requested; those that have not ended are in no count below
  "read"       INTEGER NOT NULL DEFAULT 0, -- of reads: a call succeeded
  vetoed       INTEGER NOT NULL DEFAULT 0, -- of reads: dropped by a veto or a hold
  superseded   INTEGER NOT NULL DEFAULT 0, -- of reads: dropped because of a newer message
  dead         INTEGER NOT NULL DEFAULT 0, -- of reads
  ended        INTEGER NOT NULL DEFAULT 0, -- of reads: dropped for another reason
  actions      INTEGER NOT NULL DEFAULT 0, -- other actions that it requested
  matched_at   INTEGER NOT NULL DEFAULT 0, -- last; 0: never
  requested_at INTEGER NOT NULL DEFAULT 0, -- last; 0: never
  failed_at    INTEGER NOT NULL DEFAULT 0, -- last; 0: never
  failed_seq   INTEGER NOT NULL DEFAULT 0, -- the event of failed_at
  PRIMARY KEY (pack, rule, shadow)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_vetoes (
  -- Counts the vetoed reads of rules by what vetoed them.
  pack    TEXT NOT NULL,
  rule    TEXT NOT NULL,
  veto_by TEXT NOT NULL,    -- PACK/RULE, operator, or unknown
  reads   INTEGER NOT NULL,
  PRIMARY KEY (pack, rule, veto_by)
) STRICT, WITHOUT ROWID;
