-- Schema, version 18: packs that are live in a share of the chats, and candidates beside
-- live packs.

ALTER TABLE packs ADD COLUMN share INTEGER /* hundredths of a percent of the chats, in which the pack, or its candidate, is live by "chertd mode"; NULL: it has no share */;
ALTER TABLE packs ADD COLUMN candidate TEXT /* version that runs beside the live one; NULL: none */;
ALTER TABLE packs ADD COLUMN promoted INTEGER /* 1: "pinned" is a candidate that a command made live */ NOT NULL DEFAULT 0 CHECK (promoted IN (0, 1));
ALTER TABLE pack_versions ADD COLUMN candidate INTEGER /* 1: it ran beside a live version, and was never live in all chats */ NOT NULL DEFAULT 0 CHECK (candidate IN (0, 1));
