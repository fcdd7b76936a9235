-- The password of an account, if it has one, and the ones before it that must not come back.
-- up
CREATE TABLE passwords (
    user_id {uuid} NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    updated_at {int} NOT NULL
) {strict};
CREATE TABLE password_history (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    created_at {int} NOT NULL
) {strict};
CREATE INDEX password_history_by_user ON password_history (user_id, id);
-- down
DROP TABLE password_history;
DROP TABLE passwords;
