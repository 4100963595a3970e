-- Schema, version 6.

-- A message is recognised by more than its id. recent_messages is JSON now: ids,
-- of the messages that came last as message.received; newest, by what else the
-- newest of them is known (a text is known by its second and a hash); replies,
-- lead_replies whose message has not come as message.received.
UPDATE chats SET recent_messages = json_object('ids', json(recent_messages)) WHERE recent_messages IS NOT NULL;

-- A pack that may hold chats has missed the event: for an hour, newer reads of
-- the chat are blocked too.
ALTER TABLE missed ADD COLUMN can_hold INTEGER NOT NULL DEFAULT 0;

-- Which chats are held now, the longest hold first.
CREATE INDEX chats_held ON chats (hold_until) WHERE hold_until IS NOT NULL;
