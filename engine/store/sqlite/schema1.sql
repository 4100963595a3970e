-- Schema, version 1. SQLite keeps comments inside CREATE TABLE: the sqlite3 shell
-- shows them with .schema.

CREATE TABLE meta (
  -- Facts about this file.
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL      -- last_seq: highest sequence ever given, so that none is given twice
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  -- The journal: one row for each event, from outside or made by chertd. A row
  -- never changes.
  -- Every *_at, here and elsewhere, is in microseconds since 1970 UTC:
  --   SELECT datetime(received_at / 1000000, 'unixepoch') FROM events;
  seq         INTEGER PRIMARY KEY, -- its place in the order of the journal
  id          TEXT NOT NULL,       -- of Chert's event: finds duplicates (table seen)
  type        TEXT NOT NULL,       -- message.received, timer:NAME, action.done …
  source      TEXT NOT NULL,       -- webhook, stream, catchup, file, engine
  at          INTEGER,             -- when it happened, as Chert says; NULL: not known
  received_at INTEGER,             -- when chertd received it
  chat_id     TEXT,                -- NULL: it concerns no chat
  line        TEXT,                -- the chat's phone line
  message_id  TEXT,                -- the message that it is about
  direction   TEXT,                -- inbound, outbound; NULL: not known
  slot        INTEGER NOT NULL,    -- hash of the chat: which shard handles it
  cause       INTEGER,             -- seq of the event that caused it; NULL: it came from outside
  pack        TEXT,                -- the only pack whose rules see it; NULL: all packs
  depth       INTEGER NOT NULL,    -- how many events caused one another up to this one; 0: it came from outside
  payload     TEXT,                -- JSON: of a timer
  action      TEXT,                -- JSON: the action of action.done and action.failed
  forward     TEXT,                -- JSON: a request for this chat by an event of another one; rules do not see such a row
  decoded     TEXT,                -- JSON: chat, message, text and sender, as chertd understood them
  raw         TEXT                 -- JSON: the envelope as Chert sent it
) STRICT;
CREATE INDEX events_of_chat ON events (chat_id, seq) WHERE chat_id IS NOT NULL;

CREATE TABLE seen (
  -- Ids of all events that were ever in the journal. They outlive their events, so
  -- that an event that Chert delivers again much later is not handled again.
  id  TEXT PRIMARY KEY,
  seq INTEGER NOT NULL  -- its place in events
) STRICT, WITHOUT ROWID;

CREATE TABLE pending (
  -- Events that are not handled yet.
  seq  INTEGER PRIMARY KEY, -- its place in events
  slot INTEGER NOT NULL     -- as in events
) STRICT;

CREATE TABLE decisions (
  -- What became of each handled event, and why.
  seq     INTEGER PRIMARY KEY, -- its place in events
  at      INTEGER,             -- when it was handled
  note    TEXT,                -- such as: no rule wants it
  failed  INTEGER NOT NULL,    -- 1: a rule failed or was suspended
  actions INTEGER NOT NULL,    -- how many actions its rules requested
  packs   TEXT,                -- JSON: by pack, the version that took part
  rules   TEXT                 -- JSON: what each rule did whose "where" matched
) STRICT;

CREATE TABLE actions (
  -- What rules requested, and what became of it.
  event_seq     INTEGER NOT NULL, -- the event that it was requested for; with n its id, "SEQ.N" in logs
  n             INTEGER NOT NULL,
  kind          TEXT NOT NULL,    -- read, typing, react, send
  chat_id       TEXT NOT NULL,
  status        TEXT NOT NULL,    -- waiting, sent, done, dropped, blocked, dead, shadow (docs/outcomes.md)
  why           TEXT,             -- the reason for the status: read, coalesced, vetoed, superseded … (docs/outcomes.md)
  pack          TEXT NOT NULL,    -- whose rule requested it
  version       TEXT NOT NULL,
  rule          TEXT NOT NULL,
  place         TEXT NOT NULL,    -- file and line of the rule
  reason        TEXT,             -- as the rule gave it
  even_if_newer INTEGER NOT NULL, -- 1: a newer message does not drop this read
  body          TEXT,             -- JSON: of the call
  target        TEXT,             -- of a reaction: id of the message
  depth         INTEGER NOT NULL,
  asked_at      INTEGER,          -- when its event was handled, or "chertd dead retry" revived it
  due_at        INTEGER,          -- it is not called before
  settled_at    INTEGER,          -- when its status became final; NULL: it is not
  attempts      INTEGER NOT NULL, -- calls made for it
  code          INTEGER NOT NULL, -- Chert's error code at the last attempt; 0: none
  http          INTEGER NOT NULL, -- HTTP status at the last attempt; 0: no answer
  trace_id      TEXT,             -- of the last attempt: what Chert's support asks for
  error         TEXT              /* of the last attempt */,
  PRIMARY KEY (event_seq, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX actions_of_chat ON actions (chat_id, event_seq, n);
CREATE INDEX actions_open ON actions (chat_id) WHERE status IN ('waiting', 'sent', 'withheld', 'dead');

CREATE TABLE chats (
  -- What chertd remembers about each chat.
  id               TEXT PRIMARY KEY,
  line             TEXT,             -- phone line it was last seen on
  last_event_seq   INTEGER NOT NULL, -- newest inbound event handled
  last_message_id  TEXT,             -- newest inbound message handled
  recent_messages  TEXT,             -- JSON: ids, newest, replies: by these a message that comes again is recognised
  veto_seq         INTEGER NOT NULL, -- newest event that vetoed a read
  unasked_seq      INTEGER NOT NULL, -- newest inbound message for which no rule requested a read
  read_through_seq INTEGER NOT NULL, -- events up to here are covered by a successful read call
  retry_attempts   INTEGER NOT NULL, -- attempts of its read call that failed
  retry_first_at   INTEGER,          -- when the first of them was made
  retry_not_before INTEGER,          -- when the next may be made
  hold_until       INTEGER,          -- no reads until then
  hold_by          TEXT,             -- PACK/RULE, or operator
  hold_reason      TEXT,             -- as the rule or the operator gave it
  cooldowns        TEXT,             -- JSON: by PACK/RULE, until when its cooldown lasts
  call_at          INTEGER,          -- when its next call is due; NULL: none waits
  timer_at         INTEGER           -- when its next timer fires; NULL: none is set
) STRICT, WITHOUT ROWID;
CREATE INDEX chats_call ON chats (call_at, id) WHERE call_at IS NOT NULL;
CREATE INDEX chats_timer ON chats (timer_at, id) WHERE timer_at IS NOT NULL;

CREATE TABLE timers (
  -- Timers that rules set (chert.set_timer).
  chat_id   TEXT NOT NULL,
  pack      TEXT NOT NULL,
  name      TEXT NOT NULL,
  version   TEXT NOT NULL,    -- of the pack that set it
  due_at    INTEGER,
  payload   TEXT,             -- JSON
  event_seq INTEGER NOT NULL, -- the event that set it, and its place among what that requested
  n         INTEGER NOT NULL,
  depth     INTEGER NOT NULL,
  fired     INTEGER NOT NULL, -- 1: its event is journaled and not handled yet
  PRIMARY KEY (chat_id, pack, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
  -- ev.state of rules: one value for each pack and chat.
  pack    TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  value   TEXT NOT NULL, -- JSON
  PRIMARY KEY (pack, chat_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE kv (
  -- kv of rules: one value for each pack and key.
  pack       TEXT NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT,             -- JSON; NULL: deleted, and the row stays for its version
  expires_at INTEGER,          -- NULL: never
  version    INTEGER NOT NULL, -- how often it was written
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
