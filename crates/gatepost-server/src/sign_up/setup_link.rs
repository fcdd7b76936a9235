//! The one-time link that makes the first owner.

use std::time::Duration;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_kernel::{OpaqueToken, Purpose, Timestamp, TokenHash};

use super::sql;
use crate::access::{self, ADMIN};
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::sessions::{self, Assurance, Drawn, FIRST_PARTY, Grant, Mint, Proof, SignIn};

const PREFIX: &str = "gps";
const SETUP: Purpose = Purpose::new("setup");

/// How long a link can be used.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// A link that was just made. Its token is nowhere else: the database has only the hash.
pub struct SetupLink {
    token: OpaqueToken,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl SetupLink {
    /// The link itself. The token rides in the fragment, which browsers send to no server and write to no log.
    pub fn url(&self, issuer: &str) -> String {
        format!("{issuer}/setup#{}", self.token.expose())
    }
}

/// Makes a link and ends the one before. `None` when there is an owner already.
///
/// # Errors
/// What the database says.
pub async fn make_setup_link(app: &App) -> Result<Option<SetupLink>, DbError> {
    let act = app.operator_act();
    let token = OpaqueToken::generate(PREFIX, &app.random);
    let hash = TokenHash::of(SETUP, token.expose());
    let expires_at = act.at.plus(LIFE);
    let made = app
        .db
        .write(move |tx| {
            if has_owner(tx)? {
                return Ok::<_, DbError>(false);
            }
            sql::put_link(tx, &hash, expires_at, act.at)?;
            audit::record(tx, &act, &Event::SetupLinkMade)?;
            Ok(true)
        })
        .await?;
    Ok(made.then_some(SetupLink { token, expires_at }))
}

/// Whether somebody administers this installation.
///
/// # Errors
/// What the database says.
pub fn has_owner(tx: &mut ReadTx<'_>) -> Result<bool, DbError> {
    access::somebody_has(tx, ADMIN)
}

/// The hash that a presented token must have in the database; `None` for what was never a token.
pub(super) fn hash_of(token: &str) -> Option<TokenHash> {
    OpaqueToken::has_shape(PREFIX, token).then(|| TokenHash::of(SETUP, token))
}

/// Whether the link can still be used.
pub(super) fn is_live(tx: &mut ReadTx<'_>, hash: &TokenHash, now: Timestamp) -> Result<bool, DbError> {
    sql::link_is_live(tx, hash, now)
}

/// Uses the link up. Whether it could be used.
pub(super) fn consume(tx: &mut WriteTx<'_>, hash: &TokenHash, now: Timestamp) -> Result<bool, DbError> {
    sql::consume_link(tx, hash, now)
}

/// Opens the first session of an account that was made in this transaction.
pub(super) fn admit(
    tx: &mut WriteTx<'_>,
    mint: &Mint,
    act: &Act,
    (user, proof): (&User, Proof),
    drawn: &Drawn,
) -> Result<(Grant, User), accounts::Error> {
    let assurance =
        Assurance::establish(user, proof.into(), mint.policy()).map_err(|_| accounts::Error::NotFound)?;
    let sign_in = SignIn { assurance, client_id: FIRST_PARTY, drawn };
    let grant = sessions::open(tx, mint, act, &sign_in)?;
    let user = accounts::mark_signed_in(tx, user.id, act.at)?;
    Ok((grant, user))
}
