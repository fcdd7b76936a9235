//! Signing keys and what is made of them, from outside.

#[path = "tests/bearer.rs"]
mod bearer;
#[path = "tests/forgery.rs"]
mod forgery;
#[path = "tests/lifecycle.rs"]
mod lifecycle;
#[path = "tests/rotation.rs"]
mod rotation;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_testkit::{Persona, TestApp, master_key};
use serde_json::Value;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Somebody who has our private key, or says so.
struct Forger {
    pair: Ed25519KeyPair,
    kid: String,
    claims: Value,
}

impl Forger {
    /// With the key that is in use, and the claims of a token that is good.
    async fn of(app: &TestApp, persona: &Persona) -> Self {
        let kid = app.text("SELECT kid FROM signing_keys WHERE state = 'active'", &[]).await.unwrap();
        let sealed = app.bytes("SELECT sealed FROM signing_keys WHERE state = 'active'", &[]).await.unwrap();
        let stored = master_key().derive("gatepost signing keys").open(kid.as_bytes(), &sealed).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(stored.expose()).unwrap();
        Self { pair, kid, claims: persona.claims() }
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn header(&self) -> Value {
        serde_json::json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": self.kid })
    }

    /// A token with this header and these claims, and a signature that holds.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.pair.sign(message.as_bytes());
        format!("{message}.{}", encode(signature))
    }
}
