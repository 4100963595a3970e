-- Version 1. Comments inside CREATE TABLE are kept by SQLite: the sqlite3
-- shell shows them with .schema.

CREATE TABLE meta (
  -- Facts about this file.
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL      -- last_seq: highest sequence ever given, so that none is given twice
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  -- The journal: one row for each event that came or that the engine made.
  -- A row never changes, but for texts that are blanked when they are old.
  -- Every *_at here and elsewhere is in microseconds since 1970 UTC:
  --   SELECT datetime(received_at / 1000000, 'unixepoch') FROM events;
  seq         INTEGER PRIMARY KEY, -- order of the journal, without gaps when given
  id          TEXT NOT NULL,       -- identity at Chert; the key that finds duplicates (table seen)
  type        TEXT NOT NULL,       -- message.received, timer:<name>, action.done …
  source      TEXT NOT NULL,       -- webhook, stream, catchup, file, engine
  at          INTEGER,             -- when Chert says it happened; NULL: it does not say
  received_at INTEGER,             -- when it came in
  chat_id     TEXT,                -- NULL: concerns no chat
  line        TEXT,                -- the chat's phone line
  message_id  TEXT,                -- of the message it is about
  direction   TEXT,                -- inbound, outbound; NULL: not known
  slot        INTEGER NOT NULL,    -- hash of the chat: what shards are made of
  cause       INTEGER,             -- seq of the event that caused it; NULL: from outside
  pack        TEXT,                -- the only pack that sees it; NULL: all
  depth       INTEGER NOT NULL,    -- how many events caused one another up to this one
  payload     TEXT,                -- JSON a timer carries
  action      TEXT,                -- JSON of action.done and action.failed
  forward     TEXT,                -- JSON of a wish from another chat; no rule sees such a row
  decoded     TEXT,                -- JSON of what was understood: chat, message, text, sender
  raw         TEXT                 -- the envelope as it came
) STRICT;
CREATE INDEX events_of_chat ON events (chat_id, seq) WHERE chat_id IS NOT NULL;

CREATE TABLE seen (
  -- Ids of events that were journaled. They outlive their events, so that one
  -- that is delivered again long after is not handled again.
  id  TEXT PRIMARY KEY,
  seq INTEGER NOT NULL  -- its place in events
) STRICT, WITHOUT ROWID;

CREATE TABLE pending (
  -- Events that were not handled yet.
  seq  INTEGER PRIMARY KEY, -- its place in events
  slot INTEGER NOT NULL     -- as in events
) STRICT;

CREATE TABLE decisions (
  -- What became of each handled event, and why.
  seq     INTEGER PRIMARY KEY, -- its place in events
  at      INTEGER,             -- when it was handled
  note    TEXT,                -- e.g. no rule wants it
  failed  INTEGER NOT NULL,    -- 1: some rule failed or was suspended
  actions INTEGER NOT NULL,    -- how many actions it has asked for
  packs   TEXT,                -- JSON: pack → version that took part
  rules   TEXT                 -- JSON: what each rule said that passed where
) STRICT;

CREATE TABLE actions (
  -- What rules asked for, and how far it has come.
  event_seq     INTEGER NOT NULL, -- the event it was asked for; with n its identity, "seq.n" in logs
  n             INTEGER NOT NULL,
  kind          TEXT NOT NULL,    -- read, typing, react, send
  chat_id       TEXT NOT NULL,
  status        TEXT NOT NULL,    -- docs/outcomes.md: waiting, sent, done, dropped, blocked, dead, shadow
  why           TEXT,             -- of the status, as there: read, coalesced, vetoed, superseded …
  pack          TEXT NOT NULL,    -- who asked
  version       TEXT NOT NULL,
  rule          TEXT NOT NULL,
  place         TEXT NOT NULL,    -- file:line of the rule
  reason        TEXT,             -- as the rule gave it
  even_if_newer INTEGER NOT NULL,
  body          TEXT,             -- JSON to send
  target        TEXT,             -- of a reaction: the message's id
  depth         INTEGER NOT NULL,
  asked_at      INTEGER,          -- when its event was handled, or it was revived
  due_at        INTEGER,          -- when it may go out first
  settled_at    INTEGER,          -- NULL: not settled
  attempts      INTEGER NOT NULL, -- calls made for it
  code          INTEGER NOT NULL, -- Chert's error code of the last attempt; 0: none
  http          INTEGER NOT NULL, -- HTTP status of the last attempt; 0: no answer
  trace_id      TEXT,             -- of the last attempt: what Chert's support asks for
  error         TEXT              /* of the last attempt */,
  PRIMARY KEY (event_seq, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX actions_of_chat ON actions (chat_id, event_seq, n);
CREATE INDEX actions_open ON actions (chat_id) WHERE status IN ('waiting', 'sent', 'withheld', 'dead');

CREATE TABLE chats (
  -- What is remembered of each chat.
  id               TEXT PRIMARY KEY,
  line             TEXT,             -- phone line it was last seen on
  last_event_seq   INTEGER NOT NULL, -- newest inbound event handled
  last_message_id  TEXT,             -- newest inbound message handled
  recent_messages  TEXT,             -- JSON: how a message is recognised that comes again: ids, newest, replies
  veto_seq         INTEGER NOT NULL, -- newest event that vetoed a read
  unasked_seq      INTEGER NOT NULL, -- newest inbound message for which no rule asked a read
  read_through_seq INTEGER NOT NULL, -- what was journaled up to here is read
  retry_attempts   INTEGER NOT NULL, -- of the reads' call
  retry_first_at   INTEGER,
  retry_not_before INTEGER,
  hold_until       INTEGER,          -- no reads until then
  hold_by          TEXT,             -- pack/rule, or operator
  hold_reason      TEXT,
  cooldowns        TEXT,             -- JSON: pack/rule → until when it rests
  call_at          INTEGER,          -- when its next call is due; NULL: none waits
  timer_at         INTEGER           -- when its next timer fires; NULL: none is set
) STRICT, WITHOUT ROWID;
CREATE INDEX chats_call ON chats (call_at, id) WHERE call_at IS NOT NULL;
CREATE INDEX chats_timer ON chats (timer_at, id) WHERE timer_at IS NOT NULL;

CREATE TABLE timers (
  -- Wishes of rules to be woken.
  chat_id   TEXT NOT NULL,
  pack      TEXT NOT NULL,
  name      TEXT NOT NULL,
  version   TEXT NOT NULL,    -- of the pack that set it
  due_at    INTEGER,
  payload   TEXT,             -- JSON
  event_seq INTEGER NOT NULL, -- the event that set it, and its place there
  n         INTEGER NOT NULL,
  depth     INTEGER NOT NULL,
  fired     INTEGER NOT NULL, -- 1: its event is journaled and not handled yet
  PRIMARY KEY (chat_id, pack, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
  -- ev.state of rules: one JSON value for each pack and chat.
  pack    TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (pack, chat_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE kv (
  -- kv of rules.
  pack       TEXT NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT,             -- JSON; NULL: deleted. The row stays for its version
  expires_at INTEGER,          -- NULL: never
  version    INTEGER NOT NULL, -- counts the writes
  PRIMARY KEY (pack, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
  -- Deliveries with a valid signature that could not be understood.
  id          INTEGER PRIMARY KEY,
  received_at INTEGER,
  source      TEXT NOT NULL,
  reason      TEXT NOT NULL,
  header      TEXT,                -- JSON: of the delivery, signatures left out
  body        BLOB NOT NULL,
  body_sha256 BLOB NOT NULL UNIQUE -- the same body is kept once
) STRICT;
