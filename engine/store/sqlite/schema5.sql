-- Schema, version 5: the statuses of actions are those of docs/outcomes.md.

UPDATE actions SET status = 'blocked' WHERE status = 'withheld';
UPDATE actions SET why = CASE why
  WHEN 'withheld' THEN 'blocked' WHEN 'overtaken' THEN 'superseded' WHEN 'nothing new' THEN 'already_read'
  WHEN 'too late' THEN 'veto_too_late' WHEN 'too deep' THEN 'too_deep' WHEN 'tried once' THEN 'tried_once'
  WHEN 'off' THEN 'pack_inactive' WHEN 'shadow' THEN iif(status = 'dropped', 'pack_inactive', why)
  WHEN 'removed' THEN 'pack_inactive' WHEN 'rolled back' THEN 'pack_inactive'
  ELSE why END
WHERE why IN ('withheld', 'overtaken', 'nothing new', 'too late', 'too deep', 'tried once', 'off', 'shadow', 'removed', 'rolled back');
DROP INDEX actions_open;
CREATE INDEX actions_open ON actions (chat_id) WHERE status IN ('waiting', 'sent', 'blocked', 'dead');
