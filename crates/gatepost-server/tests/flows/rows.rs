//! What the database says: the rows that a refused step leaves alone, what the model must agree with, and the mails.

use gatepost_db::{DbError, ReadTx, Row, Statement};
use gatepost_kernel::Timestamp;
use gatepost_testkit::{TestApp, master_key};
use serde_json::Value;
use uuid::Uuid;

/// A row that decides who may do what, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) user: Uuid,
    pub(crate) table: &'static str,
    says: String,
}

/// A mail with a link: which page it leads to, and the token.
pub(crate) struct Mailed {
    pub(crate) page: String,
    pub(crate) to: String,
    pub(crate) token: String,
}

/// The database after a step.
pub(crate) struct Rows {
    pub(crate) facts: Vec<Fact>,
    /// A line for each thing that is good for something, and whose it is.
    pub(crate) lines: Vec<(Uuid, String)>,
    pub(crate) mails: Vec<Mailed>,
    pub(crate) owed: usize,
}

macro_rules! facts {
    ($($table:literal ($($column:literal $type:ty),+) $owner:literal $from:literal;)+) => {
        fn facts(tx: &mut ReadTx<'_>) -> Result<Vec<Fact>, DbError> {
            let mut facts = Vec::new();
            $({
                static ROWS: Statement = Statement::new($table, concat!("SELECT ", $owner, $(", ", $column),+, " FROM ", $from));
                facts.extend(tx.query_all(&ROWS, &[], |row| {
                    let mut column = 0;
                    let mut says = String::new();
                    $({
                        column += 1;
                        says.push_str(&format!("{} {:?} ", $column, row.get::<$type>(column)?));
                    })+
                    Ok(Fact { user: row.get(0)?, table: $table, says })
                })?);
            })+
            facts.sort();
            Ok(facts)
        }
    };
}

type Bytes = Vec<u8>;

// Counters of failures, requests, and what the account was used for lately are no facts.
facts! {
    "users" ("email" String, "email_verified" bool, "two_factor_enabled" bool, "is_active" bool, "auth_epoch" i64)
        "id" "users";
    "passwords" ("hash" String) "user_id" "passwords";
    "password_history" ("hash" String) "user_id" "password_history";
    "sessions" ("s.id" Uuid, "kind" String, "proven_at" i64, "second_factor_at" Option<i64>, "cookie_hash" Option<Bytes>,
        "current_hash" Option<Bytes>)
        "s.user_id" "sessions s JOIN users u ON u.id = s.user_id AND u.auth_epoch = s.auth_epoch \
        LEFT JOIN refresh_families f ON f.session_id = s.id WHERE s.ended_at IS NULL";
    "pending_totp" ("session_id" Uuid, "credential_id" Uuid) "user_id" "pending_totp";
    "totp_credentials" ("id" Uuid, "last_used_step" i64, "closed_until" Option<i64>) "user_id" "totp_credentials";
    "recovery_codes" ("code_hash" Bytes, "used_at" Option<i64>) "user_id" "recovery_codes";
    "second_factor_challenges" ("token_hash" Bytes, "wanted" String, "tie" String) "user_id" "second_factor_challenges";
    "mail_links" ("purpose" String, "token_hash" Bytes, "address" String) "user_id" "mail_links";
    "invitations" ("token_hash" Bytes) "id" "invitations";
}

static ACCOUNTS: Statement = Statement::new(
    "ACCOUNTS",
    "SELECT u.id, u.email, u.email_verified, u.two_factor_enabled, EXISTS (SELECT 1 FROM passwords p WHERE p.user_id = u.id), \
     EXISTS (SELECT 1 FROM totp_credentials t WHERE t.user_id = u.id), \
     (SELECT count(*) FROM recovery_codes r WHERE r.user_id = u.id AND r.used_at IS NULL) \
     FROM users u WHERE u.deleted_at IS NULL",
);
static SESSIONS: Statement = Statement::new(
    "SESSIONS",
    "SELECT s.user_id, s.kind, s.created_at, COALESCE(f.rotated_at, s.last_seen_at), s.proven_at, s.second_factor_at, \
     u.two_factor_enabled FROM sessions s JOIN users u ON u.id = s.user_id AND u.auth_epoch = s.auth_epoch \
     LEFT JOIN refresh_families f ON f.session_id = s.id \
     WHERE s.ended_at IS NULL AND (f.status = 'active' OR s.kind <> 'token') AND s.absolute_until > ?1",
);
static CHALLENGES: Statement = Statement::new(
    "CHALLENGES",
    "SELECT c.user_id, c.failures, c.expires_at FROM second_factor_challenges c \
     JOIN users u ON u.id = c.user_id AND u.auth_epoch = c.auth_epoch WHERE u.two_factor_enabled AND c.expires_at > ?1",
);
static LINKS: Statement = Statement::new(
    "LINKS",
    "SELECT l.user_id, l.purpose, l.address, l.created_at FROM mail_links l JOIN users u ON u.id = l.user_id \
     WHERE u.deleted_at IS NULL AND (l.auth_epoch IS NULL OR l.auth_epoch = u.auth_epoch) AND l.expires_at > ?1",
);
static OWED: Statement = Statement::new("OWED", "SELECT id, sealed FROM outbox ORDER BY position");

