-- Schema, version 8.

-- What chertd.yaml set of a pack when that fitted the live version last: versions of it
-- run with these, over their defaults, where those in chertd.yaml do not fit them.
ALTER TABLE packs ADD COLUMN settings TEXT /* JSON: an object; NULL: none are kept */;
