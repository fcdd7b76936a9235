-- The one-time link that makes the first owner. There is at most one, and only its hash is kept.
-- up
CREATE TABLE setup_link (
    slot {int} NOT NULL PRIMARY KEY CHECK (slot = 1),
    token_hash {bytes} NOT NULL,
    expires_at {int} NOT NULL,
    created_at {int} NOT NULL
) {strict};
-- down
DROP TABLE setup_link;
