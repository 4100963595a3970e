-- Schema, version 8.

-- The settings with which the live version of a pack was live last: it goes on with
-- these where those in chertd.yaml do not fit it.
ALTER TABLE packs ADD COLUMN settings TEXT /* JSON: an object; NULL: none are kept */;
