-- Signing keys. The private half is sealed under the master key, which is not in the database.
-- The partial indexes hold the rule that two servers never make two active or two next keys.
-- up
CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'retired', 'revoked')),
    sealed {bytes},
    created_at {int} NOT NULL,
    activated_at {int},
    retiring_at {int},
    ended_at {int},
    version {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (state) WHERE state = 'next';
-- down
DROP TABLE signing_keys;
