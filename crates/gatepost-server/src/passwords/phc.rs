//! Stored password hashes: their text form and what it means.
//!
//! Ours is a PHC string, `$argon2id$v=19$m=19456,t=2,p=1,keyid=k1$salt$tag`; `keyid` names the pepper. Hashes
//! that another system made can be verified and are replaced at the next login:
//!
//! | scheme | accepted text |
//! |---|---|
//! | Argon2i, Argon2d, Argon2id | PHC; Django's `argon2$argon2id$…` |
//! | bcrypt | `$2a$`, `$2b$`, `$2y$`; Django's `bcrypt$$2b$…` |
//! | PBKDF2 (SHA-1, SHA-256, SHA-512) | PHC `$pbkdf2-sha256$i=…`, passlib `$pbkdf2-sha256$29000$…`, Django `pbkdf2_sha256$…` |
//! | scrypt | PHC and passlib `$scrypt$ln=…`, Django `scrypt$…` |
//!
//! Whoever can bring hashes must not be able to buy a minute of our processor with one login: costs are
//! bounded here, before anything is computed.

use gatepost_kernel::Secret;

use super::params::HashParams;
use super::pepper::{Pepper, PepperId};

mod decode;

/// A password hash as it is stored. It cannot be printed.
#[derive(Clone)]
pub struct PasswordHash {
    text: Secret<String>,
    pub(super) scheme: Scheme,
}

/// Why a text is not a password hash that we verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashFormatError {
    /// The prefix names no scheme that we know.
    #[error("the scheme of the password hash is not supported")]
    UnknownScheme,
    /// The scheme is known, but the rest does not follow it.
    #[error("the password hash is malformed")]
    Malformed,
    /// Verifying it would take more than about a second or more than 256 MiB.
    #[error("the password hash is too costly to verify")]
    TooCostly,
}

/// What a hash consists of.
#[derive(Clone)]
pub(super) enum Scheme {
    Argon2(Argon2Hash),
    Bcrypt { cost: u32, salt: [u8; 16], tag: [u8; 23] },
    Pbkdf2 { digest: Digest, iterations: std::num::NonZeroU32, salt: Vec<u8>, tag: Vec<u8> },
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8>, tag: Vec<u8> },
}

#[derive(Clone)]
pub(super) struct Argon2Hash {
    pub(super) algorithm: argon2::Algorithm,
    pub(super) version: argon2::Version,
    pub(super) params: HashParams,
    pub(super) pepper: Option<PepperId>,
    pub(super) salt: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

/// The hash function inside PBKDF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// Salt of our own hashes in bytes.
pub(super) const SALT_LEN: usize = 16;
/// Tag of our own hashes in bytes.
pub(super) const TAG_LEN: usize = 32;

impl PasswordHash {
    /// The longest text that is looked at, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Reads a stored or imported hash.
    ///
    /// # Errors
    /// [`HashFormatError`], decided from the text alone.
    pub fn parse(text: &str) -> Result<Self, HashFormatError> {
        let scheme = decode::scheme(text)?;
        Ok(Self { text: Secret::new(text.to_owned()), scheme })
    }

    /// A hash that was just computed with our own scheme.
    pub(super) fn own(
        params: HashParams,
        pepper: Option<&Pepper>,
        salt: [u8; SALT_LEN],
        tag: [u8; TAG_LEN],
    ) -> Self {
        let hash = Argon2Hash {
            algorithm: argon2::Algorithm::Argon2id,
            version: argon2::Version::V0x13,
            params,
            pepper: pepper.map(|pepper| pepper.key_id().clone()),
            salt: salt.to_vec(),
            tag: tag.to_vec(),
        };
        Self { text: Secret::new(decode::phc_text(&hash)), scheme: Scheme::Argon2(hash) }
    }

    /// The text to store. It goes into the password table and nowhere else.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The name of the pepper without which nobody can verify it.
    pub fn pepper(&self) -> Option<&PepperId> {
        match &self.scheme {
            Scheme::Argon2(hash) => hash.pepper.as_ref(),
            Scheme::Bcrypt { .. } | Scheme::Pbkdf2 { .. } | Scheme::Scrypt { .. } => None,
        }
    }

