-- Schema, version 4: whether a chat is a group, for events that chertd makes itself.

ALTER TABLE chats ADD COLUMN is_group INTEGER NOT NULL DEFAULT 0 /* 1: the last event from outside said so */;
