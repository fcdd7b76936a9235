-- What an account and a session know of a second factor, and of an administrator's approval that is still to come.
-- up
ALTER TABLE users ADD COLUMN two_factor_enabled {bool} NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN awaiting_approval {bool} NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN second_factor_at {int};
-- down
ALTER TABLE sessions DROP COLUMN second_factor_at;
ALTER TABLE users DROP COLUMN awaiting_approval;
ALTER TABLE users DROP COLUMN two_factor_enabled;
