//! What an operator may decide about passwords.
// read by crate::config

use std::num::NonZeroUsize;
use std::time::Duration;

use super::params::HashParams;
use super::policy::PasswordPolicy;

/// The `[password]` section, after it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Which passwords are accepted.
    pub policy: PasswordPolicy,
    /// How many former passwords may not be used again: 0 to [`PasswordConfig::MAX_HISTORY`].
    pub history: u8,
    /// What a new hash costs.
    pub params: HashParams,
    /// How many hashes run at the same time; `None` is one for each core that the process may use.
    pub permits: Option<NonZeroUsize>,
    /// How long a request waits for its turn before it is answered 503.
    pub wait: Duration,
}

impl PasswordConfig {
    /// The longest history: each entry costs one more hash at a change.
    pub const MAX_HISTORY: u8 = 10;
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            policy: PasswordPolicy::default(),
            history: 5,
            params: HashParams::default(),
            permits: None,
            wait: Duration::from_secs(1),
        }
    }
}
