-- A session is one sign-in on one device. Its refresh tokens are one row, however often they rotate.
-- up
CREATE TABLE sessions (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    auth_epoch {int} NOT NULL,
    method TEXT NOT NULL,
    device_name TEXT,
    user_agent TEXT,
    address TEXT,
    created_at {int} NOT NULL,
    proven_at {int} NOT NULL,
    ended_at {int},
    end_reason TEXT,
    version {int} NOT NULL
) {strict};
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE TABLE refresh_families (
    selector_hash {bytes} NOT NULL PRIMARY KEY,
    session_id {uuid} NOT NULL UNIQUE REFERENCES sessions (id) ON DELETE CASCADE,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    auth_epoch {int} NOT NULL,
    current_hash {bytes} NOT NULL,
    previous_hash {bytes},
    sealed_successor {bytes},
    fingerprint {bytes},
    generation {int} NOT NULL,
    created_at {int} NOT NULL,
    rotated_at {int} NOT NULL,
    idle_until {int} NOT NULL,
    absolute_until {int} NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'revoked', 'ended')),
    reason TEXT
) {strict};
CREATE INDEX refresh_families_by_user ON refresh_families (user_id);
-- down
DROP TABLE refresh_families;
DROP TABLE sessions;
