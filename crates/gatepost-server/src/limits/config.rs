//! What an operator may decide about rates.
// read by crate::config

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use gatepost_kernel::Secret;
use ipnet::IpNet;

use super::model::Rule;

/// The `[limits]` section, after it was checked. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct LimitsConfig {
    /// Whether there are any limits. Without them something in front of the server must keep some.
    pub enabled: bool,
    /// Networks whose clients are not limited.
    pub exempt: Vec<IpNet>,
    /// Where the sensitive limits count.
    pub store: StoreConfig,
    /// The longest that a request waits for Redis.
    pub redis_timeout: Duration,
    /// How many nodes serve together. What a node counts for itself is its part of the whole.
    pub nodes: NonZeroU32,
    /// Sign-ins with a password, by client address.
    pub login: Rule,
    /// Registrations, by client address.
    pub register: Rule,
    /// Requests that make the server send a mail, by client address.
    pub mail: Rule,
    /// Second factors and step-ups, by client address.
    pub second_factor: Rule,
    /// Exchanges of refresh tokens, and token requests as such, by client address.
    pub refresh: Rule,
    /// Exchanges of refresh tokens, by session.
    pub refresh_family: Rule,
    /// Everything else, by client address.
    pub general: Rule,
}

/// Where the sensitive limits count. The others always count in the process.
#[derive(Clone)]
pub enum StoreConfig {
    /// In the process.
    Memory,
    /// In the database.
    Database,
    /// In Redis or what speaks its protocol; the URL may hold a password.
    Redis(Secret<String>),
}

impl LimitsConfig {
    /// Whether a client is not limited.
    pub fn exempts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            enabled: true,
            exempt: Vec::new(),
            store: StoreConfig::Memory,
            redis_timeout: Duration::from_millis(50),
            nodes: NonZeroU32::MIN,
            login: Rule::new(30, 5 * MINUTE).burst(10),
            register: Rule::new(10, HOUR),
            mail: Rule::new(20, HOUR),
            second_factor: Rule::new(30, 5 * MINUTE),
            refresh: Rule::new(300, MINUTE),
            refresh_family: Rule::new(30, MINUTE),
            general: Rule::new(600, MINUTE),
        }
    }
}
