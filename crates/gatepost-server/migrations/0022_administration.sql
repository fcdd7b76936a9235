-- Lists of accounts whose pages cost the same wherever they stand, for each filter an index that ends with the id; names in
-- the order of their bytes, so that a beginning is a range of the unique index; and who invited whom.
-- up
CREATE INDEX users_living ON users (id) WHERE deleted_at IS NULL;
CREATE INDEX users_deleted ON users (id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_by_activity ON users (is_active, id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_verification ON users (email_verified, id) WHERE deleted_at IS NULL;
ALTER TABLE invitations ADD COLUMN invited_by {uuid};
-- engine: postgres
ALTER TABLE users ALTER COLUMN email_canonical TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN username_canonical TYPE TEXT COLLATE "C";
-- down
-- Without it they would count as the operator's.
DELETE FROM invitations WHERE invited_by IS NOT NULL;
ALTER TABLE invitations DROP COLUMN invited_by;
DROP INDEX users_by_verification;
DROP INDEX users_by_activity;
DROP INDEX users_deleted;
DROP INDEX users_living;
-- engine: postgres
ALTER TABLE users ALTER COLUMN email_canonical TYPE TEXT COLLATE "default";
ALTER TABLE users ALTER COLUMN username_canonical TYPE TEXT COLLATE "default";
