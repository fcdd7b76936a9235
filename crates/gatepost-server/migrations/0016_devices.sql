-- Where somebody signed in before. `mark` is a hash of the user agent and the network.
-- up
CREATE TABLE known_devices (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mark {bytes} NOT NULL,
    seen_at {int} NOT NULL,
    PRIMARY KEY (user_id, mark)
) {strict};
-- Whose account was attacked, the last time that it was said. `answered` is false until a mail about it is owed.
CREATE TABLE failure_alerts (
    user_id {uuid} NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    at {int} NOT NULL,
    answered {bool} NOT NULL
) {strict};
-- down
DROP TABLE failure_alerts;
DROP TABLE known_devices;
