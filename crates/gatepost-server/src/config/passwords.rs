//! How passwords are judged and hashed.

use std::time::Duration;

use super::problem::Complaint;
use super::reader::Reader;
use super::setting::Setting;
use super::span::secs;

/// How passwords are judged and hashed.
#[derive(Clone, Debug)]
pub struct PasswordConfig {
    /// What a new password must be like.
    pub policy: PasswordPolicy,
    /// How many old passwords may not come back; 0 remembers none.
    pub history: u32,
    /// The cost of a hash.
    pub hash: HashConfig,
}

/// What a new password must be like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordPolicy {
    /// Length and a block list, no composition rules (NIST SP 800-63B-4, section 3.1.1.2), with a strength estimate.
    Modern,
    /// The same floor, and letters, digits and punctuation on top, for those whose auditor insists.
    Classic,
    /// Only what NIST SP 800-63B-4 asks for.
    NistStrict,
}

/// The cost of an Argon2id hash (RFC 9106), and how many run at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashConfig {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes run at once; `None` is one for each core.
    pub permits: Option<u32>,
    /// How long a request waits for its turn before it is answered with 503.
    pub wait: Duration,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "password.policy",
        "'modern'",
        "What a new password must be like: modern (length and block list), classic (with composition rules) or \
         nist_strict (only what NIST SP 800-63B-4 asks for).",
    ),
    Setting::new("password.history", "5", "How many old passwords may not be used again, 0 to 10."),
    Setting::new("password.hash.memory_kib", "19456", "Memory of one Argon2id hash, in KiB."),
    Setting::new(
        "password.hash.iterations",
        "2",
        "Passes of Argon2id. At least 2, or 1 with 47104 KiB of memory (OWASP).",
    ),
    Setting::new("password.hash.parallelism", "1", "Lanes of Argon2id."),
    Setting::new("password.hash.permits", "0", "How many hashes run at once. 0: one for each core."),
    Setting::new(
        "password.hash.wait",
        "'1s'",
        "How long a sign-in waits for its turn before it is answered with 503.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> PasswordConfig {
    let config = PasswordConfig {
        policy: reader.choice(
            "password.policy",
            [
                ("modern", PasswordPolicy::Modern),
                ("classic", PasswordPolicy::Classic),
                ("nist_strict", PasswordPolicy::NistStrict),
            ],
        ),
        history: reader.integer("password.history", 0..=10),
        hash: HashConfig {
            memory_kib: reader.integer("password.hash.memory_kib", 19_456..=1_048_576),
            iterations: reader.integer("password.hash.iterations", 1..=16),
            parallelism: reader.integer("password.hash.parallelism", 1..=4),
            permits: Some(reader.integer("password.hash.permits", 0..=256)).filter(|permits| *permits > 0),
            wait: reader.duration("password.hash.wait", Duration::from_millis(50)..=*secs(0, 30).end()),
        },
    };
    // OWASP's equivalents: (19 MiB, 2 passes) or (46 MiB, 1 pass).
    let HashConfig { memory_kib, iterations, .. } = config.hash;
    let is_strong = iterations >= 2 || memory_kib >= 47_104;
    if !is_strong && reader.are_sound(&["password.hash.memory_kib", "password.hash.iterations"]) {
        let complaint = Complaint::new(format!("1 pass over {memory_kib} KiB is too cheap to guess against"));
        reader.refuse(
            "password.hash.iterations",
            complaint.hint("use 2 passes, or at least 47104 KiB of memory"),
        );
    }
    config
}
