//! The exchange of a refresh token for the next one.
//!
//! The way that nearly every exchange takes is one statement: the compare-and-swap of `sql::ROTATE`. Only when it finds
//! nothing to swap does a second transaction look at why, and revokes the family if the token was stolen.
//! `docs/adr/0004-refresh-rotation.md` tells the whole story, with the attacks.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Purpose, TokenHash};

use super::identities::{Identities, Identity};
use super::mint::{Credential, Grant, Mint};
use super::model::{Family, Judgement, Presentation, RefreshToken};
use super::sql;
use crate::accounts::{self, Email, User};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::limits::Standing;
use crate::outbox::{Letter, Mail, Outbox};

const FINGERPRINT: Purpose = Purpose::new("refresh-fingerprint");

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The token is unknown, expired, revoked or stolen, or its account may not be used. The client learns only that it
    /// is invalid; the reason is for the log.
    #[error("the refresh token is refused: {0}")]
    Refused(&'static str),
    /// The tokens of this session are exchanged too often. The client keeps its token and waits.
    #[error("the refresh tokens of this session are exchanged too often")]
    Limited(Standing),
    /// The database failed. The client keeps its token and tries again.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Exchanges a refresh token (RFC 6749 section 6, RFC 9700 section 4.14.2).
///
/// # Errors
/// [`ExchangeError::Refused`], after which a stolen family is durably dead, [`ExchangeError::Limited`], or
/// [`ExchangeError::Db`].
pub async fn exchange(
    app: &App,
    presented: &str,
    client_id: &str,
    origin: Origin,
) -> Result<(Grant, Arc<Identity>), ExchangeError> {
    let mint = &app.mint;
    let presented = RefreshToken::parse(presented).ok_or(ExchangeError::Refused("it is malformed"))?;
    let now = app.clock.now();
    let standing = app.limits.admit_family(&presented.selector_hash(), origin.address, now);
    if let Some(standing) = standing.filter(|standing| !standing.is_allowed()) {
        return Err(ExchangeError::Limited(standing));
    }
    let fingerprint = fingerprint(client_id, origin.user_agent.as_deref());
    let successor = presented.successor(&mint.random);
    let sealed = seal(mint, &presented, &successor);
    let rotation = sql::Rotation {
        client_id,
        presented: &presented,
        successor: &successor,
        sealed_successor: &sealed,
        fingerprint: &fingerprint,
        now,
        idle_until: now.plus(mint.settings.refresh_idle),
    };
    let (next, token) = match sql::rotate(&app.db, &rotation).await? {
        Some(next) => (next, successor),
        None => {
            let presentation = Presentation {
                token: presented.validator_hash(),
                fingerprint,
                client_id: client_id.to_owned(),
            };
            explain(app, &presented, presentation, origin).await?
        }
    };
    let identity = app.identities.of_session(next.user, next.session).await?;
    let identity = identity
        .filter(|identity| identity.session.epoch == next.epoch)
        .ok_or(ExchangeError::Refused("its session or account has ended"))?;
    let grant = Grant {
        user: next.user,
        session: next.session,
        client_id: next.client_id,
        epoch: next.epoch,
        rights: identity.rights.clone(),
        credential: Credential::Tokens { refresh: token.to_text(), until: next.idle_until },
    };
    Ok((grant, identity))
}

/// Looks at why there was nothing to swap, and ends the family of a stolen token.
async fn explain(
    app: &App,
    presented: &RefreshToken,
    presentation: Presentation,
    origin: Origin,
) -> Result<(sql::Continued, RefreshToken), ExchangeError> {
    let selector = presented.selector_hash();
    let window = app.mint.settings.replay_window;
    // A look costs no turn of the writer: whoever makes tokens up gets no further.
    let family = app.db.read(move |tx| sql::family_by_selector(tx, &selector)).await?;
    let act = origin.act(app.clock.now());
    let judged =
        family.as_ref().map_or(Judgement::Dead, |family| family.judge(&presentation, act.at, window));
    let (judgement, family) = match judged {
        Judgement::Dead | Judgement::Replay | Judgement::Mismatch => (judged, family),
        Judgement::Reuse | Judgement::ForeignClient => {
            let (identities, outbox) = (app.identities.clone(), app.outbox.clone());
            // A refusal that must be remembered is an `Ok`: an `Err` would roll the revocation back.
            app.db
                .write(move |tx| {
                    let Some(family) = sql::family_by_selector(tx, &selector)? else {
                        return Ok((Judgement::Dead, None));
                    };
                    let judgement = family.judge(&presentation, act.at, window);
                    match judgement {
                        Judgement::Reuse => {
                            revoke(tx, (&identities, &outbox), &family, "refresh_reuse", &act)?;
                        }
                        Judgement::ForeignClient => {
                            revoke(tx, (&identities, &outbox), &family, "wrong_client", &act)?;
                        }
                        Judgement::Dead | Judgement::Replay | Judgement::Mismatch => {}
                    }
                    Ok::<_, DbError>((judgement, Some(family)))
                })
                .await?
        }
    };
    match (judgement, family) {
        (Judgement::Replay, Some(family)) => {
            let token = open_sealed(&app.mint, presented, &family)
                .ok_or(ExchangeError::Refused("its successor cannot be opened"))?;
            let next = sql::Continued {
                session: family.session,
                user: family.user,
                client_id: family.client_id,
                epoch: family.epoch,
                idle_until: family.idle_until,
            };
            Ok((next, token))
        }
        (Judgement::Replay | Judgement::Dead, _) => {
            Err(ExchangeError::Refused("it is unknown, expired or ended"))
        }
        (Judgement::Mismatch, _) => Err(ExchangeError::Refused("another client repeats an exchange")),
        (Judgement::Reuse | Judgement::ForeignClient, _) => {
            metrics::counter!("refresh_reuse_detected_total").increment(1);
            tracing::warn!("a refresh token was used that its owner no longer has: the session has ended");
            Err(ExchangeError::Refused(
                "it was replaced before or belongs to another client: its family is revoked",
            ))
        }
    }
}

/// Ends a stolen family, and tells its owner.
fn revoke(
    tx: &mut WriteTx<'_>,
    (identities, outbox): (&Identities, &Outbox),
    family: &Family,
    reason: &str,
    act: &Act,
) -> Result<(), DbError> {
    identities.forget_after_commit(tx, family.user);
    sql::end_session(tx, family.session, "revoked", reason, act.at)?;
    if let Some(user) = accounts::by_id(tx, family.user)?.filter(User::is_usable)
        && let Ok(email) = Email::parse(&user.email)
    {
        let (to, letter) = (email.mailbox(), Letter::SessionStolen);
        outbox.owe(tx, act.at, &Mail { user: Some(user.id), to, letter, not_after: None })?;
    }
    audit::record(tx, act, &Event::RefreshReuseDetected { user: family.user, session: family.session })
}

/// What ties a repeated exchange to the client that made the first: what it calls itself, without its address, because
/// phones change networks.
fn fingerprint(client_id: &str, user_agent: Option<&str>) -> TokenHash {
    TokenHash::of(FINGERPRINT, format!("{client_id}\0{}", user_agent.unwrap_or_default()))
}

/// Seals the successor under a key that takes the presented token to derive: the database and the server's key
/// together cannot open it.
fn seal(mint: &Mint, presented: &RefreshToken, successor: &RefreshToken) -> Vec<u8> {
    mint.successors
        .salted(presented.validator())
        .seal(presented.validator_hash().as_bytes(), successor.validator())
}

fn open_sealed(mint: &Mint, presented: &RefreshToken, family: &Family) -> Option<RefreshToken> {
    let key = mint.successors.salted(presented.validator());
    let opened = key.open(presented.validator_hash().as_bytes(), family.sealed_successor.as_deref()?)?;
    let validator = opened.expose().as_slice().try_into().ok()?;
    Some(presented.with_validator(validator))
}
