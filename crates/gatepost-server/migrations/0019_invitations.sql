-- Invitations, as the hashes of their tokens: one for an address, the newest. There is no account before it is accepted.
-- `address` is canonical, `typed` as the operator wrote it.
-- up
CREATE TABLE invitations (
    address TEXT NOT NULL PRIMARY KEY,
    id {uuid} NOT NULL,
    typed TEXT NOT NULL,
    token_hash {bytes} NOT NULL,
    role TEXT NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX invitations_by_token ON invitations (token_hash);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
-- down
DROP TABLE invitations;
