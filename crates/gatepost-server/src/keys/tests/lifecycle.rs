//! Where keys are kept and what they are called.

use aws_lc_rs::digest;
use gatepost_kernel::Secret;
use gatepost_server::app::StartError;
use gatepost_server::keys::{KeysError, MasterKey};
use gatepost_testkit::{Setup, on_each_db};
use serde_json::json;

use super::{Forger, encode};

on_each_db! {
    async fn jwt_08_private_keys_are_sealed_in_the_table(app: TestApp) {
        let ada = app.user("ada").await;
        let sealed = app.bytes("SELECT sealed FROM signing_keys", &[]).await.unwrap();
        let forger = Forger::of(&app, &ada).await;
        // The forger had the master key; without it there is not even the public half in the row.
        let public = forger.public();
        assert!(!sealed.windows(8).any(|window| public.windows(8).any(|part| part == window)));
        assert!(!sealed.windows(5).any(|window| window == b"\x06\x03\x2b\x65\x70"), "PKCS#8 names its algorithm in clear");
        let other = MasterKey::from_bytes(Secret::new([43; 32]));
        assert!(other.derive("gatepost signing keys").open(forger.kid.as_bytes(), &sealed).is_none());
        let moved = gatepost_testkit::master_key().derive("gatepost signing keys").open(b"another row", &sealed);
        assert!(moved.is_none(), "a seal opens in another row");
    }

    async fn jwt_08_a_server_with_another_master_key_does_not_start(app: TestApp) {
        let other = MasterKey::from_bytes(Secret::new([43; 32]));
        let refused = app.try_second_node(other).await.err().unwrap();
        assert!(matches!(refused, StartError::Keys(KeysError::WrongMasterKey(_))), "{refused}");
    }

    async fn jwt_06_a_key_is_called_by_its_thumbprint(app: TestApp) {
        let answer = app.get("/.well-known/jwks.json").send().await;
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let body = answer.json();
        let key = &body["keys"][0];
        let x = key["x"].as_str().unwrap();
        // RFC 7638 section 3: the required members, in lexicographic order, without blanks.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let thumbprint = encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        assert_eq!(body, json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA", "kid": thumbprint }] }));
        let stored = app.text("SELECT kid FROM signing_keys", &[]).await.unwrap();
        assert_eq!(stored, thumbprint);
        let header = app.user("ada").await.access_token.split('.').next().unwrap().to_owned();
        assert_eq!(header, encode(format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{thumbprint}"}}"#)));
    }

    async fn brief1_a_shared_secret_is_never_published(app: TestApp = |setup: Setup| setup.set("tokens.algorithm", "HS256")) {
        assert_eq!(app.get("/.well-known/jwks.json").send().await.json(), json!({ "keys": [] }));
        let ada = app.user("ada").await;
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(app.second_node().await.me(&ada.access_token).await.status, 200);
    }
}
