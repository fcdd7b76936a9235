-- Failed proofs, counted for an account and one device, or for an account and everybody else (device of zeros). Accounts
-- that do not exist are counted the same way: `account` is a keyed hash, and `user_id` is no reference.
-- up
CREATE TABLE lockouts (
    account {bytes} NOT NULL,
    device {bytes} NOT NULL,
    user_id {uuid},
    failures {int} NOT NULL,
    blocked_until {int} NOT NULL,
    last_at {int} NOT NULL,
    delayed_at {int},
    PRIMARY KEY (account, device)
) {strict};
CREATE INDEX lockouts_delayed ON lockouts (delayed_at);
-- What was tried: one row for all attempts of an hour that are alike. `key` is a hash of what makes them alike.
CREATE TABLE login_attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    key {bytes} NOT NULL UNIQUE,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    address TEXT,
    network TEXT,
    user_agent TEXT,
    attempts {int} NOT NULL,
    first_at {int} NOT NULL,
    last_at {int} NOT NULL
) {strict};
CREATE INDEX login_attempts_by_user ON login_attempts (user_id, id);
-- down
DROP TABLE login_attempts;
DROP TABLE lockouts;
