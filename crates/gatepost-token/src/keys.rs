//! Keys that signatures are checked with.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use crate::algorithm::Algorithm;
use crate::ecdsa;
use crate::error::KeyError;
use crate::jwks::{Jwk, Jwks};

/// A key that checks signatures: one id, one algorithm, parsed once and ready.
#[derive(Clone)]
pub struct VerificationKey {
    kid: String,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Public(Jwk, ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

impl VerificationKey {
    pub(crate) fn public(jwk: Jwk) -> Result<Self, KeyError> {
        let parsed = jwk.parse()?;
        Ok(Self { kid: jwk.kid().to_owned(), material: Material::Public(jwk, parsed) })
    }

    pub(crate) fn shared(kid: String, key: hmac::Key) -> Self {
        Self { kid, material: Material::Shared(Box::new(key)) }
    }

    /// The key's id, as in a token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that the key is for.
    pub fn algorithm(&self) -> Algorithm {
        match &self.material {
            Material::Public(jwk, _) => jwk.algorithm(),
            Material::Shared(_) => Algorithm::Hs256,
        }
    }

    /// The key as it is published; `None` for HS256, whose key is a secret.
    pub fn jwk(&self) -> Option<&Jwk> {
        match &self.material {
            Material::Public(jwk, _) => Some(jwk),
            Material::Shared(_) => None,
        }
    }

    /// Whether the signature is this key's signature of the message.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(jwk, key) => {
                (jwk.algorithm() != Algorithm::Es256 || ecdsa::is_low_s(signature))
                    && key.verify_sig(message, signature).is_ok()
            }
            // Compares in constant time.
            Material::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// The keys whose tokens are accepted, by id.
#[derive(Clone, Default)]
pub struct KeySet(BTreeMap<String, VerificationKey>);

impl KeySet {
    /// The key with this id.
    pub fn get(&self, kid: &str) -> Option<&VerificationKey> {
        self.0.get(kid)
    }

    /// Adds a key. One with the same id is replaced, and handed back.
    pub fn insert(&mut self, key: VerificationKey) -> Option<VerificationKey> {
        self.0.insert(key.kid.clone(), key)
    }

    /// Every key, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &VerificationKey> {
        self.0.values()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no token at all can be accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The document to publish. It is made from the same keys that tokens are checked with, so the two cannot
    /// differ. HS256 keys are left out.
    pub fn jwks(&self) -> Jwks {
        self.iter().filter_map(VerificationKey::jwk).cloned().collect()
    }

    /// Reads the document that another Gatepost publishes.
    ///
    /// Keys that we do not understand are ignored (RFC 7517 section 5): another `kty`, `crv` or `alg`, a `use`
    /// other than `sig`, no `kid`. A key that we understand and that is unsound refuses the whole document, for
    /// then something is wrong at its source.
    ///
    /// # Errors
    ///
    /// * [`KeyError::TooLarge`]: over 64 KiB or 64 keys.
    /// * [`KeyError::NotJwks`]: not a JWK set.
    /// * [`KeyError::Private`]: a key with private members, or a symmetric one.
    /// * [`KeyError::Weak`], [`KeyError::Malformed`]: a key that must not be used.
    /// * [`KeyError::DuplicateId`]: two keys with one `kid`.
    pub fn from_jwks(document: &str) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        for jwk in crate::jwks::read(document)? {
            if keys.insert(VerificationKey::public(jwk)?).is_some() {
                return Err(KeyError::DuplicateId);
            }
        }
        Ok(keys)
    }
}

impl FromIterator<VerificationKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerificationKey>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key.kid.clone(), key)).collect())
    }
}
