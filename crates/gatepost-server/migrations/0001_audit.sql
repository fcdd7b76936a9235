-- What happened, who did it, and to whom. Written in the transaction that does it.
-- The ids of users are no references: the trail outlives the account.
-- up
CREATE TABLE audit_log (
    id {uuid} NOT NULL PRIMARY KEY,
    at {int} NOT NULL,
    action TEXT NOT NULL,
    actor_id {uuid},
    user_id {uuid},
    address TEXT,
    user_agent TEXT,
    request_id TEXT,
    details TEXT NOT NULL
) {strict};
CREATE INDEX audit_log_by_user ON audit_log (user_id, id);
-- down
DROP TABLE audit_log;
