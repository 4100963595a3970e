-- Schema, version 9.

-- What packs have cancelled lately: an event that a pack had missed, and that runs
-- through it later, does not bring it back.
ALTER TABLE chats ADD COLUMN cancelled TEXT /* JSON: list of reads and timers that packs cancelled lately */;
