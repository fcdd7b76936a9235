//! The grammars of [`PasswordHash`](super::PasswordHash).

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};

use super::{Argon2Hash, Digest, HashFormatError, PasswordHash, Scheme};
use crate::passwords::params::{HashParams, HashParamsError};

use HashFormatError::{Malformed, TooCostly, UnknownScheme};

/// bcrypt's alphabet. A salt of 128 bits in 22 letters leaves four bits over, which some old systems filled.
const BCRYPT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// 2¹⁴ rounds take about 0.8 s.
const MAX_BCRYPT_COST: u32 = 14;
/// N·r·p, twice the OWASP recommendation. N·r blocks of 128 bytes are then at most 256 MiB.
const MAX_SCRYPT_WORK: u64 = 1 << 21;

/// Salts of other systems in bytes.
const MAX_SALT: usize = 128;

type Parsed<T> = Result<T, HashFormatError>;

pub(super) fn scheme(text: &str) -> Parsed<Scheme> {
    // A prefix decides, so that the error for a foreign scheme is "unknown" and not "malformed".
    let (name, rest) = text.strip_prefix('$').unwrap_or(text).split_once('$').ok_or(UnknownScheme)?;
    if text.len() > PasswordHash::MAX_BYTES || !text.is_ascii() {
        return Err(Malformed);
    }
    match (text.starts_with('$'), name) {
        (true, "argon2id") => argon2(argon2::Algorithm::Argon2id, rest),
        (true, "argon2i") => argon2(argon2::Algorithm::Argon2i, rest),
        (true, "argon2d") => argon2(argon2::Algorithm::Argon2d, rest),
        (true, "2a" | "2b" | "2y") => bcrypt(rest),
        (true, "pbkdf2") => pbkdf2(Digest::Sha1, rest),
        (true, "pbkdf2-sha256") => pbkdf2(Digest::Sha256, rest),
        (true, "pbkdf2-sha512") => pbkdf2(Digest::Sha512, rest),
        (true, "scrypt") => scrypt(rest),
        (false, "pbkdf2_sha1") => django_pbkdf2(Digest::Sha1, rest),
        (false, "pbkdf2_sha256") => django_pbkdf2(Digest::Sha256, rest),
        (false, "scrypt") => django_scrypt(rest),
        // Django writes its own name for the scheme before the usual text.
        (false, "argon2") if rest.starts_with("argon2") => scheme(&format!("${rest}")),
        (false, "bcrypt") if rest.starts_with("$2") => scheme(rest),
        (true | false, _) => Err(UnknownScheme),
    }
}

/// The text of one of our own hashes.
pub(super) fn phc_text(hash: &Argon2Hash) -> String {
    let params = hash.params;
    let key_id = hash.pepper.as_ref().map(|id| format!(",keyid={id}")).unwrap_or_default();
    format!(
        "${}$v={}$m={},t={},p={}{key_id}${}${}",
        hash.algorithm.as_str(),
        u32::from(hash.version),
        params.memory_kib(),
        params.passes(),
        params.lanes(),
        STANDARD_NO_PAD.encode(&hash.salt),
        STANDARD_NO_PAD.encode(&hash.tag),
    )
}

fn argon2(algorithm: argon2::Algorithm, rest: &str) -> Parsed<Scheme> {
    // Without a version it is 1.0, as the reference implementation reads it.
    let (version, rest) = match rest.strip_prefix("v=").map(|rest| rest.split_once('$')) {
        Some(Some(("19", rest))) => (argon2::Version::V0x13, rest),
        Some(Some(("16", rest))) => (argon2::Version::V0x10, rest),
        Some(_) => return Err(Malformed),
        None => (argon2::Version::V0x10, rest),
    };
    let [settings, salt, tag] = parts(rest)?;
    let (mut memory, mut passes, mut lanes, mut pepper) = (None, None, None, None);
    for setting in settings.split(',') {
        match setting.split_once('=').ok_or(Malformed)? {
            ("m", value) if memory.is_none() => memory = Some(decimal(value)?),
            ("t", value) if passes.is_none() => passes = Some(decimal(value)?),
            ("p", value) if lanes.is_none() => lanes = Some(decimal(value)?),
            ("keyid", value) if pepper.is_none() => pepper = Some(value.parse().map_err(|_| Malformed)?),
            (_, _) => return Err(Malformed),
        }
    }
    let (Some(memory), Some(passes), Some(lanes)) = (memory, passes, lanes) else { return Err(Malformed) };
    let params = HashParams::below_the_floor(memory, passes, lanes).map_err(|error| match error {
        HashParamsError::AboveCeiling => TooCostly,
        HashParamsError::Invalid | HashParamsError::BelowFloor => Malformed,
    })?;
    let salt = bytes(&STANDARD_NO_PAD, salt, 8..=MAX_SALT)?;
    let tag = bytes(&STANDARD_NO_PAD, tag, 16..=64)?;
    // The pepper is an HMAC-SHA-256 over a tag of the same length.
    if pepper.is_some() && tag.len() != super::TAG_LEN {
        return Err(Malformed);
    }
    Ok(Scheme::Argon2(Argon2Hash { algorithm, version, params, pepper, salt, tag }))
}

fn bcrypt(rest: &str) -> Parsed<Scheme> {
    let (cost, encoded) = rest.split_once('$').ok_or(Malformed)?;
    if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) || encoded.len() != 53 {
        return Err(Malformed);
    }
    let cost: u32 = cost.parse().map_err(|_| Malformed)?;
    if cost < 4 {
        return Err(Malformed);
    }
    if cost > MAX_BCRYPT_COST {
        return Err(TooCostly);
    }
    let (salt, tag) = encoded.split_at(22);
    let salt = bytes(&BCRYPT, salt, 16..=16)?.try_into().map_err(|_| Malformed)?;
    let tag = bytes(&BCRYPT, tag, 23..=23)?.try_into().map_err(|_| Malformed)?;
    Ok(Scheme::Bcrypt { cost, salt, tag })
}

