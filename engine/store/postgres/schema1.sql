-- Schema 1. Every string of people and of rules is as package text of this folder encodes it
-- (text.go): without NUL and in valid UTF-8. JSON that rules or Chert wrote is bytea, and comes
-- back byte for byte: SELECT convert_from(raw, 'UTF8') FROM events. JSON of chertd is text.
-- Columns of text that is compared or sorted have the collation "C": the order of bytes.

CREATE TABLE journal_lock (
  -- One row. Who appends to the journal locks it first, so that the order of commits is the
  -- order of seq, and no seq is left out.
  id          integer PRIMARY KEY CHECK (id = 1),
  last_seq    bigint NOT NULL DEFAULT 0, -- the highest that an event was ever given
  appended    bigint NOT NULL DEFAULT 0, -- events that were ever appended
  last_early  bigint NOT NULL DEFAULT 0  -- the highest n of early_events
);
INSERT INTO journal_lock (id) VALUES (1);

CREATE TABLE events (
  -- The journal: one row for each event, from outside or made by chertd. Partitions by seq;
  -- one that is empty is dropped.
  seq         bigint NOT NULL,
  id          text COLLATE "C" NOT NULL,
  type        text NOT NULL,
  source      text NOT NULL,
  at          timestamptz,
  received_at timestamptz,
  chat_id     text COLLATE "C",
  line        text,
  message_id  text COLLATE "C",
  direction   text,
  slot        integer NOT NULL,
  cause       bigint,
  pack        text,
  depth       bigint NOT NULL,
  payload     bytea,
  action      bytea,
  forward     text,  -- JSON of rowjson.AppendForward
  decoded     text,  -- JSON of rowjson.AppendDecoded
  raw         bytea, -- the envelope as Chert sent it
  PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);

CREATE TABLE decisions (
  -- What became of each handled event. Partitions as of events.
  seq      bigint NOT NULL,
  at       timestamptz,
  note     text,
  failed   boolean NOT NULL,
  next_n   bigint NOT NULL,
  prev_seq bigint,
  packs    text, -- JSON: by pack, the version that took part
  rules    text, -- JSON: what each rule did whose "where" matched
  actions  text, -- JSON of rowjson.AppendActions
  took     bigint, -- how long its rules took, in microseconds
  lists    text, -- JSON: versions of lists that rules looked at
  PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);

CREATE TABLE seen (
  -- Ids of all events that were ever in the journal.
  id  text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL
);

CREATE TABLE pending (
  -- Events that are not handled yet.
  seq     bigint PRIMARY KEY,
  slot    integer NOT NULL,
  chat_id text COLLATE "C" -- NULL: it concerns no chat
);
CREATE INDEX pending_chat ON pending (chat_id, seq) WHERE chat_id IS NOT NULL;

