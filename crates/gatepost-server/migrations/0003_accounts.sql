-- Who somebody is. An address, a username and a phone number belong to one living account each; a deleted account
-- keeps its row as a tombstone for seven days, without its canonical names.
-- up
CREATE TABLE users (
    id {uuid} NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_canonical TEXT UNIQUE,
    email_verified {bool} NOT NULL,
    username TEXT,
    username_canonical TEXT UNIQUE,
    phone_number TEXT,
    phone_canonical TEXT UNIQUE,
    first_name TEXT,
    last_name TEXT,
    bio TEXT,
    avatar_url TEXT,
    country TEXT,
    is_active {bool} NOT NULL,
    auth_epoch {int} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    last_login_at {int},
    deleted_at {int},
    CHECK (deleted_at IS NOT NULL OR email_canonical IS NOT NULL)
) {strict};
-- down
DROP TABLE users;
