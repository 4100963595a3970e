-- Schema, version 6.

-- A message is recognised by more than its id. recent_messages is JSON now: ids,
-- of the messages that came last as message.received; newest, by what else the
-- newest of them is known (a text is known by its second and a hash); replies,
-- lead_replies whose message has not come as message.received.
UPDATE chats SET recent_messages = json_object('ids', json(recent_messages)) WHERE recent_messages IS NOT NULL;

-- seen_by is JSON now: by pack, the newest inbound message on which a rule of it ran.
UPDATE chats SET seen_by = (SELECT json_group_object(value, last_message_seq) FROM json_each(seen_by)) WHERE seen_by IS NOT NULL;

-- A read that no message asked for, but a timer, say, speaks for newer messages that
-- its pack sees.
ALTER TABLE actions ADD COLUMN follows INTEGER NOT NULL DEFAULT 0 /* 1: a read also covers newer messages that its pack sees */;

-- What packs that can veto have missed in a chat blocks reads of what came until
-- then; and for an hour newer ones, if such a pack may hold chats.
ALTER TABLE missed ADD COLUMN can_hold INTEGER NOT NULL DEFAULT 0 /* 1: the pack may hold the chat */;
ALTER TABLE chats ADD COLUMN missed_seq INTEGER NOT NULL DEFAULT 0 /* newest event of the chat that a pack missed; 0: none */;
ALTER TABLE chats ADD COLUMN may_hold_until INTEGER /* until then the chat counts as held: a pack that missed its events may hold it */;
UPDATE chats SET missed_seq = coalesce((SELECT max(seq) FROM missed WHERE can_veto = 1 AND key = chats.id), 0);

-- Which chats are held now, the longest hold first.
CREATE INDEX chats_held ON chats (hold_until) WHERE hold_until IS NOT NULL;
