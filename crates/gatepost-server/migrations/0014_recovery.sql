-- Links that were mailed, as the hashes of their tokens, and requests for such links that wait for an answer.
-- A link is found by its purpose and its hash together. `auth_epoch` is absent where a link outlives other credentials.
-- A request is noted whoever asks; it says nothing about whether there is such an account.
-- up
CREATE TABLE mail_links (
    purpose TEXT NOT NULL,
    token_hash {bytes} NOT NULL,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    auth_epoch {int},
    address TEXT NOT NULL,
    role TEXT,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    PRIMARY KEY (purpose, token_hash)
) {strict};
CREATE INDEX mail_links_by_user ON mail_links (user_id, purpose);
CREATE INDEX mail_links_by_address ON mail_links (address, purpose);
CREATE INDEX mail_links_by_expiry ON mail_links (expires_at);
CREATE TABLE mail_requests (
    id {uuid} NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at {int} NOT NULL
) {strict};
-- down
DROP TABLE mail_requests;
DROP TABLE mail_links;
