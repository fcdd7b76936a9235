//! Browser sessions: who is behind a cookie, and a new cookie for the same session.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Timestamp, TokenHash};

use super::cookie::{CookieKey, SessionCookie};
use super::identities::{Identities, Identity, SessionState};
use super::mint::Mint;
use super::sql;
use crate::app::App;
use crate::ids::{SessionId, UserId};

/// Who is behind this session cookie, if anybody is.
///
/// It asks the database each time: a session that ended, or has another cookie by now, is refused at once on every node,
/// and the idle limit is judged by what all nodes have seen.
///
/// # Errors
/// What the database says.
pub async fn of_cookie(
    app: &App,
    cookie: &TokenHash,
    now: Timestamp,
) -> Result<Option<Arc<Identity>>, DbError> {
    let found = app.identities.of_cookie(cookie).await?;
    Ok(found.filter(|identity| within_limits(&app.mint, identity, now)).map(Arc::new))
}

fn within_limits(mint: &Mint, identity: &Identity, now: Timestamp) -> bool {
    let session = &identity.session;
    let idle_until = identity.last_seen.get().plus(mint.limits(session.kind).idle);
    now < idle_until && now < session.absolute_until
}

/// Whose session a cookie names, whether or not that session still lives: enough to end it.
///
/// # Errors
/// What the database says.
pub async fn named_by_cookie(app: &App, cookie: &TokenHash) -> Result<Option<(UserId, SessionId)>, DbError> {
    sql::named_by_cookie(&app.db, cookie).await
}

/// A new cookie for a browser session that goes on, drawn before the transaction.
pub struct Renewal {
    session: SessionId,
    user: UserId,
    cookie: SessionCookie,
}

impl Renewal {
    /// What the browser is to get, once [`renew_cookie`] has committed.
    pub const fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }
}

impl Mint {
    /// Draws the next cookie of a session; `None` for one that has tokens, which needs none.
    pub fn renewal(&self, user: UserId, session: &SessionState) -> Option<Renewal> {
        session.kind.is_browser().then(|| Renewal {
            session: session.id,
            user,
            cookie: SessionCookie {
                key: CookieKey::draw(&self.random),
                max_age: self.max_age(session.kind),
                expires_in: self.limits(session.kind).idle.as_secs(),
            },
        })
    }
}

/// Gives a browser session its new cookie. Whoever proves more than before, in the same session, gets another id, so
/// that nobody profits from an id that was planted or read before (ASVS 5.0, 7.2.4). The old one is refused from the
/// commit on.
///
/// Returns whether the session was still there to be renewed.
///
/// # Errors
/// What the database says.
pub fn renew_cookie(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    renewal: &Renewal,
) -> Result<bool, DbError> {
    identities.forget_after_commit(tx, renewal.user);
    sql::renew_cookie(tx, renewal.session, &renewal.cookie.key.hash())
}