    /// Whether a new hash should take its place: another scheme, other parameters or another pepper than new
    /// hashes get. Parameters that are *higher* count too, because a login that takes longer than that of an unknown
    /// user gives the account away.
    pub fn needs_rehash(&self, params: &HashParams, pepper: Option<&PepperId>) -> bool {
        match &self.scheme {
            Scheme::Argon2(hash) => {
                hash.algorithm != argon2::Algorithm::Argon2id
                    || hash.version != argon2::Version::V0x13
                    || hash.params != *params
                    || hash.pepper.as_ref() != pepper
                    || hash.salt.len() < SALT_LEN
                    || hash.tag.len() < TAG_LEN
            }
            Scheme::Bcrypt { .. } | Scheme::Pbkdf2 { .. } | Scheme::Scrypt { .. } => true,
        }
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match &self.scheme {
            Scheme::Argon2(_) => "argon2",
            Scheme::Bcrypt { .. } => "bcrypt",
            Scheme::Pbkdf2 { .. } => "pbkdf2",
            Scheme::Scrypt { .. } => "scrypt",
        };
        write!(f, "PasswordHash({scheme})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHlzYWx0eXNhbHR5IQ$Phn6Eg/xhsocMJ7ropCkOSHwKKFlZdgnNL5y8eXdZKM";

    fn error(text: &str) -> HashFormatError {
        PasswordHash::parse(text).unwrap_err()
    }

    #[test]
    fn an_own_hash_round_trips_with_and_without_a_pepper() {
        let pepper = Pepper::new("k-7".parse().unwrap(), Secret::new([9; 32]));
        for pepper in [None, Some(&pepper)] {
            let made = PasswordHash::own(HashParams::default(), pepper, [1; 16], [2; 32]);
            let read = PasswordHash::parse(made.expose()).unwrap();
            assert_eq!(read.expose(), made.expose());
            let key_id = pepper.map(Pepper::key_id);
            assert!(!read.needs_rehash(&HashParams::default(), key_id));
            assert_eq!(made.expose().contains(",p=1,keyid=k-7$"), pepper.is_some());
        }
    }

    #[test]
    fn whatever_differs_from_new_hashes_is_replaced() {
        let params = HashParams::default();
        let own = PasswordHash::parse(OWN).unwrap();
        assert!(!own.needs_rehash(&params, None));
        assert!(own.needs_rehash(&params, Some(&"k1".parse().unwrap())));
        assert!(own.needs_rehash(&HashParams::new(19_456, 3, 1).unwrap(), None));
        assert!(own.needs_rehash(&HashParams::new(12_288, 3, 1).unwrap(), None));
        let peppered = PasswordHash::parse(&OWN.replace("p=1", "p=1,keyid=k1")).unwrap();
        assert!(!peppered.needs_rehash(&params, Some(&"k1".parse().unwrap())));
        assert!(peppered.needs_rehash(&params, Some(&"k2".parse().unwrap())));
        assert!(peppered.needs_rehash(&params, None));
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("argon2id", "argon2d"),
            ("v=19", "v=16"),
            ("xzYWx0eXNhbHR5IQ", "xzYWx0eQ"),
        ] {
            let text = OWN.replace(from, to);
            assert!(text == OWN || PasswordHash::parse(&text).unwrap().needs_rehash(&params, None), "{text}");
        }
    }

    #[test]
    fn pwd_02_a_hostile_hash_is_refused_for_its_price() {
        for text in [
            &OWN.replace("m=19456", "m=4194304"),
            &OWN.replace("t=2", "t=4294967295"),
            &OWN.replace("t=2", "t=60"),
            "$2b$31$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C",
            "$2b$15$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C",
            "$pbkdf2-sha256$4294967295$c2FsdHlzYWx0eXNhbHR5IQ$HqXEpwTKtacBXE.l9o7y8.4SqDH3kZmDV0O2IJNBNcg",
            "pbkdf2_sha256$10000000$saltysalty$Nlqu0Xb7j9OMMy2C2zyeRWRRCnabEFjyRIMFxWaC9LU=",
            "$scrypt$ln=30,r=8,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            "$scrypt$ln=18,r=16,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            "$scrypt$ln=64,r=8,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            "$scrypt$ln=4294967295,r=8,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            // Four blocks of SHA-1, each with all the iterations.
            "$pbkdf2$1000000$c2FsdHlzYWx0eXNhbHR5IQ$XYh/DM7GRfR/sjMZLj.nKt1tr6Je49YSm0cmRxd8X4.tc5DTkRwnyC/jq34sBMlHxgQbyFOqZtEmOD8JyDvysQ",
            "$pbkdf2-sha512$1000001$c2FsdHlzYWx0eXNhbHR5IQ$XYh/DM7GRfR/sjMZLj.nKt1tr6Je49YSm0cmRxd8X4.tc5DTkRwnyC/jq34sBMlHxgQbyFOqZtEmOD8JyDvysQ",
            "$scrypt$ln=10,r=8,p=1048576$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            "$scrypt$ln=10,r=1048576,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
        ] {
            assert_eq!(error(text), HashFormatError::TooCostly, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_hash_is_refused() {
        for text in [
            "",
            "plain",
            "$1$abc$def",
            "$2x$04$x",
            "{SHA}x",
            "md5$a$b",
            "bcrypt_sha256$$2b$04$x",
            "$argon2idx$v=19$",
        ] {
            assert_eq!(error(text), HashFormatError::UnknownScheme, "{text}");
        }
        for text in [
            &OWN.replace("m=19456,", ""),
            &OWN.replace("m=19456", "m=019456"),
            &OWN.replace("m=19456", "m=+19456"),
            &OWN.replace("m=19456,", "m=19456,m=19456,"),
            &OWN.replace("p=1", "p=1,data=AAAA"),
            &OWN.replace("p=1", "p=1,keyid="),
            &OWN.replace("p=1", "p=0"),
            &OWN.replace("v=19", "v=18"),
            &OWN.replace("IQ$", "IQ==$"),
            &format!("{OWN}$"),
            &format!("{OWN}\n"),
            &format!(" {OWN}").replace(' ', "$argon2id$ "),
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$Phn6Eg",
            "$argon2id$v=19$m=19456,t=2,p=1,keyid=k1$c2FsdHlzYWx0eXNhbHR5IQ$BwcHBwcHBwcHBwcHBwcHBw",
            "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4",
            "$2b$4$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C",
            "$2b$03$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C",
            "$pbkdf2-sha256$0$c2FsdHlzYWx0eXNhbHR5IQ$HqXEpwTKtacBXE.l9o7y8.4SqDH3kZmDV0O2IJNBNcg",
            "pbkdf2_sha256$1000$$Nlqu0Xb7j9OMMy2C2zyeRWRRCnabEFjyRIMFxWaC9LU=",
            "$scrypt$ln=0,r=8,p=1$c2FsdHlzYWx0eXNhbHR5IQ$6evAF8xURJAqU+gYSLdJJTurham5H9pg3OdF9siv2FM",
            "scrypt$1000$saltysalty$8$1$tire3+13d4vrNWmu3LRmTBtBpnO8uvdDtN9D4sP5MGQTO/+tdjMsyxWg2F4NczXzYGI/wzteTDKjAHqHK5RixA==",
        ] {
            assert_eq!(error(text), HashFormatError::Malformed, "{text}");
        }
        assert_eq!(error(&format!("$argon2id${}", "a".repeat(600))), HashFormatError::Malformed);
        assert_eq!(error("$argon2id$v=19$\u{e4}"), HashFormatError::Malformed);
    }

    #[test]
    fn pwd_09_a_hash_cannot_be_printed() {
        assert_eq!(format!("{:?}", PasswordHash::parse(OWN).unwrap()), "PasswordHash(argon2)");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = PasswordHash::parse(&text);
        }

        #[test]
        fn any_text_that_looks_like_a_hash_is_read_or_refused(
            prefix in "(\\$argon2(id|i|d)\\$|\\$2[aby]\\$|\\$pbkdf2(-sha(256|512))?\\$|\\$scrypt\\$|pbkdf2_sha(1|256)\\$|scrypt\\$|argon2\\$|bcrypt\\$)",
            rest in "[a-z0-9=,$./+-]{0,120}",
        ) {
            let _ = PasswordHash::parse(&format!("{prefix}{rest}"));
        }
    }
}
