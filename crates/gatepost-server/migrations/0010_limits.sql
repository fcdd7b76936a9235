-- Counts that nodes share: when a bucket of requests will be full again.
-- On PostgreSQL the table is not logged: a crash empties it, which forgets counts and nothing else, and in return a
-- request waits for no disk.
-- up
-- engine: sqlite
CREATE TABLE rate_limits (
    key TEXT NOT NULL PRIMARY KEY,
    tat {int} NOT NULL,
    allowed {bool} NOT NULL
) {strict};
-- engine: postgres
CREATE UNLOGGED TABLE rate_limits (
    key TEXT NOT NULL PRIMARY KEY,
    tat {int} NOT NULL,
    allowed {bool} NOT NULL
) {strict};
-- engine: both
-- down
DROP TABLE rate_limits;