/// PHC (`i=1000,l=32`) or passlib (`1000`, and `.` for `+`).
fn pbkdf2(digest: Digest, rest: &str) -> Parsed<Scheme> {
    let [settings, salt, tag] = parts(rest)?;
    let (iterations, length) = match settings.strip_prefix("i=") {
        None => (settings, None),
        Some(settings) => match settings.split_once(",l=") {
            None => (settings, None),
            Some((iterations, length)) => (iterations, Some(decimal(length)?)),
        },
    };
    let salt = bytes(&STANDARD_NO_PAD, &salt.replace('.', "+"), 1..=MAX_SALT)?;
    let tag = bytes(&STANDARD_NO_PAD, &tag.replace('.', "+"), 16..=64)?;
    if length.is_some_and(|length| length as usize != tag.len()) {
        return Err(Malformed);
    }
    bounded_pbkdf2(digest, decimal(iterations)?, salt, tag)
}

fn django_pbkdf2(digest: Digest, rest: &str) -> Parsed<Scheme> {
    let [iterations, salt, tag] = parts(rest)?;
    let tag = bytes(&STANDARD, tag, 16..=64)?;
    bounded_pbkdf2(digest, decimal(iterations)?, text_salt(salt)?, tag)
}

fn bounded_pbkdf2(digest: Digest, iterations: u32, salt: Vec<u8>, tag: Vec<u8>) -> Parsed<Scheme> {
    let iterations = NonZeroU32::new(iterations).ok_or(Malformed)?;
    // Each block of output costs all the iterations again (RFC 8018 §5.2).
    let blocks = tag.len().div_ceil(digest.output_len()) as u64;
    if u64::from(iterations.get()) * blocks > digest.max_rounds() {
        return Err(TooCostly);
    }
    Ok(Scheme::Pbkdf2 { digest, iterations, salt, tag })
}

impl Digest {
    const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Rounds of HMAC in about a second. Django 5.2 uses 1,000,000 of SHA-256; OWASP wants 210,000 of SHA-512.
    const fn max_rounds(self) -> u64 {
        match self {
            Self::Sha1 | Self::Sha256 => 2_000_000,
            Self::Sha512 => 1_000_000,
        }
    }
}

fn scrypt(rest: &str) -> Parsed<Scheme> {
    let [settings, salt, tag] = parts(rest)?;
    let settings = settings.strip_prefix("ln=").ok_or(Malformed)?;
    let (log_n, settings) = settings.split_once(",r=").ok_or(Malformed)?;
    let (r, p) = settings.split_once(",p=").ok_or(Malformed)?;
    let salt = bytes(&STANDARD_NO_PAD, salt, 1..=MAX_SALT)?;
    let tag = bytes(&STANDARD_NO_PAD, tag, 16..=64)?;
    bounded_scrypt([decimal(log_n)?, decimal(r)?, decimal(p)?], salt, tag)
}

fn django_scrypt(rest: &str) -> Parsed<Scheme> {
    let [n, salt, r, p, tag] = parts(rest)?;
    let n = decimal(n)?;
    if !n.is_power_of_two() {
        return Err(Malformed);
    }
    let tag = bytes(&STANDARD, tag, 16..=64)?;
    bounded_scrypt([n.trailing_zeros(), decimal(r)?, decimal(p)?], text_salt(salt)?, tag)
}

fn bounded_scrypt([log_n, r, p]: [u32; 3], salt: Vec<u8>, tag: Vec<u8>) -> Parsed<Scheme> {
    if log_n == 0 || r == 0 || p == 0 {
        return Err(Malformed);
    }
    // Before the shift, which has room for 63.
    if log_n > MAX_SCRYPT_WORK.ilog2() {
        return Err(TooCostly);
    }
    let work = (u64::from(r) << log_n).checked_mul(u64::from(p)).ok_or(TooCostly)?;
    if work > MAX_SCRYPT_WORK {
        return Err(TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| Malformed)?;
    Ok(Scheme::Scrypt { log_n, r, p, salt, tag })
}

/// Exactly `N` fields between dollar signs.
fn parts<const N: usize>(rest: &str) -> Parsed<[&str; N]> {
    let mut fields = rest.split('$');
    let mut found = [""; N];
    for slot in &mut found {
        *slot = fields.next().ok_or(Malformed)?;
    }
    if fields.next().is_some() { Err(Malformed) } else { Ok(found) }
}

/// A decimal number without sign and leading zeros, as the PHC format has it.
fn decimal(text: &str) -> Parsed<u32> {
    let canonical = text == "0" || !text.starts_with('0');
    if canonical && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Malformed)
    } else {
        Err(Malformed)
    }
}

fn bytes(engine: &GeneralPurpose, text: &str, length: std::ops::RangeInclusive<usize>) -> Parsed<Vec<u8>> {
    let bytes = engine.decode(text).map_err(|_| Malformed)?;
    if length.contains(&bytes.len()) { Ok(bytes) } else { Err(Malformed) }
}

/// Django's salt is the text itself.
fn text_salt(salt: &str) -> Parsed<Vec<u8>> {
    if (1..=MAX_SALT).contains(&salt.len()) { Ok(salt.as_bytes().to_vec()) } else { Err(Malformed) }
}
