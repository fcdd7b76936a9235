-- The second factor. Secrets are sealed and recovery codes are hashed under keys derived from the master key, which is
-- not in the database. A pending secret belongs to the session that saw it.
-- up
CREATE TABLE pending_totp (
    session_id {uuid} NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id {uuid} NOT NULL,
    sealed {bytes} NOT NULL,
    expires_at {int} NOT NULL
) {strict};
CREATE INDEX pending_totp_by_user ON pending_totp (user_id);
CREATE TABLE totp_credentials (
    user_id {uuid} NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    id {uuid} NOT NULL,
    sealed {bytes} NOT NULL,
    last_used_step {int} NOT NULL,
    closed_until {int},
    created_at {int} NOT NULL
) {strict};
CREATE TABLE recovery_codes (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash {bytes} NOT NULL,
    created_at {int} NOT NULL,
    used_at {int},
    PRIMARY KEY (user_id, code_hash)
) {strict};
CREATE TABLE second_factor_attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at {int} NOT NULL
) {strict};
CREATE INDEX second_factor_attempts_by_user ON second_factor_attempts (user_id, at);
CREATE TABLE second_factor_challenges (
    token_hash {bytes} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_epoch {int} NOT NULL,
    client_id TEXT NOT NULL,
    device_name TEXT,
    wanted TEXT NOT NULL,
    tie TEXT NOT NULL,
    tie_hash {bytes},
    failures {int} NOT NULL,
    expires_at {int} NOT NULL
) {strict};
CREATE INDEX second_factor_challenges_by_user ON second_factor_challenges (user_id);
-- down
DROP TABLE second_factor_challenges;
DROP TABLE second_factor_attempts;
DROP TABLE recovery_codes;
DROP TABLE totp_credentials;
DROP TABLE pending_totp;
