-- A key remembers which second factor was shown in the session that made it. Another one, enrolled after that was removed,
-- says nothing about who made the key.
-- up
ALTER TABLE api_keys ADD COLUMN factor_id {uuid};
UPDATE api_keys SET factor_id = (SELECT t.id FROM totp_credentials t
    WHERE t.user_id = api_keys.user_id AND t.created_at <= api_keys.created_at) WHERE second_factor;
ALTER TABLE api_keys DROP COLUMN second_factor;
-- down
ALTER TABLE api_keys ADD COLUMN second_factor {bool} NOT NULL DEFAULT FALSE;
UPDATE api_keys SET second_factor = TRUE WHERE factor_id IN (SELECT t.id FROM totp_credentials t);
ALTER TABLE api_keys DROP COLUMN factor_id;
