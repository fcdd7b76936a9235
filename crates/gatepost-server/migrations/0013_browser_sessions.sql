-- Sessions that a cookie carries, when a session was last used, and when it ends whatever happens.
-- up
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'token';
ALTER TABLE sessions ADD COLUMN cookie_hash {bytes};
ALTER TABLE sessions ADD COLUMN last_seen_at {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN absolute_until {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN location TEXT;
UPDATE sessions SET
    last_seen_at = COALESCE((SELECT f.rotated_at FROM refresh_families f WHERE f.session_id = sessions.id), created_at),
    absolute_until = COALESCE((SELECT f.absolute_until FROM refresh_families f WHERE f.session_id = sessions.id), created_at);
CREATE UNIQUE INDEX sessions_by_cookie ON sessions (cookie_hash) WHERE cookie_hash IS NOT NULL;
-- down
DELETE FROM sessions WHERE kind <> 'token';
DROP INDEX sessions_by_cookie;
ALTER TABLE sessions DROP COLUMN location;
ALTER TABLE sessions DROP COLUMN absolute_until;
ALTER TABLE sessions DROP COLUMN last_seen_at;
ALTER TABLE sessions DROP COLUMN cookie_hash;
ALTER TABLE sessions DROP COLUMN kind;
