-- Keys for programs. Only a hash is kept, and the last characters for its owner to know it by.
-- `standing_epoch` counts how often an account was switched off or deleted: a key remembers the count of its first day, and
-- is dead when the account has moved on. (`auth_epoch` moves with every change of password, which keys survive.)
-- up
ALTER TABLE users ADD COLUMN standing_epoch {int} NOT NULL DEFAULT 0;
CREATE TABLE api_keys (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    key_hash {bytes} NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    second_factor {bool} NOT NULL,
    standing_epoch {int} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    last_used_at {int},
    revoked_at {int},
    version {int} NOT NULL
) {strict};
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);
-- down
DROP TABLE api_keys;
ALTER TABLE users DROP COLUMN standing_epoch;
