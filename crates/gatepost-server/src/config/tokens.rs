//! Tokens and the keys that sign them.

use std::time::Duration;

use gatepost_kernel::Secret;
use gatepost_token::Algorithm;

use super::problem::Complaint;
use super::reader::Reader;
use super::setting::Setting;
use super::span::{DAY, HOUR, MINUTE, secs, span_text};

/// Access and refresh tokens.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// The `aud` claim; `None` is the issuer.
    pub audience: Option<String>,
    /// What signs access tokens.
    pub algorithm: Algorithm,
    /// Whether `POST /oauth/token` takes `grant_type=password`.
    pub password_grant: bool,
    /// How long a session lives without a refresh.
    pub refresh_idle: Duration,
    /// How long a session lives at most.
    pub refresh_absolute: Duration,
    /// How long a refresh token that was just replaced answers once more, for clients that lost the answer.
    pub replay_window: Duration,
}

/// The life of signing keys, and the key that seals them.
#[derive(Clone)]
pub struct KeysConfig {
    /// How long a key signs.
    pub rotate_every: Duration,
    /// How long a key is published before it signs.
    pub publish_before: Duration,
    /// How long a key is published after it stopped signing.
    pub retire_after: Duration,
    /// What seals the private keys in the database; `None` keeps one in `data_dir/master.key`.
    pub master_key: Option<Secret<String>>,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "tokens.access_ttl",
        "'15m'",
        "How long an access token lives, 1 to 60 minutes. Other services accept it that long after a sign-out.",
    ),
    Setting::unset(
        "tokens.audience",
        "'https://api.example.com'",
        "The `aud` claim of access tokens. Unset: the issuer.",
    ),
    Setting::new(
        "tokens.algorithm",
        "'EdDSA'",
        "What signs access tokens: EdDSA, ES256, RS256 or HS256. With HS256, no other service can verify them.",
    ),
    Setting::new(
        "tokens.password_grant",
        "true",
        "Whether POST /oauth/token takes grant_type=password, as form-login clients and the Authorize button use it.",
    ),
    Setting::new("tokens.refresh_idle", "'7d'", "How long a session lives without being used."),
    Setting::new("tokens.refresh_absolute", "'30d'", "How long a session lives at most, used or not."),
    Setting::new(
        "tokens.replay_window",
        "'10s'",
        "How long a refresh token that was just replaced works once more, for a client that lost the answer. 0 to 60 \
         seconds; later use ends the session.",
    ),
    Setting::new("keys.rotate_every", "'30d'", "How long a key signs before the next one takes over."),
    Setting::new(
        "keys.publish_before",
        "'24h'",
        "How long a key is published before it signs, so that every verifier has it in time.",
    ),
    Setting::new(
        "keys.retire_after",
        "'24h'",
        "How long a key stays published after it stopped signing. At least tokens.access_ttl.",
    ),
    Setting::secret(
        "keys.master_key",
        "'(at least 32 random bytes)'",
        "What seals the private keys in the database. Unset: one is made in data_dir/master.key.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> TokenConfig {
    let config = TokenConfig {
        access_ttl: reader.duration("tokens.access_ttl", secs(MINUTE, HOUR)),
        audience: reader.parsed("tokens.audience", audience),
        algorithm: reader
            .choice("tokens.algorithm", Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm))),
        password_grant: reader.bool("tokens.password_grant"),
        refresh_idle: reader.duration("tokens.refresh_idle", secs(HOUR, 365 * DAY)),
        refresh_absolute: reader.duration("tokens.refresh_absolute", secs(HOUR, 3 * 365 * DAY)),
        replay_window: reader.duration("tokens.replay_window", secs(0, MINUTE)),
    };
    if config.refresh_idle > config.refresh_absolute
        && reader.are_sound(&["tokens.refresh_idle", "tokens.refresh_absolute"])
    {
        let [idle, absolute] = [config.refresh_idle, config.refresh_absolute].map(span_text);
        let complaint = Complaint::new(format!("{idle} is more than tokens.refresh_absolute ({absolute})"));
        reader.refuse("tokens.refresh_idle", complaint.hint("shorten the one or lengthen the other"));
    }
    config
}

pub(crate) fn read_keys(reader: &mut Reader<'_>, tokens: &TokenConfig) -> KeysConfig {
    let config = KeysConfig {
        rotate_every: reader.duration("keys.rotate_every", secs(DAY, 365 * DAY)),
        publish_before: reader.duration("keys.publish_before", secs(MINUTE, 90 * DAY)),
        retire_after: reader.duration("keys.retire_after", secs(MINUTE, 90 * DAY)),
        master_key: reader.secret_key("keys.master_key"),
    };
    if config.retire_after < tokens.access_ttl
        && reader.are_sound(&["keys.retire_after", "tokens.access_ttl"])
    {
        // Tokens would outlive the key that verifies them.
        let [retire, ttl] = [config.retire_after, tokens.access_ttl].map(span_text);
        let complaint = Complaint::new(format!("{retire} is less than tokens.access_ttl ({ttl})"));
        reader.refuse("keys.retire_after", complaint.hint("keep a key published as long as its tokens live"));
    }
    if config.publish_before >= config.rotate_every
        && reader.are_sound(&["keys.publish_before", "keys.rotate_every"])
    {
        let [before, every] = [config.publish_before, config.rotate_every].map(span_text);
        let complaint = Complaint::new(format!("{before} is not less than keys.rotate_every ({every})"));
        reader.refuse(
            "keys.publish_before",
            complaint.hint("publish the next key while the current one signs"),
        );
    }
    config
}

/// A `StringOrURI` (RFC 7519, section 2) that fits in a header.
fn audience(text: &str) -> Result<String, Complaint> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new("must be 1 to 255 visible ASCII characters without spaces"))
    }
}
