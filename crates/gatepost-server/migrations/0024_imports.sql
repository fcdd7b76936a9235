-- How far the import of a file has got, by the SHA-256 of its bytes: written in the transaction of each batch, so that a
-- run that was killed goes on behind the last batch that is there. `last_errors` are the lines of that batch, which may
-- not have been written out yet.
-- up
CREATE TABLE imports (
    file_hash {bytes} NOT NULL PRIMARY KEY,
    options TEXT NOT NULL,
    position {int} NOT NULL,
    line {int} NOT NULL,
    rows_done {int} NOT NULL,
    created {int} NOT NULL,
    updated {int} NOT NULL,
    unchanged {int} NOT NULL,
    skipped {int} NOT NULL,
    bad {int} NOT NULL,
    last_errors TEXT NOT NULL,
    started_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    finished_at {int}
) {strict};
-- down
DROP TABLE imports;
