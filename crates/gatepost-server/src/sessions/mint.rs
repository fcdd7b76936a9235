//! The one mint: where sessions begin and tokens are made.

use std::sync::Arc;
use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Clock, Id, Random, Secret, Timestamp};
use gatepost_token::{Claims, SigningError};

use super::model::{Assurance, Policy, RefreshToken, SecondFactor};
use super::sql;
use crate::access::{self, SecondFactorRoles};
use crate::audit::{self, Act, Event};
use crate::http::Rights;
use crate::ids::{SessionId, UserId};
use crate::keys::{KeyRing, ServerKey};

/// The device that signs in, as far as it says.
#[derive(Clone, Default)]
pub struct Device {
    /// What its user calls it.
    pub name: Option<String>,
}

/// The random parts of a new session, drawn before the transaction so that running it again is harmless.
pub struct Drawn {
    pub(super) session: SessionId,
    pub(super) refresh: RefreshToken,
    pub(super) device: Device,
}

/// How long a session lives, from its first moment on.
pub(super) struct Lifetimes {
    pub(super) begin: Timestamp,
    pub(super) idle_until: Timestamp,
    pub(super) absolute_until: Timestamp,
}

/// The right to a set of tokens for one session. Only [`open`] and [`exchange`](super::exchange) make one.
pub struct Grant {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) client_id: String,
    pub(super) epoch: i64,
    pub(super) rights: Rights,
    pub(super) refresh: Secret<String>,
    pub(super) refresh_until: Timestamp,
}

impl Grant {
    /// Whose tokens these will be.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// For which session.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// What the account may do in it.
    pub const fn rights(&self) -> &Rights {
        &self.rights
    }
}

/// Tokens, ready to be shown once.
pub struct Tokens {
    /// An RFC 9068 access token.
    pub access_token: Secret<String>,
    /// Its life in whole seconds.
    pub expires_in: u64,
    /// The refresh token.
    pub refresh_token: Secret<String>,
    /// Its life in whole seconds, if it is not used before.
    pub refresh_expires_in: u64,
}

/// What the mint is told once.
#[derive(Clone)]
pub struct Settings {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long a session lives without a refresh.
    pub refresh_idle: Duration,
    /// How long a session lives at most.
    pub refresh_absolute: Duration,
    /// How long a replaced refresh token is answered with its successor once more.
    pub replay_window: Duration,
    /// What every sign-in must meet.
    pub policy: Policy,
    /// The roles that count only where a second factor was shown.
    pub second_factor_roles: SecondFactorRoles,
}

/// Makes sessions' tokens. Cloning shares it.
#[derive(Clone)]
pub struct Mint {
    pub(super) settings: Arc<Settings>,
    pub(super) keys: KeyRing,
    pub(super) successors: ServerKey,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

impl Mint {
    /// A mint that signs with the ring's active key. `successors` seals refresh tokens that may be replayed.
    pub fn new(
        settings: Settings,
        keys: KeyRing,
        successors: ServerKey,
        clock: Clock,
        random: Random,
    ) -> Self {
        Self { settings: Arc::new(settings), keys, successors, clock, random }
    }

    /// What every sign-in must meet.
    pub fn policy(&self) -> Policy {
        self.settings.policy
    }

    /// Draws the random parts of a session.
    pub fn draw(&self, device: Device) -> Drawn {
        let session = Id::generate(self.clock.now(), &self.random);
        Drawn { session, refresh: RefreshToken::draw(&self.random), device }
    }

    pub(super) fn lifetimes(&self, begin: Timestamp) -> Lifetimes {
        let absolute_until = begin.plus(self.settings.refresh_absolute);
        Lifetimes {
            begin,
            idle_until: begin.plus(self.settings.refresh_idle).min(absolute_until),
            absolute_until,
        }
    }

    /// Makes the tokens that a grant gives a right to. Call it after the commit, never in a transaction: a token that
    /// was signed for a session that was rolled back would be a lie.
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn tokens(&self, grant: &Grant) -> Result<Tokens, SigningError> {
        let now = self.clock.now();
        let issued = now.as_secs();
        let ttl = self.settings.access_ttl.as_secs();
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            sub: grant.user.to_string(),
            aud: self.settings.audience.clone(),
            exp: issued.saturating_add_unsigned(ttl),
            iat: issued,
            jti: Id::<TokenKind>::generate(now, &self.random).to_string(),
            client_id: grant.client_id.clone(),
            sid: grant.session.to_string(),
            scope: String::new(),
            roles: grant.rights.roles.clone(),
            epoch: grant.epoch,
        };
        Ok(Tokens {
            access_token: self.keys.current().sign(&claims)?,
            expires_in: ttl,
            refresh_token: grant.refresh.clone(),
            // To the nearest second: the transaction took a few milliseconds of the life.
            refresh_expires_in: grant.refresh_until.plus(Duration::from_millis(500)).since(now).as_secs(),
        })
    }
}

/// A kind of [`Id`]: one access token (`jti`).
enum TokenKind {}

/// Begins a session in the transaction that makes its account's state true.
///
/// # Errors
/// What the database says.
pub fn open(tx: &mut WriteTx<'_>, mint: &Mint, act: &Act, sign_in: &SignIn<'_>) -> Result<Grant, DbError> {
    let SignIn { assurance, client_id, drawn } = sign_in;
    let rights = access::rights_of(tx, assurance.user)?;
    let rights = mint.settings.second_factor_roles.counting(rights, assurance.second.is_some());
    let lifetimes = mint.lifetimes(act.at);
    sql::insert_session(tx, act, assurance, client_id, drawn)?;
    sql::insert_family(tx, assurance, client_id, drawn, &lifetimes)?;
    let act = act.clone().by(assurance.user);
    let signed_in = Event::SignedIn {
        user: assurance.user,
        session: drawn.session,
        method: assurance.method,
        second: assurance.second.map(SecondFactor::name),
    };
    audit::record(tx, &act, &signed_in)?;
    Ok(Grant {
        user: assurance.user,
        session: drawn.session,
        client_id: (*client_id).to_owned(),
        epoch: assurance.epoch,
        rights,
        refresh: drawn.refresh.to_text(),
        refresh_until: lifetimes.idle_until,
    })
}

/// What [`open`] needs.
pub struct SignIn<'a> {
    /// The policy's word.
    pub assurance: Assurance,
    /// Which application mediates.
    pub client_id: &'a str,
    /// The random parts.
    pub drawn: &'a Drawn,
}
