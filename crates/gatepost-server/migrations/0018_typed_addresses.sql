-- The address that a link is about, as its owner typed it: an account that changes its address shows that form.
-- up
ALTER TABLE mail_links ADD COLUMN typed TEXT;
-- down
DELETE FROM mail_links WHERE purpose IN ('confirm_email', 'undo_email', 'secure_account');
ALTER TABLE mail_links DROP COLUMN typed;