/// How the things that are good for something are written down, here and by the model.
pub(crate) mod line {
    use super::Timestamp;

    pub(crate) fn account(address: &str, verified: bool, password: bool, factor: bool, codes: i64) -> String {
        format!("account {address} verified={verified} password={password} factor={factor} codes={codes}")
    }

    pub(crate) fn session(kind: &str, begun: i64, used: i64, proven: i64, second: Option<i64>) -> String {
        format!("session {kind} begun={begun} used={used} proven={proven} second={second:?}")
    }

    pub(crate) fn challenge(failures: i64, expires: i64) -> String {
        format!("challenge failures={failures} expires={expires}")
    }

    pub(crate) fn link(purpose: &str, address: &str, made: Timestamp) -> String {
        format!("link {purpose} {address} made={}", made.as_micros())
    }
}

fn lines(tx: &mut ReadTx<'_>, now: Timestamp) -> Result<Vec<(Uuid, String)>, DbError> {
    let mut lines = tx.query_all(&ACCOUNTS, &[], |row| {
        let (enabled, enrolled): (bool, bool) = (row.get(3)?, row.get(5)?);
        assert_eq!(
            enabled, enrolled,
            "an account asks for a factor that it has not, or not for one that it has"
        );
        let address: String = row.get(1)?;
        Ok((row.get(0)?, line::account(&address, row.get(2)?, row.get(4)?, enrolled, row.get(6)?)))
    })?;
    let at = &gatepost_db::params![now];
    lines.extend(tx.query_all(&SESSIONS, at, |row| {
        let second: Option<i64> = row.get(5)?;
        assert!(
            second.is_some() || !row.get::<bool>(6)?,
            "a session of an account with a factor has not shown it"
        );
        let kind: String = row.get(1)?;
        Ok((row.get(0)?, line::session(&kind, row.get(2)?, row.get(3)?, row.get(4)?, second)))
    })?);
    let challenge = |row: &Row<'_>| Ok((row.get(0)?, line::challenge(row.get(1)?, row.get(2)?)));
    lines.extend(tx.query_all(&CHALLENGES, at, challenge)?);
    lines.extend(tx.query_all(&LINKS, at, |row| {
        let (purpose, address): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((row.get(0)?, line::link(&purpose, &address, row.get(3)?)))
    })?);
    lines.sort();
    Ok(lines)
}

impl Rows {
    /// What there is now, in one look.
    pub(crate) async fn read(app: &TestApp) -> Self {
        let now = app.clock.now();
        let read = app.db().read(move |tx| {
            let owed = tx.query_all(&OWED, &[], |row| Ok((row.get::<Uuid>(0)?, row.get::<Vec<u8>>(1)?)))?;
            Ok::<_, DbError>((facts(tx)?, lines(tx, now)?, owed))
        });
        let (facts, lines, sealed) = read.await.unwrap();
        let key = master_key().derive("gatepost outbox");
        let open = |(id, sealed): &(Uuid, Vec<u8>)| {
            let text = key.open(id.as_bytes(), sealed).unwrap();
            let mail: Value = serde_json::from_slice(text.expose()).unwrap();
            let link = mail["letter"]["link"].as_str()?;
            let (page, token) = link.rsplit_once('/')?.1.split_once("#token=")?;
            app.is_secret("token of a mail", token);
            let to = mail["to"].as_str()?.to_owned();
            Some(Mailed { page: page.to_owned(), to, token: token.to_owned() })
        };
        let mails = sealed.iter().filter_map(open).collect();
        Self { facts, lines, mails, owed: sealed.len() }
    }
}