CREATE TABLE chats (
  id              text COLLATE "C" PRIMARY KEY,
  line            text COLLATE "C" NOT NULL, -- '': not known
  last_seq        bigint NOT NULL,
  waiting         text, -- JSON: list of the actions that wait, each as [event_seq, n]; NULL: none
  retries         bigint NOT NULL, -- failed attempts of its read call; -1: none, and the call yields all the same
  call_at         timestamptz,
  timer_at        timestamptz,
  hold_until      timestamptz,
  postponed_until timestamptz,
  state           text NOT NULL -- JSON of rowjson.AppendChat
);
CREATE INDEX chats_call ON chats (line, call_at, id) WHERE call_at IS NOT NULL;
CREATE INDEX chats_timer ON chats (timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX chats_held ON chats (hold_until) WHERE hold_until IS NOT NULL;
CREATE INDEX chats_postponed ON chats (postponed_until) WHERE postponed_until IS NOT NULL;
CREATE INDEX chats_waiting ON chats (line, id) WHERE waiting IS NOT NULL;

CREATE TABLE timers (
  chat_id   text COLLATE "C" NOT NULL,
  pack      text COLLATE "C" NOT NULL,
  name      text COLLATE "C" NOT NULL,
  version   text COLLATE "C" NOT NULL,
  due_at    timestamptz,
  payload   bytea,
  event_seq bigint NOT NULL,
  n         bigint  NOT NULL,
  depth     bigint  NOT NULL,
  fired     boolean NOT NULL,
  rule      text, -- that set it
  PRIMARY KEY (chat_id, pack, name)
);
CREATE INDEX timers_pack ON timers (pack, version);
CREATE INDEX timers_event ON timers (event_seq);

CREATE TABLE states (
  pack    text COLLATE "C" NOT NULL,
  chat_id text COLLATE "C" NOT NULL,
  value   bytea NOT NULL,
  PRIMARY KEY (pack, chat_id)
);
CREATE INDEX states_chat ON states (chat_id);

CREATE TABLE kv (
  pack       text COLLATE "C" NOT NULL,
  key        bytea NOT NULL,   -- in the order of its bytes, and found by any prefix
  value      bytea,            -- NULL: deleted, and the row stays for its version
  bytes      bigint NOT NULL,  -- of key and value, as rules count them; 0: it is deleted
  expires_at timestamptz,
  version    bigint NOT NULL,
  PRIMARY KEY (pack, key)
);
CREATE INDEX kv_expiring ON kv (pack, expires_at) WHERE expires_at IS NOT NULL AND value IS NOT NULL;

CREATE TABLE kv_usage (
  -- The sum of kv.bytes of each pack. Who commits what handlers read and wrote locks its row
  -- first, so that what was validated holds until the end of the transaction.
  pack  text COLLATE "C" PRIMARY KEY,
  bytes bigint NOT NULL
);
CREATE FUNCTION kv_used() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO kv_usage AS u SELECT pack, sum(bytes)::bigint FROM added GROUP BY pack ORDER BY pack
      ON CONFLICT (pack) DO UPDATE SET bytes = u.bytes + excluded.bytes;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO kv_usage AS u SELECT pack, sum(bytes)::bigint
      FROM (SELECT pack, bytes FROM added UNION ALL SELECT pack, -bytes FROM removed) changed GROUP BY pack ORDER BY pack
      ON CONFLICT (pack) DO UPDATE SET bytes = u.bytes + excluded.bytes;
  ELSE
    INSERT INTO kv_usage AS u SELECT pack, -sum(bytes)::bigint FROM removed GROUP BY pack ORDER BY pack
      ON CONFLICT (pack) DO UPDATE SET bytes = u.bytes + excluded.bytes;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER kv_added AFTER INSERT ON kv REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION kv_used();
CREATE TRIGGER kv_changed AFTER UPDATE ON kv REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION kv_used();
CREATE TRIGGER kv_removed AFTER DELETE ON kv REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION kv_used();

CREATE TABLE open_actions (
  -- Actions that are blocked or dead.
  event_seq  bigint NOT NULL,
  n          bigint NOT NULL,
  status     text NOT NULL,
  kind       text NOT NULL,
  chat_id    text COLLATE "C" NOT NULL,
  pack       text COLLATE "C" NOT NULL,
  version    text COLLATE "C" NOT NULL,
  covers_seq bigint NOT NULL,
  code       bigint NOT NULL,
  http       bigint NOT NULL,
  PRIMARY KEY (event_seq, n)
);
CREATE INDEX open_actions_blocked ON open_actions (chat_id, event_seq, n) WHERE status = 'blocked';
CREATE INDEX open_actions_dead ON open_actions (event_seq, n) WHERE status = 'dead';

CREATE TABLE attempts (
  event_seq bigint NOT NULL,
  n         bigint NOT NULL,
  attempt   bigint NOT NULL,
  at        timestamptz,
  call_seq  bigint,
  call_n    bigint,
  http      bigint NOT NULL,
  code      bigint NOT NULL,
  trace_id  text,
  error     text,
  PRIMARY KEY (event_seq, n, attempt)
);

CREATE TABLE missed (
  pack     text COLLATE "C" NOT NULL,
  seq      bigint NOT NULL,
  key      text COLLATE "C" NOT NULL,
  slot     integer NOT NULL,
  at       timestamptz,
  version  text NOT NULL,
  why      text NOT NULL,
  can_veto boolean NOT NULL,
  can_hold boolean NOT NULL,
  cause    bigint,
  chats    text, -- JSON
  PRIMARY KEY (pack, seq)
);
CREATE INDEX missed_seq ON missed (seq);
CREATE INDEX missed_veto ON missed (key, seq) WHERE can_veto;

CREATE TABLE counts (
  -- How many rows there are, as far as one writer has changed them: the sum is the number.
  owner           text PRIMARY KEY,
  transactions    bigint NOT NULL DEFAULT 0, -- of Commit: tells whether one whose answer was lost was kept
  handled         bigint NOT NULL DEFAULT 0, -- events: those that wait are appended less handled
  removed         bigint NOT NULL DEFAULT 0, -- events, by retention
  chats           bigint NOT NULL DEFAULT 0,
  actions_waiting bigint NOT NULL DEFAULT 0,
  actions_sent    bigint NOT NULL DEFAULT 0,
  actions_done    bigint NOT NULL DEFAULT 0,
  actions_dropped bigint NOT NULL DEFAULT 0,
  actions_blocked bigint NOT NULL DEFAULT 0,
  actions_dead    bigint NOT NULL DEFAULT 0,
  actions_shadow  bigint NOT NULL DEFAULT 0
);

CREATE TABLE early_events (
  n           bigint PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  type        text NOT NULL,
  source      text NOT NULL,
  received_at timestamptz,
  raw         bytea NOT NULL
);

CREATE TABLE log_cursors (log text PRIMARY KEY, read_at timestamptz NOT NULL);

CREATE TABLE quarantine (
  id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  received_at timestamptz,
  source      text NOT NULL,
  reason      text NOT NULL,
  header      text, -- JSON
  body        bytea NOT NULL,
  body_sha256 bytea NOT NULL UNIQUE,
  event_id    text COLLATE "C",
  truncated   boolean NOT NULL
);
CREATE UNIQUE INDEX quarantine_event ON quarantine (event_id) WHERE event_id IS NOT NULL;
CREATE TABLE left_quarantine (
  identity    text PRIMARY KEY, -- 'event ' and its id; 'body ' and the SHA-256 of the body, hexadecimal
  received_at timestamptz
);

CREATE TABLE packs (
  pack       text COLLATE "C" PRIMARY KEY,
  revision   bigint NOT NULL, -- counts the changes of the row: SwapPackState compares it
  live       text,
  state      text NOT NULL, -- JSON: the rest of live.PackState
  pending_kept  boolean NOT NULL DEFAULT false,
  rules_deleted boolean NOT NULL DEFAULT false
);
CREATE TABLE pack_versions (
  pack           text COLLATE "C" NOT NULL,
  version        text COLLATE "C" NOT NULL,
  path           text,
  since_at       timestamptz,
  last_at        timestamptz,
  events         bigint NOT NULL,
  failures       bigint NOT NULL,
  rolled_back_at timestamptz,
  pending_kept   boolean NOT NULL DEFAULT false,
  candidate      boolean NOT NULL DEFAULT false,
  rules          text, -- JSON: names
  PRIMARY KEY (pack, version)
);
CREATE TABLE pack_files (
  pack    text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  n       integer NOT NULL,
  name    text NOT NULL,
  kind    text NOT NULL,
  bytes   bytea NOT NULL,
  PRIMARY KEY (pack, version, n)
);
CREATE TABLE ignore_file (id integer PRIMARY KEY CHECK (id = 1), content bytea NOT NULL);

CREATE TABLE pack_comparisons (
  pack     text COLLATE "C" NOT NULL,
  version  text COLLATE "C" NOT NULL,
  against  text COLLATE "C" NOT NULL,
  result   text NOT NULL,
  since_at timestamptz,
  events   bigint NOT NULL,
  PRIMARY KEY (pack, version, against, result)
);
CREATE TABLE pack_differences (
  pack      text COLLATE "C" NOT NULL,
  event_seq bigint NOT NULL,
  version   text COLLATE "C" NOT NULL,
  against   text COLLATE "C" NOT NULL,
  result    text NOT NULL,
  PRIMARY KEY (pack, event_seq)
);

CREATE TABLE rule_totals (
  pack         text COLLATE "C" NOT NULL,
  rule         text COLLATE "C" NOT NULL,
  shadow       integer NOT NULL, -- 0: live; 1: in shadow; 2: as part of a candidate
  since_at     timestamptz,
  matched      bigint NOT NULL DEFAULT 0,
  ran          bigint NOT NULL DEFAULT 0,
  failed       bigint NOT NULL DEFAULT 0,
  steps        bigint NOT NULL DEFAULT 0,
  took         bigint NOT NULL DEFAULT 0, -- nanoseconds
  requests     bigint NOT NULL DEFAULT 0,
  reads        bigint NOT NULL DEFAULT 0,
  read         bigint NOT NULL DEFAULT 0,
  vetoed       bigint NOT NULL DEFAULT 0,
  superseded   bigint NOT NULL DEFAULT 0,
  dead         bigint NOT NULL DEFAULT 0,
  ended        bigint NOT NULL DEFAULT 0,
  actions      bigint NOT NULL DEFAULT 0,
  matched_at   bigint NOT NULL DEFAULT 0, -- microseconds; 0: never
  requested_at bigint NOT NULL DEFAULT 0,
  failed_at    bigint NOT NULL DEFAULT 0,
  failed_seq   bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (pack, rule, shadow)
);
CREATE TABLE rule_vetoes (
  pack    text COLLATE "C" NOT NULL,
  rule    text COLLATE "C" NOT NULL,
  veto_by text COLLATE "C" NOT NULL,
  reads   bigint NOT NULL,
  PRIMARY KEY (pack, rule, veto_by)
);

CREATE TABLE lists (name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, changed_at timestamptz);
CREATE TABLE list_members (
  list     text COLLATE "C" NOT NULL,
  member   text COLLATE "C" NOT NULL,
  added_at timestamptz,
  added_by text NOT NULL,
  reason   text,
  until_at timestamptz,
  PRIMARY KEY (list, member)
);
CREATE TABLE list_changes (
  list     text COLLATE "C" NOT NULL,
  version  bigint NOT NULL,
  member   text COLLATE "C" NOT NULL,
  at       timestamptz,
  by       text NOT NULL,
  action   text NOT NULL,
  reason   text,
  until_at timestamptz,
  PRIMARY KEY (list, version, member)
);
CREATE INDEX list_changes_at ON list_changes (list, at);

CREATE TABLE selection_holds (
  id          bigint PRIMARY KEY,
  line        text,
  is_group    boolean,
  by          text NOT NULL,
  reason      text,
  began_at    timestamptz NOT NULL,
  until_at    timestamptz NOT NULL,
  began_seq   bigint NOT NULL,
  through_seq bigint NOT NULL,
  ended_by    text,
  swept       boolean NOT NULL,
  settled     boolean NOT NULL
);

CREATE TABLE daemon (
  id           integer PRIMARY KEY CHECK (id = 1),
  paused       boolean NOT NULL DEFAULT false,
  clock_offset bigint NOT NULL DEFAULT 0, -- microseconds
  rules_since  timestamptz,               -- from when rule_totals counts
  rules_after  bigint NOT NULL DEFAULT 0  -- rule_totals counts events with a higher seq
);
INSERT INTO daemon (id) VALUES (1);
CREATE TABLE call_pauses (credential text PRIMARY KEY, asked_at timestamptz NOT NULL, until_at timestamptz NOT NULL, why text);
CREATE TABLE line_stops (
  credential text NOT NULL,
  line       text COLLATE "C" NOT NULL,
  since      timestamptz NOT NULL,
  code       bigint NOT NULL,
  http       bigint NOT NULL,
  error      text,
  trace_id   text,
  PRIMARY KEY (credential, line)
);
CREATE TABLE unsupported_lines (line text COLLATE "C" PRIMARY KEY, since_at timestamptz NOT NULL, until_at timestamptz NOT NULL, trace_id text);
CREATE TABLE learned_rates (credential text PRIMARY KEY, rate double precision NOT NULL, unsure double precision NOT NULL, learned_at timestamptz);
CREATE TABLE schedules (
  pack       text COLLATE "C" NOT NULL,
  rule       text COLLATE "C" NOT NULL,
  every      text NOT NULL,
  done_until timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (pack, rule, every)
);
CREATE TABLE read_counts (pack text COLLATE "C" PRIMARY KEY, count bigint NOT NULL, reads bigint, per bigint);
CREATE TABLE read_calls (
  pack  text COLLATE "C" NOT NULL,
  place bigint NOT NULL,
  count bigint NOT NULL,
  at    timestamptz NOT NULL,
  PRIMARY KEY (pack, place)
);
CREATE TABLE days (day bigint PRIMARY KEY, last_seq bigint NOT NULL); -- days since 1970 UTC

CREATE TABLE leases (
  -- Who may run rules and make calls: one process at a time. Every transaction of the owner
  -- locks the row FOR SHARE and compares owner and epoch: after a takeover it changes nothing.
  part  integer PRIMARY KEY CHECK (part = 0), -- of the chats: there is one part, all of them
  owner text,                    -- members.id; NULL: nobody has it
  epoch bigint NOT NULL,         -- counts the owners
  since timestamptz              -- when the owner got it
);
INSERT INTO leases (part, epoch) VALUES (0, 0);

CREATE TABLE members (
  -- The processes that share this store.
  id       text PRIMARY KEY,     -- a random name of one run of a process
  name     text NOT NULL,        -- of its machine, for people
  version  text NOT NULL,        -- of chertd
  began_at timestamptz NOT NULL, -- when it joined
  beat     bigint NOT NULL,      -- changes while it lives
  beat_at  timestamptz NOT NULL  -- when it last did, by the clock of the database
);
