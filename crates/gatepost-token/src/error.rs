//! Why a token, a key or a signature was refused.

/// Why a token was refused, for the operator's log.
///
/// A client sees `invalid_token` and nothing else (RFC 6750 section 3.1): the reason would tell an attacker
/// which check stopped a forgery.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_LENGTH`](crate::MAX_TOKEN_LENGTH).
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty parts of unpadded, canonical base64url.
    #[error("the token is not a compact JWS")]
    Malformed,
    /// The header is not a JSON object of `typ`, `alg` and `kid`, each at most once.
    #[error("the token's header is not one that we write")]
    Header,
    /// The header's `typ` is not `at+jwt`: a JWT, but not an access token.
    #[error("the token is not an access token")]
    Type,
    /// No key has this `kid`. After a rotation elsewhere the key set may be older than the token.
    #[error("no key has the token's key id")]
    UnknownKey,
    /// The header names another algorithm than the one that its key is for.
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    /// The signature does not hold.
    #[error("the token's signature does not hold")]
    Signature,
    /// A claim is absent, twice there, or of the wrong type.
    #[error("the token's claims are not those of an access token")]
    Claims,
    /// Another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// Meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Past its `exp`.
    #[error("the token has expired")]
    Expired,
    /// Its `iat` or `nbf` lies in the future by more than the leeway.
    #[error("the token is from the future")]
    NotYetValid,
}

/// Why a key or a key set was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library could not make a key.
    #[error("the cryptographic library could not generate a key")]
    Generation,
    /// The bytes hold no key of the expected kind.
    #[error("the key is malformed")]
    Malformed,
    /// An HMAC secret under 32 bytes, an RSA modulus outside of 2048 to 4096 bits or exponent other than
    /// 65537, or an Ed25519 point of small order.
    #[error("the key is too weak to sign tokens")]
    Weak,
    /// A key set holds a private or symmetric key: whoever published it must take that key out of use.
    #[error("the key set holds a private key")]
    Private,
    /// Two keys of a set have the same `kid`.
    #[error("two keys of the set have the same id")]
    DuplicateId,
    /// The key set is larger than [`MAX_JWKS_LENGTH`](crate::MAX_JWKS_LENGTH) or
    /// [`MAX_JWKS_KEYS`](crate::MAX_JWKS_KEYS).
    #[error("the key set is too large")]
    TooLarge,
    /// The text is not a JWK set (RFC 7517 section 5).
    #[error("the text is not a JWK set")]
    NotJwks,
}

/// Why a token could not be signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum SigningError {
    /// The cryptographic library failed.
    #[error("the cryptographic library could not sign")]
    Library,
    /// The token would be longer than [`MAX_TOKEN_LENGTH`](crate::MAX_TOKEN_LENGTH), so no verifier would read
    /// it. Only a very long list of roles or scopes gets there.
    #[error("the claims are too long for a token")]
    TooLong,
}
