-- Roles as sets of permissions. What each permission means stands in the code that asks for it; this schema holds the
-- operator's own ones, and which role has which. `admin` has every permission by its nature: the rows that name it are those
-- of the operator's own permissions, so that one query finds them all.
-- The granter is no reference: the grant outlives the account.
-- up
CREATE TABLE permissions (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    created_at {int} NOT NULL,
    created_by {uuid}
) {strict};
CREATE TABLE roles (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {strict};
INSERT INTO roles (name, description, version, created_at, updated_at) VALUES
    ('admin', 'May do everything.', 1, 0, 0),
    ('user', 'Every account has it.', 1, 0, 0);
INSERT INTO roles (name, description, version, created_at, updated_at)
    SELECT DISTINCT role, '', 1, 0, 0 FROM user_roles WHERE role NOT IN ('admin', 'user');
CREATE TABLE role_permissions (
    role TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    granted_at {int} NOT NULL,
    granted_by {uuid},
    PRIMARY KEY (role, permission)
) {strict};
CREATE INDEX role_permissions_by_permission ON role_permissions (permission, role);
CREATE TABLE user_roles_of_roles (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL REFERENCES roles (name),
    granted_at {int} NOT NULL,
    granted_by {uuid},
    PRIMARY KEY (user_id, role)
) {strict};
INSERT INTO user_roles_of_roles (user_id, role, granted_at, granted_by)
    SELECT user_id, role, granted_at, granted_by FROM user_roles;
DROP TABLE user_roles;
ALTER TABLE user_roles_of_roles RENAME TO user_roles;
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
-- down
CREATE TABLE user_roles_of_names (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    granted_at {int} NOT NULL,
    granted_by {uuid},
    PRIMARY KEY (user_id, role)
) {strict};
INSERT INTO user_roles_of_names (user_id, role, granted_at, granted_by)
    SELECT user_id, role, granted_at, granted_by FROM user_roles;
DROP TABLE user_roles;
ALTER TABLE user_roles_of_names RENAME TO user_roles;
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
DROP TABLE role_permissions;
DROP TABLE roles;
DROP TABLE permissions;
