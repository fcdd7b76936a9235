-- Mails that are owed. A row is written in the transaction that owes the mail, and it is delivered by a worker.
-- What the mail says, and to whom, is sealed: links in mails are secrets. It is erased once the mail is gone.
-- `recipient` is a keyed hash, for order and limits. The id of the user is no reference: the mail outlives the account.
-- up
CREATE TABLE outbox (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid},
    kind TEXT NOT NULL,
    recipient {bytes} NOT NULL,
    position {int} NOT NULL,
    created_at {int} NOT NULL,
    not_after {int},
    state TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'dead', 'expired')),
    due_at {int} NOT NULL,
    give_up_at {int} NOT NULL,
    attempts {int} NOT NULL,
    fence {int} NOT NULL,
    leased_until {int},
    ended_at {int},
    problem TEXT,
    sealed {bytes}
) {strict};
CREATE INDEX outbox_by_state ON outbox (state, due_at);
CREATE INDEX outbox_by_recipient ON outbox (recipient, state, position);
-- down
DROP TABLE outbox;
