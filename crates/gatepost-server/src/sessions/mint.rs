//! The one mint: where sessions begin and tokens are made.

use std::sync::Arc;
use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Clock, Id, Random, Secret, Timestamp};
use gatepost_token::{Claims, SigningError};

use super::cookie::{CookieKey, SessionCookie};
use super::model::{Assurance, Policy, RefreshToken, Shown};
use super::places::Places;
use super::sql;
use super::wanted::Wanted;
use crate::access::{self, AccessRules};
use crate::audit::{self, Act, Event};
use crate::http::Rights;
use crate::ids::{SessionId, UserId};
use crate::keys::{KeyRing, ServerKey};

/// The device that signs in, as far as it says.
#[derive(Clone, Default)]
pub struct Device {
    /// What its user calls it.
    pub name: Option<String>,
    /// Which kind of session it asks for.
    pub wanted: Wanted,
}

/// The random parts of a new session, drawn before the transaction so that running it again is harmless.
pub struct Drawn {
    pub(super) session: SessionId,
    pub(super) key: Key,
    pub(super) device: Device,
}

/// What the client of a new session will hold.
pub(super) enum Key {
    Refresh(RefreshToken),
    Cookie(CookieKey),
}

/// How long a session lives, from its first moment on.
pub(super) struct Lifetimes {
    pub(super) begin: Timestamp,
    pub(super) idle_until: Timestamp,
    pub(super) absolute_until: Timestamp,
}

/// The right to the credentials of one session. Only [`open`] and [`exchange`](super::exchange) make one.
pub struct Grant {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) client_id: String,
    pub(super) epoch: i64,
    pub(super) rights: Rights,
    pub(super) credential: Credential,
}

/// What a grant gives a right to.
pub(super) enum Credential {
    /// Access tokens, and the refresh token for the next ones. It works until then.
    Tokens { refresh: Secret<String>, until: Timestamp },
    /// A session cookie. Unused, it works until then.
    Cookie { key: CookieKey, kind: Wanted, until: Timestamp },
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
    /// How long a browser session lives.
    pub browser: SessionLimits,
    /// How long one lives whose user asked to be remembered.
    pub remembered: SessionLimits,
    /// Where addresses are, if the operator has a file that tells.
    pub places: Option<Places>,
    /// What every sign-in must meet.
    pub policy: Policy,
    /// The roles that count only where a second factor was shown.
    pub access: AccessRules,
}

/// How long a session lives.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without being used.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

/// Why there are no tokens for a grant.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The grant is for a cookie.
    #[error("a browser session has no tokens")]
    Browser,
    /// The signature cannot be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
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
        let key = if device.wanted.is_browser() {
            Key::Cookie(CookieKey::draw(&self.random))
        } else {
            Key::Refresh(RefreshToken::draw(&self.random))
        };
        Drawn { session, key, device }
    }

    /// The limits of a kind of session: idle and absolute.
    pub(super) fn limits(&self, wanted: Wanted) -> SessionLimits {
        let settings = &self.settings;
        match wanted {
            Wanted::Tokens => {
                SessionLimits { idle: settings.refresh_idle, absolute: settings.refresh_absolute }
            }
            Wanted::Browser => settings.browser,
            Wanted::RememberedBrowser => settings.remembered,
        }
    }

    pub(super) fn lifetimes(&self, begin: Timestamp, wanted: Wanted) -> Lifetimes {
        let SessionLimits { idle, absolute } = self.limits(wanted);
        let absolute_until = begin.plus(absolute);
        Lifetimes { begin, idle_until: begin.plus(idle).min(absolute_until), absolute_until }
    }

    /// Makes the tokens that a grant gives a right to. Call it after the commit, never in a transaction: a token that
    /// was signed for a session that was rolled back would be a lie.
    ///
    /// # Errors
    /// [`MintError`]: the grant is for a cookie, or the signature cannot be made.
    pub fn tokens(&self, grant: &Grant) -> Result<Tokens, MintError> {
        let Credential::Tokens { refresh, until } = &grant.credential else { return Err(MintError::Browser) };
        let now = self.clock.now();
        let issued = now.as_secs();
        // No access token outlives its session, wherever it is verified.
        let left = until.since(now).as_secs();
        let ttl = self.settings.access_ttl.as_secs().min(left);
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
            refresh_token: refresh.clone(),
            // To the nearest second: the transaction took a few milliseconds of the life.
            refresh_expires_in: until.plus(Duration::from_millis(500)).since(now).as_secs(),
        })
    }

    /// The cookie that a grant gives a right to; `None` when it gives one to tokens.
    pub fn cookie(&self, grant: &Grant) -> Option<SessionCookie> {
        match &grant.credential {
            Credential::Tokens { .. } => None,
            Credential::Cookie { key, kind, until } => {
                let left = until.plus(Duration::from_millis(500)).since(self.clock.now());
                Some(SessionCookie {
                    key: key.clone(),
                    max_age: self.max_age(*kind),
                    expires_in: left.as_secs(),
                })
            }
        }
    }

    /// Where whoever acts is, as far as their address tells and the operator has a file that knows.
    pub fn place_of(&self, act: &Act) -> Option<String> {
        self.settings.places.as_ref()?.name(act.address?)
    }

    /// How long a browser is to keep the cookie of such a session; the server's limits hold whatever it does.
    pub(super) fn max_age(&self, kind: Wanted) -> Option<Duration> {
        match kind {
            Wanted::Tokens | Wanted::Browser => None,
            Wanted::RememberedBrowser => Some(self.settings.remembered.absolute),
        }
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
    let held = access::roles_of(tx, assurance.user)?;
    let rights = mint.settings.access.rights(held, assurance.second.is_some());
    let kind = drawn.device.wanted;
    let lifetimes = mint.lifetimes(act.at, kind);
    let location = mint.place_of(act);
    let row = sql::NewSession { act, assurance, client_id, drawn, lifetimes: &lifetimes, location };
    sql::insert_session(tx, &row)?;
    let credential = match &drawn.key {
        Key::Refresh(token) => {
            sql::insert_family(tx, &row, token)?;
            Credential::Tokens { refresh: token.to_text(), until: lifetimes.idle_until }
        }
        Key::Cookie(key) => Credential::Cookie { key: key.clone(), kind, until: lifetimes.idle_until },
    };
    let act = act.clone().by(assurance.user);
    let signed_in = Event::SignedIn {
        user: assurance.user,
        session: drawn.session,
        method: assurance.method,
        second: assurance.second.map(Shown::name),
    };
    audit::record(tx, &act, &signed_in)?;
    Ok(Grant {
        user: assurance.user,
        session: drawn.session,
        client_id: (*client_id).to_owned(),
        epoch: assurance.epoch,
        rights,
        credential,
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
