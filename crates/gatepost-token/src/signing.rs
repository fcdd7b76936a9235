//! Keys that sign tokens.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Random, Secret};

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::compact::MAX_TOKEN_LENGTH;
use crate::ecdsa;
use crate::error::{KeyError, SigningError};
use crate::jwks::{Jwk, Parameters};
use crate::keys::VerificationKey;

/// The shortest HS256 secret, in bytes (RFC 7518 section 3.2).
const MIN_SECRET_LENGTH: usize = 32;

/// What is put under an HS256 secret to name it. It has no dot, so the result is no signature of any token.
const HS256_KEY_ID: &[u8] = b"gatepost HS256 key id";

/// A key that signs tokens.
///
/// The private key is parsed once, when the value is made, and the header of its tokens is written once:
/// signing is one serialization of the claims and one call of the cryptographic library.
///
/// # Key ids
///
/// The id is the RFC 7638 thumbprint of the public key. For HS256 that would be a hash of the secret itself,
/// which section 7 of that RFC warns of; there it is an HMAC under the secret over a fixed label. It tells an
/// outsider no more about the secret than any token signed with it does.
pub struct SigningKey {
    private: Private,
    stored: Secret<Vec<u8>>,
    verification: VerificationKey,
    /// `base64url(header)` and the dot after it.
    header: String,
}

enum Private {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Hmac(Box<hmac::Key>),
}

impl SigningKey {
    /// Makes a new key. RSA keys have 2048 bits, HS256 secrets 256.
    ///
    /// 2048 bits are what RFC 7518 asks for and what NIST SP 800-57 trusts until 2030. A signing key lives for
    /// weeks and its tokens for minutes, so a larger modulus would buy nothing but signatures three times as
    /// slow. A larger one, up to 4096 bits, can be brought in through [`SigningKey::from_stored`].
    ///
    /// Ed25519 and HS256 keys are drawn from `random`; for P-256 and RSA the cryptographic library draws from
    /// its own generator and lets nobody else do it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Generation`]: the cryptographic library failed.
    pub fn generate(algorithm: Algorithm, random: &Random) -> Result<Self, KeyError> {
        let stored = match algorithm {
            Algorithm::EdDsa => {
                let seed = Secret::new(random.bytes::<32>());
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
                pair.map_err(|_| KeyError::Generation)?
                    .to_pkcs8v1()
                    .map(|document| document.as_ref().to_vec())
            }
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| document.as_ref().to_vec()),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| pair.as_der())
                .map(|document: Pkcs8V1Der<'_>| document.as_ref().to_vec()),
            Algorithm::Hs256 => {
                let mut secret = vec![0; MIN_SECRET_LENGTH];
                random.fill(&mut secret);
                Ok(secret)
            }
        };
        Self::from_stored(algorithm, Secret::new(stored.map_err(|_| KeyError::Generation)?))
    }

    /// Reads a key in the form of [`SigningKey::stored`]: PKCS#8 in DER (RFC 5208, RFC 8410), or the bare
    /// secret for HS256.
    ///
    /// # Errors
    ///
    /// * [`KeyError::Malformed`]: no key of this algorithm.
    /// * [`KeyError::Weak`]: an RSA modulus outside of 2048 to 4096 bits, or a secret under 32 bytes.
    pub fn from_stored(algorithm: Algorithm, stored: Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let bytes = stored.expose().as_slice();
        let (private, verification) = match algorithm {
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| KeyError::Malformed)?;
                let public = Parameters::ed25519(pair.public_key().as_ref());
                (Private::Ed25519(pair), VerificationKey::public(Jwk::new(public))?)
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
                    .map_err(|_| KeyError::Malformed)?;
                let public = Parameters::p256(pair.public_key().as_ref()).ok_or(KeyError::Malformed)?;
                (Private::P256(pair), VerificationKey::public(Jwk::new(public))?)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(bytes).map_err(|_| KeyError::Malformed)?;
                let (modulus, exponent) = (pair.public_key().modulus(), pair.public_key().exponent());
                let public = Parameters::rsa(
                    modulus.big_endian_without_leading_zero(),
                    exponent.big_endian_without_leading_zero(),
                );
                (Private::Rsa(pair), VerificationKey::public(Jwk::new(public))?)
            }
            Algorithm::Hs256 => {
                if bytes.len() < MIN_SECRET_LENGTH {
                    return Err(KeyError::Weak);
                }
                let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
                let kid = URL_SAFE_NO_PAD.encode(hmac::sign(&key, HS256_KEY_ID));
                (Private::Hmac(Box::new(key.clone())), VerificationKey::shared(kid, key))
            }
        };
        // Neither an algorithm's name nor base64url needs an escape in JSON.
        let header = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{}"}}"#, verification.kid());
        let header = URL_SAFE_NO_PAD.encode(header) + ".";
        Ok(Self { private, stored, verification, header })
    }

    /// The form to keep, sealed: PKCS#8 in DER, or the bare secret for HS256.
    pub const fn stored(&self) -> &Secret<Vec<u8>> {
        &self.stored
    }

    /// The key's id, as in the header of its tokens.
    pub fn kid(&self) -> &str {
        self.verification.kid()
    }

    /// The algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.verification.algorithm()
    }

    /// The public key as it is published; `None` for HS256.
    pub fn public_jwk(&self) -> Option<&Jwk> {
        self.verification.jwk()
    }

    /// The key that checks this key's signatures, for a [`KeySet`](crate::KeySet).
    pub fn verification_key(&self) -> VerificationKey {
        self.verification.clone()
    }

    /// Mints a token.
    ///
    /// # Errors
    ///
    /// * [`SigningError::TooLong`]: the token would be longer than any verifier reads.
    /// * [`SigningError::Library`]: the cryptographic library failed.
    pub fn sign(&self, claims: &Claims) -> Result<Secret<String>, SigningError> {
        let payload = serde_json::to_vec(claims).map_err(|_| SigningError::Library)?;
        if payload.len() > MAX_TOKEN_LENGTH {
            return Err(SigningError::TooLong);
        }
        // Room for the largest signature, so that the text never moves and leaves no copy behind.
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 700);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let token = Secret::new(token);
        if token.expose().len() > MAX_TOKEN_LENGTH { Err(SigningError::TooLong) } else { Ok(token) }
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        // The library draws nonces itself and ignores the generator that its interface asks for.
        let unused = SystemRandom::new();
        match &self.private {
            Private::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Private::P256(pair) => pair.sign(&unused, message).map(|signature| {
                let mut signature = signature.as_ref().to_vec();
                ecdsa::lower_s(&mut signature);
                signature
            }),
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &unused, message, &mut signature).map(|()| signature)
            }
            Private::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
        .map_err(|_| SigningError::Library)
    }
}
