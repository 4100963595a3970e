-- Schema, version 21: modes for a time, and modes of single rules.

ALTER TABLE packs ADD COLUMN mode_by TEXT /* who set "mode" by command; NULL: not known */;
ALTER TABLE packs ADD COLUMN mode_reason TEXT /* as the operator gave it */;
ALTER TABLE packs ADD COLUMN mode_at INTEGER /* when it was set; NULL: not known */;
ALTER TABLE packs ADD COLUMN mode_until INTEGER /* when it ends; NULL: it has no end */;
ALTER TABLE packs ADD COLUMN mode_under TEXT /* JSON: what returns at that end; NULL: chertd.yaml and pack.yaml decide then, or it has no end */;
ALTER TABLE packs ADD COLUMN rule_modes TEXT /* JSON: list of the modes of single rules that commands set, by name */;
ALTER TABLE timers ADD COLUMN rule TEXT /* that set it; NULL: not known, an earlier chertd stored it */;
