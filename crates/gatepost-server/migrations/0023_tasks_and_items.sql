-- Tasks and items: what accounts own. They go with the row of their account, which is seven days after its deletion.
-- A list reads one account's rows by their ids, and so needs one index. `title_folded` is what a search looks at: the title in
-- lower case, so that both engines find the same.
-- Every account may keep some: the role `user` brings the permissions, and an operator may take them from it.
-- up
CREATE TABLE tasks (
    id {uuid} NOT NULL PRIMARY KEY,
    owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    title_folded TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL CHECK (status IN ('todo', 'doing', 'done')),
    due_at {int},
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {strict};
CREATE INDEX tasks_by_owner ON tasks (owner_id, id);
CREATE TABLE items (
    id {uuid} NOT NULL PRIMARY KEY,
    owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    title_folded TEXT NOT NULL,
    description TEXT,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {strict};
CREATE INDEX items_by_owner ON items (owner_id, id);
INSERT INTO role_permissions (role, permission, granted_at, granted_by) VALUES
    ('user', 'tasks:read', 0, NULL),
    ('user', 'tasks:write', 0, NULL),
    ('user', 'items:read', 0, NULL),
    ('user', 'items:write', 0, NULL);
-- down
DELETE FROM role_permissions WHERE permission IN
    ('tasks:read', 'tasks:write', 'tasks:delete_any', 'items:read', 'items:write', 'items:delete_any');
DROP TABLE items;
DROP TABLE tasks;
