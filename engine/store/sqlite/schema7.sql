-- Schema, version 7.

-- Postponements: reads of a chat wait, whichever pack asks for them. Which chats, and
-- which rules said so:
--   SELECT chats.id, p.value ->> 'until', p.value ->> 'pack', p.value ->> 'rule', p.value ->> 'reason'
--   FROM chats, json_each(postponed) p WHERE postponed_until IS NOT NULL;
ALTER TABLE chats ADD COLUMN postponed TEXT /* JSON: list of postponements, each with until, pack, rule and reason */;
ALTER TABLE chats ADD COLUMN postponed_until INTEGER /* when the last of the postponements ends */;
CREATE INDEX chats_postponed ON chats (postponed_until) WHERE postponed_until IS NOT NULL;
