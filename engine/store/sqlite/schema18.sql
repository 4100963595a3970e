-- Schema, version 18: packs that are live in a share of the chats.

ALTER TABLE packs ADD COLUMN share INTEGER /* hundredths of a percent of the chats, in which the pack is live by "chertd mode"; it runs in shadow in the others; NULL: it has no share */;
