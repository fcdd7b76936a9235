-- Which roles an account has, given by whom and when. The granter is no reference: the grant outlives the account.
-- up
CREATE TABLE user_roles (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    granted_at {int} NOT NULL,
    granted_by {uuid},
    PRIMARY KEY (user_id, role)
) {strict};
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
-- down
DROP TABLE user_roles;
