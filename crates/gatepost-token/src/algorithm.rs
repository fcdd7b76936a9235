//! The signature algorithms that Gatepost offers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How tokens are signed: a short list on purpose (RFC 8725 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037): small keys, small signatures, nothing to choose wrong. The default.
    #[default]
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4), for services whose library has no EdDSA.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), the one that every library reads. Signing is slow.
    Rs256,
    /// HMAC with SHA-256 (RFC 7518 section 3.2). Whoever can verify can also mint, so its key is never published.
    Hs256,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// The name in the JOSE registry, in the configuration and in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`Algorithm`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown signature algorithm; write EdDSA, ES256, RS256 or HS256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads exactly the spelling of [`Algorithm::name`]; JOSE names are case-sensitive (RFC 7515 section 4.1.1).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(UnknownAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_its_algorithm_and_no_other_spelling_does() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.name().to_lowercase().parse::<Algorithm>(), Err(UnknownAlgorithm));
        }
        for other in ["none", "None", "NONE", "", "EdDSA ", "Ed25519", "ES384", "PS256", "RS512"] {
            assert_eq!(other.parse::<Algorithm>(), Err(UnknownAlgorithm), "{other:?}");
        }
        assert_eq!(Algorithm::default(), Algorithm::EdDsa);
    }
}
