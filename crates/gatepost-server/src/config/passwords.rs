//! How passwords are judged and hashed.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::passwords::{HashParams, PasswordConfig, PasswordPolicy};

use super::problem::{Complaint, Source};
use super::reader::Reader;
use super::setting::Setting;

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
        "Passes of Argon2id. At least 2 with 19456 KiB of memory, or 1 with 47104 (OWASP).",
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
    let policies = [
        ("modern", PasswordPolicy::Modern),
        ("classic", PasswordPolicy::Classic),
        ("nist_strict", PasswordPolicy::NistStrict),
    ];
    PasswordConfig {
        policy: reader.choice("password.policy", policies),
        history: reader.integer("password.history", 0..=PasswordConfig::MAX_HISTORY),
        params: read_params(reader),
        permits: NonZeroUsize::new(reader.integer::<u16>("password.hash.permits", 0..=256).into()),
        wait: reader.duration("password.hash.wait", Duration::from_millis(50)..=Duration::from_secs(30)),
    }
}

/// The cost of a hash. Whether it is enough is a question about the three numbers together.
fn read_params(reader: &mut Reader<'_>) -> HashParams {
    let keys = ["password.hash.memory_kib", "password.hash.iterations", "password.hash.parallelism"];
    let [memory_kib, iterations, parallelism] = keys;
    let memory = reader.integer(memory_kib, 8..=HashParams::MAX_MEMORY_KIB);
    let passes = reader.integer(iterations, 1..=64);
    let lanes = reader.integer(parallelism, 1..=64);
    HashParams::new(memory, passes, lanes).unwrap_or_else(|error| {
        if reader.are_sound(&keys) {
            // The problem belongs to whichever number was written.
            let key =
                keys.into_iter().find(|key| reader.source(key) != Source::Default).unwrap_or(memory_kib);
            let complaint = Complaint::new(format!("{memory} KiB, {passes} passes, {lanes} lanes: {error}"));
            reader.refuse(key, complaint);
        }
        HashParams::default()
    })
}
