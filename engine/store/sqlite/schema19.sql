-- Schema, version 19: what the quarantine recognizes a delivery by, also once it has left.

ALTER TABLE quarantine ADD COLUMN event_id TEXT /* of the event, by which it is recognized when another source brings it in another form; NULL: it has none, or came before schema 19 */;
ALTER TABLE quarantine ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0 /* whether the body is only the beginning of what came */;
-- Sources keep one byte more than the 1 MiB that they allow.
UPDATE quarantine SET truncated = 1 WHERE source IN ('stream', 'file') AND length(body) = 1048577;
CREATE UNIQUE INDEX quarantine_event ON quarantine (event_id) WHERE event_id IS NOT NULL;

CREATE TABLE left_quarantine (
  -- Deliveries that were dropped or taken in. The events log may bring them again.
  identity    TEXT PRIMARY KEY, -- 'event ' and its id; 'body ' and the SHA-256 of the body, hexadecimal
  received_at INTEGER           -- when the delivery came, in microseconds
) STRICT, WITHOUT ROWID;
