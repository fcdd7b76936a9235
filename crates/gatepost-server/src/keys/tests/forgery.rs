//! Tokens that were not made here, or not for this.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use gatepost_testkit::{PASSWORD, Persona, TestApp, on_each_db};
use serde_json::{Value, json};

use super::{Forger, encode};

async fn assert_refused(app: &TestApp, token: &str, why: &str) {
    let answer = app.me(token).await;
    assert_eq!(answer.status, 401, "{why}: {}", answer.text());
    answer.assert_refused(401, "invalid_token");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#, "{why}");
}

fn with(value: &Value, name: &str, member: Value) -> Value {
    let mut value = value.clone();
    value[name] = member;
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

on_each_db! {
    async fn jwt_01_the_header_does_not_choose_the_algorithm(app: TestApp) {
        let ada = app.user("ada").await;
        let forger = Forger::of(&app, &ada).await;
        let good = forger.sign(&forger.header(), &forger.claims);
        assert_eq!(app.me(&good).await.status, 200, "the forger can sign what is accepted");

        let claims = encode(forger.claims.to_string());
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let message = format!("{}.{claims}", encode(with(&forger.header(), "alg", json!(alg)).to_string()));
            for signature in ["", good.rsplit_once('.').unwrap().1, "AA"] {
                assert_refused(&app, &format!("{message}.{signature}"), alg).await;
            }
        }
        // HS256 keyed with what everybody can read.
        let jwks = app.get("/.well-known/jwks.json").send().await;
        let jwk = jwks.json()["keys"][0].clone();
        let jwk_text = jwk.to_string();
        let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", forger.public()].concat();
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let secrets: [&[u8]; 7] = [
            forger.public(), &der, pem.as_bytes(), pem.trim_end().as_bytes(), &jwks.body, jwk_text.as_bytes(),
            jwk["x"].as_str().unwrap().as_bytes(),
        ];
        let header = with(&forger.header(), "alg", json!("HS256"));
        let message = format!("{}.{claims}", encode(header.to_string()));
        for secret in secrets {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            assert_refused(&app, &format!("{message}.{}", encode(tag)), "HS256 with the public key").await;
        }
        for alg in ["RS256", "PS256", "ES256", "HS512", "Ed25519", "eddsa", "EdDSA "] {
            let token = forger.sign(&with(&forger.header(), "alg", json!(alg)), &forger.claims);
            assert_refused(&app, &token, alg).await;
        }
        assert_refused(&app, &forger.sign(&without(&forger.header(), "alg"), &forger.claims), "no alg").await;
    }

    async fn jwt_02_a_token_cannot_bring_or_point_to_its_key(app: TestApp) {
        let ada = app.user("ada").await;
        let ours = Forger::of(&app, &ada).await;
        let thief = Forger { pair: Ed25519KeyPair::generate().unwrap(), kid: "thief".to_owned(), claims: ours.claims.clone() };
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(thief.public()), "kid": "thief" });
        // The thief's key under our id, under its own, and beside an invitation to use it.
        let headers = [
            ours.header(),
            thief.header(),
            with(&ours.header(), "jwk", jwk.clone()),
            with(&thief.header(), "jwk", jwk),
            with(&thief.header(), "jku", json!("http://127.0.0.1:1/jwks.json")),
            with(&thief.header(), "x5u", json!("http://127.0.0.1:1/cert.pem")),
            with(&thief.header(), "x5c", json!(["MIIB"])),
        ];
        for header in headers {
            assert_refused(&app, &thief.sign(&header, &thief.claims), &header.to_string()).await;
        }
        // What we do not understand we do not believe, also over our own signature.
        for (name, member) in [("crit", json!(["exp"])), ("b64", json!(false)), ("zip", json!("DEF")), ("cty", json!("JWT")), ("enc", json!("A256GCM")), ("jku", json!("https://x.example"))] {
            assert_refused(&app, &ours.sign(&with(&ours.header(), name, member), &ours.claims), name).await;
        }
        for kid in ["../../../../dev/null", "' OR 1=1 --", "", "\u{0}", "x".repeat(5_000).as_str()] {
            assert_refused(&app, &ours.sign(&with(&ours.header(), "kid", json!(kid)), &ours.claims), kid).await;
        }
        assert_refused(&app, &ours.sign(&without(&ours.header(), "kid"), &ours.claims), "no kid").await;
        let nested = format!("{}.{}.{}", encode(ours.header().to_string()), encode(&ada.access_token), encode(ours.pair.sign(b"x")));
        assert_refused(&app, &nested, "nested").await;
        assert_refused(&app, &format!("{}..AAAA.AAAA.AAAA", encode(r#"{"alg":"dir","enc":"A256GCM"}"#)), "JWE").await;
    }

    async fn jwt_03_every_claim_is_there_and_of_its_type(app: TestApp) {
        let ada = app.user("ada").await;
        let forger = Forger::of(&app, &ada).await;
        let now = app.clock.now().as_secs();
        let mut cases = Vec::new();
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "epoch"] {
            cases.push((format!("without {name}"), without(&forger.claims, name)));
            for member in [json!(null), json!({}), json!([]), json!(true), json!(1.5), json!("not this"), json!(-1), json!(u64::MAX)] {
                // Any text is an id of a token.
                if name == "jti" && member.is_string() {
                    continue;
                }
                // Who the client was is for the log; the session knows.
                if name == "client_id" && member.is_string() {
                    continue;
                }
                cases.push((format!("{name} = {member}"), with(&forger.claims, name, member)));
            }
        }
        for (name, member) in [
            ("exp", json!((now + 600).to_string())), ("exp", json!(now)), ("iat", json!(now + 31)), ("nbf", json!(now + 31)),
            ("nbf", json!("0")), ("nbf", json!(1.5)), ("nbf", json!(null)), ("aud", json!([forger.claims["aud"]])), ("aud", json!("https://other.example")),
            ("iss", json!("http://127.0.0.1:8080/")), ("iss", json!("https://evil.example")),
        ] {
            cases.push((format!("{name} = {member}"), with(&forger.claims, name, member)));
        }
        for (why, claims) in cases {
            assert_refused(&app, &forger.sign(&forger.header(), &claims), &why).await;
        }
        // At the limit it is good.
        for (name, member) in [("exp", json!(now + 1)), ("iat", json!(now + 30)), ("nbf", json!(now + 30)), ("nbf", json!(0))] {
            let token = forger.sign(&forger.header(), &with(&forger.claims, name, member));
            assert_eq!(app.me(&token).await.status, 200, "{name}");
        }
    }

    async fn a_token_names_its_own_session_and_epoch(app: TestApp) {
        // Also with our signature: what a token says is compared with what the database says.
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let forger = Forger::of(&app, &ada).await;
        for (name, member) in [
            ("sub", json!(bob.id)), ("sid", bob.claims()["sid"].clone()), ("sid", json!(ada.id)),
            ("sid", json!("019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10")), ("epoch", json!(2)), ("epoch", json!(0)),
        ] {
            assert_refused(&app, &forger.sign(&forger.header(), &with(&forger.claims, name, member)), name).await;
        }
        let token = forger.sign(&forger.header(), &with(&forger.claims, "roles", json!(["admin"])));
        assert_eq!(app.me(&token).await.json()["roles"], json!(["user"]), "roles in a token are for others to read");
    }

    async fn brief3_access_and_refresh_tokens_are_not_interchangeable(app: TestApp) {
        let ada = app.user("ada").await;
        let setup = app.setup_token().await;
        for (kind, token) in [("refresh", ada.refresh_token.as_str()), ("setup", &setup), ("API key", "gpk_AAAAAAAAAAAAAAAAAAAAAA"), ("password", "CANARYlanterns")] {
            assert_refused(&app, token, kind).await;
        }
        for token in [ada.access_token.as_str(), &setup, &ada.refresh_token[4..]] {
            app.refresh(token).await.assert_refused(401, "invalid_refresh_token");
            app.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await.assert_refused(400, "invalid_grant");
        }
        for token in [ada.access_token.as_str(), &ada.refresh_token] {
            let body = json!({ "token": token, "email": "owner@example.com", "password": PASSWORD });
            app.post("/api/v1/setup").json(&body).send().await.assert_refused(400, "invalid_token");
            app.login("ada", token).await.assert_refused(401, "invalid_credentials");
        }
        // None of this was taken for the use of a stolen token.
        assert_eq!(app.refresh(&ada.refresh_token).await.status, 200);
    }

    async fn jwt_04_only_an_access_token_is_an_access_token(app: TestApp) {
        let ada = app.user("ada").await;
        let forger = Forger::of(&app, &ada).await;
        for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", ""] {
            assert_refused(&app, &forger.sign(&with(&forger.header(), "typ", json!(typ)), &forger.claims), typ).await;
        }
        assert_refused(&app, &forger.sign(&without(&forger.header(), "typ"), &forger.claims), "no typ").await;
    }

    async fn a_token_that_was_verified_once_still_expires(app: TestApp) {
        let ada = app.user("ada").await;
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        app.clock.advance(Duration::from_secs(900));
        assert_refused(&app, &ada.access_token, "expired").await;
        app.clock.set_back(Duration::from_secs(900));
        let again = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(app.me(&again.access_token).await.status, 200);
    }
}
