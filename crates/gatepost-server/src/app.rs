//! The parts of a running application, wired together.

use std::ops::Deref;
use std::sync::Arc;

use gatepost_db::Db;
use gatepost_kernel::{Clock, Random};

use crate::access::AccessRules;
use crate::api_keys::ApiKeys;
use crate::attempts::Attempts;
use crate::audit::{Act, ChainKey};
use crate::config::Config;
use crate::extension::{Extension, OwnedResource};
use crate::features;
use crate::http::{CookieJar, CsrfGuard};
use crate::keys::{KeyRing, KeysError, MasterKey, Schedule};
use crate::limits::{Limits, NotARedisUrl};
use crate::outbox::{MailboxKey, Outbox};
use crate::passwords::{Hasher, HasherSettings, Pepper, PepperIdError, Peppers};
use crate::recovery::Requests;
use crate::second_factor::Factors;
use crate::sessions::{Identities, Mint, Places, PlacesError, Policy, SessionLimits, Settings};

/// A running application. Cloning shares it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What handlers find in an [`App`].
pub struct Parts {
    /// What the operator decided.
    pub config: Config,
    /// The public address of this server, without a slash at the end: the issuer of tokens, the start of every link.
    pub issuer: String,
    /// The storage.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Unpredictable bytes.
    pub random: Random,
    /// Computes password hashes, off the async threads.
    pub hasher: Hasher,
    /// The signing keys.
    pub keys: KeyRing,
    /// How long they live.
    pub schedule: Schedule,
    /// Keys and limits of second factors.
    pub second_factor: Factors,
    /// Where mails are put.
    pub outbox: Outbox,
    /// What the pages of the local mailbox want to see.
    pub mailbox_key: MailboxKey,
    /// Wakes whoever answers requests for links.
    pub mail_requests: Requests,
    /// The key of the audit log's chain.
    pub chain: ChainKey,
    /// Who is behind an access token.
    pub identities: Identities,
    /// Who is behind an API key.
    pub api_keys: ApiKeys,
    /// What turns roles into rights.
    pub access: AccessRules,
    /// What the application around us added.
    pub extension: Extension,
    /// The one mint.
    pub mint: Mint,
    /// How often clients may ask.
    pub limits: Limits,
    /// How cookies are written and read.
    pub cookies: CookieJar,
    /// What the lock-out knows accounts and devices by.
    pub attempts: Attempts,
    /// Tells requests of our own pages from those of other sites.
    pub csrf: CsrfGuard,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What an application is made of.
pub struct Ingredients {
    /// What the operator decided.
    pub config: Config,
    /// The public address; see [`crate::config::ServerConfig::issuer`].
    pub issuer: String,
    /// A database whose schema is up to date.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Unpredictable bytes.
    pub random: Random,
    /// What seals secrets in the database.
    pub master: MasterKey,
    /// What the application around us adds.
    pub extension: Extension,
}

/// Why an application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The signing keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The file of places cannot be used.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// The operating system gave no thread for hashing.
    #[error("cannot start the threads that hash passwords")]
    Threads(#[from] std::io::Error),
    /// The name of the pepper key is not one.
    #[error(transparent)]
    Pepper(#[from] PepperIdError),
    /// The shared store of the limits cannot be named.
    #[error(transparent)]
    Limits(#[from] NotARedisUrl),
}

impl App {
    /// An application that serves: it makes the first signing key if there is none.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(ingredients: Ingredients) -> Result<Self, StartError> {
        let app = Self::beside(ingredients).await?;
        crate::keys::rotate(&app.db, &app.keys, &app.schedule, &app.operator_act()).await?;
        app.limits.look_again().await;
        if app.limits.is_degraded() {
            tracing::warn!("the shared store of the limits does not answer: this node counts for itself");
        }
        Ok(app)
    }

    /// An application that works beside a server. It leaves the keys alone: how they live is the server's
    /// configuration, not that of whoever runs a command.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn beside(ingredients: Ingredients) -> Result<Self, StartError> {
        let Ingredients { config, issuer, db, clock, random, master, extension } = ingredients;
        let audience = config.tokens.audience.clone().unwrap_or_else(|| issuer.clone());
        let keys = KeyRing::new(db.clone(), master.derive("gatepost signing keys"), &issuer, &audience);
        let schedule = Schedule {
            algorithm: config.tokens.algorithm,
            rotate_every: config.keys.rotate_every,
            publish_before: config.keys.publish_before,
            retire_after: config.keys.retire_after,
        };
        keys.reload().await?;

        let pepper = Pepper::new("k1".parse()?, master.derive("gatepost password pepper").into_bytes());
        let peppers = Peppers::new(Some(pepper), Vec::new());
        let hasher = Hasher::start(HasherSettings::new(&config.passwords, peppers), &random)?;
        let permissions = features::permissions().chain(extension.permissions());
        let access = AccessRules::new(permissions, &config.second_factor.required_for);
        let places = config.sessions.geoip_file.as_deref().map(Places::open).transpose()?;
        let settings = Settings {
            issuer: issuer.clone(),
            audience,
            access_ttl: config.tokens.access_ttl,
            refresh_idle: config.tokens.refresh_idle,
            refresh_absolute: config.tokens.refresh_absolute,
            replay_window: config.tokens.replay_window,
            browser: SessionLimits {
                idle: config.sessions.browser_idle,
                absolute: config.sessions.browser_absolute,
            },
            remembered: SessionLimits {
                idle: config.sessions.remembered_idle,
                absolute: config.sessions.remembered_absolute,
            },
            places,
            policy: Policy { verified_only: config.sign_up.mode.is_verified_only() },
            access: access.clone(),
        };
        let successors = master.derive("gatepost refresh successors");
        let mint = Mint::new(settings, keys.clone(), successors, clock.clone(), random.clone());
        let identities = Identities::new(db.clone(), keys.clone(), config.users.cache, access.clone());
        let api_keys = ApiKeys::new(db.clone(), identities.clone(), config.users.cache, access.clone());
        let limits = Limits::new(config.limits.clone(), db.clone())?;
        let cookies = CookieJar::new(&issuer);
        let csrf = CsrfGuard::new(master.derive("gatepost csrf tokens"), &issuer);
        let chain = ChainKey::new(&master.derive("gatepost audit chain").into_bytes());
        let outbox = Outbox::new(master.derive("gatepost outbox"), random.clone());
        let mailbox_key = MailboxKey::new(master.derive("gatepost mailbox page"));
        let attempts = Attempts::new(
            master.derive("gatepost lock-out names"),
            master.derive("gatepost device cookies"),
            random.clone(),
        );
        let second_factor = Factors::new(&master, config.second_factor.totp_window, outbox.clone());
        let parts = Parts {
            config,
            issuer,
            db,
            clock,
            random,
            hasher,
            keys,
            schedule,
            second_factor,
            outbox,
            mailbox_key,
            mail_requests: Requests::default(),
            chain,
            identities,
            api_keys,
            access,
            extension,
            mint,
            limits,
            cookies,
            attempts,
            csrf,
        };
        Ok(Self(Arc::new(parts)))
    }

    /// Everything that accounts own and that can be given to another account: ours, and what the application around us added.
    pub fn owned_resources(&self) -> Vec<Arc<dyn OwnedResource>> {
        features::resources().into_iter().chain(self.extension.resources().iter().cloned()).collect()
    }

    /// Where users sign in, for mails that say so.
    pub fn sign_in_url(&self) -> String {
        self.config.sign_up.sign_in_url.clone().unwrap_or_else(|| self.issuer.clone())
    }

    /// An act of the server itself or of its operator, now.
    pub fn operator_act(&self) -> Act {
        Act::by_operator(self.clock.now(), self.random.clone())
    }
}
