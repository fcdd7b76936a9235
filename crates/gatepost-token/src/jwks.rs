//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::algorithm::Algorithm;
use crate::error::KeyError;
use crate::object::Object;

/// The longest JWK set that is read, in bytes.
pub const MAX_JWKS_LENGTH: usize = 64 * 1024;
/// The most keys that are read from a JWK set.
pub const MAX_JWKS_KEYS: usize = 64;

/// The largest RSA modulus, in bits: verification is slower the larger it is.
const MAX_RSA_BITS: usize = 4096;
const MIN_RSA_BITS: usize = 2048;
/// 65537, the public exponent that every key generator has used for decades.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// The points of small order on Edwards25519, and the two that are written with a `y` that is not reduced.
/// For such a key there are signatures that hold for every message. The sign bit is cleared.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let minus_one = {
        let mut y = [0xff; 32];
        y[0] = 0xec;
        y[31] = 0x7f;
        y
    };
    let (mut zero_again, mut one_again) = (minus_one, minus_one);
    zero_again[0] = 0xed;
    one_again[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        minus_one,
        zero_again,
        one_again,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// The document under `/.well-known/jwks.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl FromIterator<Jwk> for Jwks {
    fn from_iter<I: IntoIterator<Item = Jwk>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

/// A public key that checks signatures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    parameters: Parameters,
    r#use: Use,
    alg: Algorithm,
    kid: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Use {
    #[serde(rename = "sig")]
    Signature,
}

/// What makes the key: its numbers, in base64url.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kty")]
pub(crate) enum Parameters {
    #[serde(rename = "OKP")]
    Ed25519 { crv: &'static str, x: String },
    #[serde(rename = "EC")]
    P256 { crv: &'static str, x: String, y: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

impl Parameters {
    pub(crate) fn ed25519(public: &[u8]) -> Self {
        Self::Ed25519 { crv: "Ed25519", x: URL_SAFE_NO_PAD.encode(public) }
    }

    /// From an uncompressed point, `0x04 || x || y`.
    pub(crate) fn p256(point: &[u8]) -> Option<Self> {
        let [0x04, coordinates @ ..] = point else { return None };
        let (x, y) = coordinates.split_at_checked(32)?;
        Some(Self::P256 { crv: "P-256", x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) })
    }

    /// From big-endian numbers without leading zeros.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self::Rsa { n: URL_SAFE_NO_PAD.encode(modulus), e: URL_SAFE_NO_PAD.encode(exponent) }
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::P256 { .. } => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// SHA-256 over the required members in lexicographic order (RFC 7638 section 3). base64url needs no
    /// escapes in JSON.
    fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Ed25519 { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::P256 { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
    }
}

impl Jwk {
    /// The key under its RFC 7638 thumbprint.
    pub(crate) fn new(parameters: Parameters) -> Self {
        let kid = parameters.thumbprint();
        Self::with_id(parameters, kid)
    }

    fn with_id(parameters: Parameters, kid: String) -> Self {
        Self { r#use: Use::Signature, alg: parameters.algorithm(), kid, parameters }
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that the key is for.
    pub const fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The key, ready for use.
    pub(crate) fn parse(&self) -> Result<ParsedPublicKey, KeyError> {
        match &self.parameters {
            Parameters::Ed25519 { x, .. } => {
                let public: [u8; 32] = decode(x)?.try_into().map_err(|_| KeyError::Malformed)?;
                let mut y = public;
                y[31] &= 0x7f;
                if SMALL_ORDER.contains(&y) {
                    return Err(KeyError::Weak);
                }
                ParsedPublicKey::new(&ED25519, public)
            }
            Parameters::P256 { x, y, .. } => {
                let (x, y) = (decode(x)?, decode(y)?);
                // Full length, also when the number has leading zeros (RFC 7518 section 6.2.1.2).
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeyError::Malformed);
                }
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[0x04], &x[..], &y[..]].concat())
            }
            Parameters::Rsa { n, e } => {
                let (n, e) = (decode(n)?, decode(e)?);
                let bits = match n.first() {
                    Some(0) | None => return Err(KeyError::Malformed),
                    Some(first) => n.len() * 8 - first.leading_zeros() as usize,
                };
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || e != RSA_EXPONENT {
                    return Err(KeyError::Weak);
                }
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        }
        .map_err(|_| KeyError::Malformed)
    }
}

fn decode(member: &str) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD.decode(member).map_err(|_| KeyError::Malformed)
}

/// A JWK set as it arrives.
#[derive(Deserialize)]
struct ReceivedSet {
    keys: Vec<Object<ReceivedKey>>,
}

/// A key as it arrives: every member that we know of, all optional, for the key may be of a kind that we do not.
#[derive(Deserialize)]
struct ReceivedKey {
    kty: Option<String>,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    // Private members (RFC 7518 sections 6.2.2, 6.3.2 and 6.4; the last is of the key type `AKP`).
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
    r#priv: Option<IgnoredAny>,
}

impl ReceivedKey {
    fn is_private(&self) -> bool {
        let members = [self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth, self.k, self.r#priv];
        members.iter().any(Option::is_some)
    }

    /// The key, or `None` when it is of a kind or for a purpose that is not ours.
    fn understand(self) -> Option<Jwk> {
        let for_signatures = self.r#use.is_none_or(|usage| usage == "sig")
            && self.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !for_signatures {
            return None;
        }
        let parameters = match (self.kty?.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Parameters::Ed25519 { crv: "Ed25519", x: self.x? },
            ("EC", Some("P-256")) => Parameters::P256 { crv: "P-256", x: self.x?, y: self.y? },
            ("RSA", None) => Parameters::Rsa { n: self.n?, e: self.e? },
            (_, _) => return None,
        };
        let algorithm = match self.alg {
            Some(name) => name.parse().ok()?,
            // An RSA key could also be for PS256 or RS512, so it has to say; a curve says it by itself.
            None if matches!(parameters, Parameters::Rsa { .. }) => return None,
            None => parameters.algorithm(),
        };
        if algorithm != parameters.algorithm() {
            return None;
        }
        Some(Jwk::with_id(parameters, self.kid?))
    }
}

/// The keys of a JWK set that we understand.
pub(crate) fn read(document: &str) -> Result<Vec<Jwk>, KeyError> {
    if document.len() > MAX_JWKS_LENGTH {
        return Err(KeyError::TooLarge);
    }
    let set: ReceivedSet = Object::read(document.as_bytes()).ok_or(KeyError::NotJwks)?;
    if set.keys.len() > MAX_JWKS_KEYS {
        return Err(KeyError::TooLarge);
    }
    if set.keys.iter().any(|Object(key)| key.is_private()) {
        return Err(KeyError::Private);
    }
    Ok(set.keys.into_iter().filter_map(|Object(key)| key.understand()).collect())
}
